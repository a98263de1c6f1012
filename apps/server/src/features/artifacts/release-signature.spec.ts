import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeMcubootImage, makeTiOadImage, padMcubootToSlot } from '@drydock/dfu-core';
import { releaseSignatureFault } from './release-signature.js';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: typeof pair.publicKey): string => key.export({ type: 'spki', format: 'pem' }).toString();
const mine = pem(pair.publicKey);
const others = [
  pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey),
  pem(generateKeyPairSync('ed25519').publicKey),
];
const secret = new Uint8Array(Buffer.from(pair.privateKey.export({ format: 'jwk' }).d!, 'base64url'));
const code = new Uint8Array(300).fill(7);
const version = { major: 1, minor: 0, revision: 0, build: 0 };
const mcuboot = makeMcubootImage({ body: code, version, headerBytes: 256, key: { kind: 'ecdsa-p256', secret } });

describe('release signatures of TI files', () => {
  it.each<[string, Uint8Array]>([
    ['ti-oad', makeTiOadImage({ code, softwareVersion: '0001', privateKey: secret })],
    ['ti-mcuboot-slot', padMcubootToSlot(mcuboot, 4096)],
  ])('%s', (format, file) => {
    expect(releaseSignatureFault(file, format, [...others, mine])).toBeUndefined();
    expect(releaseSignatureFault(file, format, others)).toMatch(/signed|signature/);
  });

  it('a padded file is no plain MCUboot image', () => {
    expect(() => releaseSignatureFault(padMcubootToSlot(mcuboot, 4096), 'mcuboot', [mine])).toThrow('padded');
  });
});
