/** Release keys over files of Silicon Labs: signed by the key, by another one, and not at all. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeGbl, makeGblSet } from '@drydock/dfu-core';
import { verifyReleaseSignature } from './release-keys.js';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = Uint8Array.from(Buffer.from(pair.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'));
const programs = [{ address: 0x4000, data: new Uint8Array(64).fill(7) }];
const SIGNED = makeGbl({ programs, privateKey });
const UNSIGNED = makeGbl({ programs });
const set = (first: Uint8Array): Uint8Array =>
  makeGblSet({ first: { name: 'apploader.gbl', file: first }, application: SIGNED });

describe('release keys over GBL files', () => {
  it('take what the key signed, alone and in a set', () => {
    expect(() => verifyReleaseSignature(SIGNED, 'silabs-gbl', 'm', [rsa.publicKey, pair.publicKey])).not.toThrow();
    expect(() => verifyReleaseSignature(set(SIGNED), 'silabs-gbl-set', 'm', [pair.publicKey])).not.toThrow();
  });

  it.each([
    ['another key', SIGNED, 'silabs-gbl', [other.publicKey, rsa.publicKey]],
    ['no signature', UNSIGNED, 'silabs-gbl', [pair.publicKey]],
    ['a set of which one file is not signed', set(UNSIGNED), 'silabs-gbl-set', [pair.publicKey]],
  ])('refuse %s', (_, file, format, keys) => {
    expect(() => verifyReleaseSignature(file, format, 'm', keys)).toThrow(
      expect.objectContaining({ code: 'gateway.no-release-key' }),
    );
  });
});
