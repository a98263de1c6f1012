/**
 * Encryption and signature of GBL files.
 *
 * The encryption is called AES-CCM and carries no MAC: AES-128 in counter mode; counter block = 02, nonce (12 bytes),
 * counter (3 bytes, big-endian, from 1). One key stream runs over the contents of all encrypted tags.
 * The signature is ECDSA P-256 over the SHA-256 of all bytes before the signature tag.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/security/btl_security_aes.c, parser/gbl/btl_gbl_parser.c.
 */
import { ctr } from '@noble/ciphers/aes.js';
import { p256 } from '@noble/curves/nist.js';
import { ArtifactError, InvariantError } from '../../errors.js';
import type { Gbl } from './format.js';

const MARKER = 0x02;

/** Encrypts or decrypts: counter mode does both alike. @param aesKey 16 bytes. @param nonce 12 bytes. */
export function cryptGbl(bytes: Uint8Array, aesKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (aesKey.length !== 16) {
    throw new ArtifactError('artifact.signature', { detail: `a GBL key has 16 bytes, this one ${aesKey.length}` });
  }
  if (nonce.length !== 12) throw new InvariantError(`a nonce of ${nonce.length} bytes`);
  return ctr(aesKey, Uint8Array.of(MARKER, ...nonce, 0, 0, 1)).encrypt(bytes);
}

/** @returns 64 bytes r, s big-endian; deterministic (RFC 6979). @param privateKey 32 bytes. */
export function signGbl(bytes: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return p256.sign(bytes, privateKey, { lowS: false });
}

/** @returns 64 bytes x, y big-endian. */
export function silabsPublicKeyOf(privateKey: Uint8Array): Uint8Array {
  return p256.getPublicKey(privateKey, false).subarray(1);
}

/**
 * Whether this key vouches for the file: by its own signature, or through the certificate in the file.
 * @param publicKey SEC1 (65 bytes), or 64 bytes x, y big-endian.
 * @throws ArtifactError `artifact.signature` when the key itself is no key of P-256.
 */
export function verifyGblSignature(gbl: Gbl, publicKey: Uint8Array): boolean {
  const key = toSec1(publicKey);
  if (!p256.utils.isValidPublicKey(key)) {
    throw new ArtifactError('artifact.signature', { detail: 'the public key is no point of P-256' });
  }
  if (!gbl.signature) return false;
  const { certificate } = gbl;
  if (!certificate) return holds(gbl.signature, gbl.signedBytes, key);
  const inner = toSec1(certificate.publicKey);
  return (
    p256.utils.isValidPublicKey(inner) &&
    holds(certificate.signature, certificate.signedBytes, key) &&
    holds(gbl.signature, gbl.signedBytes, inner)
  );
}

const toSec1 = (key: Uint8Array): Uint8Array => (key.length === 64 ? Uint8Array.of(4, ...key) : key);

function holds(signature: Uint8Array, bytes: Uint8Array, key: Uint8Array): boolean {
  return signature.length === 64 && p256.verify(signature, bytes, key, { lowS: false });
}
