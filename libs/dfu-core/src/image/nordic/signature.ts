/**
 * ECDSA P-256 over SHA-256 as Nordic's init packets carry it.
 *
 * Source: pc-nrfutil, nordicsemi/dfu/signing.py; nRF5 SDK 17, examples/dfu/dfu_public_key.c.
 */
import { p256 } from '@noble/curves/nist.js';
import { ArtifactError } from '../../errors.js';
import { BootValidationType, FirmwareType, reverseHalves } from './init-packet.js';
import type { NordicPackage } from './package.js';

/**
 * Brings a public key into the form that the curve library takes.
 * @param key SEC1 (65 bytes beginning 04, 33 beginning 02 or 03), or the 64 bytes x, y big-endian.
 * @throws ArtifactError `artifact.signature` when it is no point of the curve.
 */
function toSec1(key: Uint8Array): Uint8Array {
  const sec1 = key.length === 64 ? Uint8Array.of(4, ...key) : key;
  if (!p256.utils.isValidPublicKey(sec1)) {
    throw new ArtifactError('artifact.signature', { detail: 'the public key is no point of P-256' });
  }
  return sec1;
}

/** The 64 bytes of `dfu_public_key.c` (x and y reversed each) as x, y big-endian; and back. */
export function nordicPublicKey(reversed: Uint8Array): Uint8Array {
  return reverseHalves(reversed);
}

/** @returns the public key of a private one: 65 bytes SEC1. */
export function nordicPublicKeyOf(privateKey: Uint8Array): Uint8Array {
  return p256.getPublicKey(privateKey, false);
}

/** @returns 64 bytes r, s big-endian; deterministic (RFC 6979). Both halves of the range of s are in use by Nordic's tools. */
export function signNordic(bytes: Uint8Array, privateKey: Uint8Array): Uint8Array {
  return p256.sign(bytes, privateKey, { lowS: false });
}

/**
 * Whether every image of the package is signed by this key: its init packet, and its boot validation where that is a signature.
 * @param publicKey SEC1, or the 64 bytes x, y big-endian.
 * @throws ArtifactError `artifact.signature` when the key itself is no key.
 */
export function verifyNordicSignature(nordicPackage: NordicPackage, publicKey: Uint8Array): boolean {
  const key = toSec1(publicKey);
  const holds = (signature: Uint8Array, bytes: Uint8Array): boolean =>
    signature.length === 64 && p256.verify(signature, bytes, key, { lowS: false });
  return nordicPackage.images.every(({ packet, firmware }) => {
    if (!packet.signature || !holds(packet.signature, packet.signedBytes)) return false;
    const first = packet.init.bootValidation[0];
    if (first?.type !== BootValidationType.EcdsaP256Sha256 || packet.init.type !== FirmwareType.Application)
      return true;
    return first.bytes.length === 64 && holds(reverseHalves(first.bytes), firmware);
  });
}
