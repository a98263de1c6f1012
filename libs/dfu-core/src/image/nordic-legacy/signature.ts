/**
 * ECDSA P-256 over SHA-256 as signed legacy init packets (dfu_ver 0.8) carry it: r and s big-endian, over all that stands
 * before them.
 *
 * Source: nrfutil 0.5.3, nordicsemi/dfu/signing.py; nRF5 SDK 9 to 11, examples/dfu (experimental signed bootloader).
 */
import { p256 } from '@noble/curves/nist.js';
import { ArtifactError } from '../../errors.js';
import type { LegacyPackage } from './package.js';

/** @returns 64 bytes r, s; deterministic (RFC 6979). */
export function signLegacyInitPacket(bytes: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return p256.sign(bytes, privateKey, { lowS: false });
}

/**
 * Whether every image of the package is signed by this key.
 * @param publicKey SEC1, or the 64 bytes x, y big-endian.
 * @throws ArtifactError `artifact.signature` when the key itself is no key.
 */
export function verifyLegacySignature(opened: LegacyPackage, publicKey: Uint8Array): boolean {
  const key = publicKey.length === 64 ? Uint8Array.of(4, ...publicKey) : publicKey;
  if (!p256.utils.isValidPublicKey(key)) {
    throw new ArtifactError('artifact.signature', { detail: 'the public key is no point of P-256' });
  }
  return opened.images.every(
    ({ packet }) =>
      packet?.extension.form === 'signed' &&
      p256.verify(packet.extension.signature, packet.signedBytes, key, { lowS: false }),
  );
}
