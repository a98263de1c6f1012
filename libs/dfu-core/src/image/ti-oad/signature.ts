/**
 * ECDSA P-256 over SHA-256 as TI's secure OAD carries it. Only the boot manager checks it, after the target has said
 * that all is well; so it is checked here before anything is sent, where the key is known.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `tools/common/oad/signUtil.py`, `oad_image_header.h`.
 */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ArtifactError } from '../../errors.js';
import { SegmentType, SIGNATURE_BYTES, type TiOadImage } from './format.js';

/**
 * What is signed: bytes 12-15 and 18-43 of the core header, then every segment in file order, the security segment
 * without its signature. Image id, CRC and the two status bytes are left out.
 */
export function signedBytesOf({ file, segments }: Pick<TiOadImage, 'file' | 'segments'>): Uint8Array {
  const parts = [file.subarray(12, 16), file.subarray(18, 44)];
  for (const { type, offset, lengthBytes } of segments) {
    const end = offset + lengthBytes - (type === SegmentType.Security ? SIGNATURE_BYTES : 0);
    parts.push(file.subarray(offset, end));
  }
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** @param publicKey SEC1, or x and y big-endian. @returns the 8 bytes by which a file names its signer. */
export function tiSignerInfo(publicKey: Uint8Array): Uint8Array {
  return sha256(pointOf(publicKey).subarray(1)).subarray(-8);
}

/**
 * Whether the image is signed by this key.
 * @param publicKey P-256: SEC1 (65 bytes beginning 04, 33 beginning 02 or 03), or the 64 bytes x, y big-endian.
 * @throws ArtifactError `artifact.signature` when the key itself is no point of the curve.
 */
export function verifyTiOadSignature(image: TiOadImage, publicKey: Uint8Array): boolean {
  const key = pointOf(publicKey);
  if (!image.security) return false;
  try {
    return p256.verify(image.security.signature, signedBytesOf(image), key, { lowS: false });
  } catch {
    return false; // the curve library throws on r and s that are none
  }
}

/** @returns r and s, big-endian; deterministic (RFC 6979). */
export function signTiOad(message: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return p256.sign(message, privateKey, { lowS: false });
}

/** @returns the public key of a private one: 65 bytes SEC1. */
export function tiPublicKeyOf(privateKey: Uint8Array): Uint8Array {
  return p256.getPublicKey(privateKey, false);
}

function pointOf(key: Uint8Array): Uint8Array {
  const sec1 = key.length === 64 ? Uint8Array.of(4, ...key) : key;
  if (!p256.utils.isValidPublicKey(sec1)) {
    throw new ArtifactError('artifact.signature', { detail: 'the public key is no point of P-256' });
  }
  return p256.Point.fromBytes(sec1).toBytes(false);
}
