import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeMcubootImage, makeTiOadImage, makeTiOffChipImage, padMcubootToSlot } from '@drydock/dfu-core';
import { verifyReleaseSignature } from './release-keys.js';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const secret = new Uint8Array(Buffer.from(pair.privateKey.export({ format: 'jwk' }).d!, 'base64url'));
const code = new Uint8Array(300).fill(7);
const version = { major: 1, minor: 0, revision: 0, build: 0 };
const mcuboot = makeMcubootImage({ body: code, version, headerBytes: 256, key: { kind: 'ecdsa-p256', secret } });

const holds = (file: Uint8Array, format: string, keys: readonly KeyObject[]): boolean => {
  try {
    verifyReleaseSignature(file, format, 'ti-sensor', keys);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'gateway.no-release-key' });
    return false;
  }
};

describe('the release key of a model', () => {
  it.each<[string, Uint8Array]>([
    ['ti-oad', makeTiOadImage({ code, softwareVersion: '0001', privateKey: secret })],
    ['mcuboot', mcuboot],
    ['ti-mcuboot-slot', padMcubootToSlot(mcuboot, 4096)],
  ])('is looked for in files of format %s', (format, file) => {
    expect(holds(file, format, [rsa, stranger, pair.publicKey])).toBe(true);
    expect(holds(file, format, [rsa, stranger])).toBe(false);
    expect(holds(file, format, [])).toBe(false);
  });

  it('cannot have signed what carries no signature', () => {
    expect(holds(makeTiOadImage({ code, softwareVersion: '0001' }), 'ti-oad', [pair.publicKey])).toBe(false);
    const classic = makeTiOffChipImage({ image: new Uint8Array(64), version: 1 });
    expect(holds(classic, 'ti-oad-classic-off-chip', [pair.publicKey])).toBe(false);
  });
});
