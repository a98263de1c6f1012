/**
 * Public keys as MCUboot names them: RSA as PKCS#1 `RSAPublicKey`, the others as SubjectPublicKeyInfo (DER);
 * KEYHASH is the hash of that DER.
 *
 * Source: mcu-tools/mcuboot `scripts/imgtool/keys/`, `root-*.pem`.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { fromHex, toHex } from '../../bytes/hex.js';

export type KeyKind = 'ed25519' | 'ecdsa-p256' | 'ecdsa-p384' | 'rsa';

/** A key whose owner is trusted to sign firmware. */
export interface McubootTrustedKey {
  readonly kind: KeyKind;
  /** As MCUboot hashes it. */
  readonly der: Uint8Array;
  /** The bare point or key bytes for curves; the DER for RSA. */
  readonly raw: Uint8Array;
}

/** A private key for images made on the spot. 32 bytes: the Ed25519 seed, or the P-256 scalar. */
export interface McubootSigningKey {
  readonly kind: 'ed25519' | 'ecdsa-p256';
  readonly secret: Uint8Array;
}

/** What stands before the bare key in SubjectPublicKeyInfo (RFC 8410, RFC 5480). */
const SPKI_PREFIXES: readonly { readonly kind: KeyKind; readonly prefix: Uint8Array; readonly rawBytes: number }[] = [
  { kind: 'ed25519', prefix: fromHex('302a300506032b6570032100'), rawBytes: 32 },
  { kind: 'ecdsa-p256', prefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'), rawBytes: 65 },
  { kind: 'ecdsa-p384', prefix: fromHex('3076301006072a8648ce3d020106052b81040022036200'), rawBytes: 97 },
];

/**
 * KEYHASH (SHA-256) of the keys whose private half is published in the mcuboot repository:
 * whoever finds one of these has found an image that anybody could have signed.
 */
export const PUBLISHED_TEST_KEYS: Readonly<Record<string, string>> = {
  fc5701dc6135e1323847bdc40f04d2e5bee5833b23c29f93593d00018cfa9994: 'root-rsa-2048',
  '449793fb65cd7698753d5b3f35fab15f1e3a45111ff24e1d46741de5ae12d59e': 'root-rsa-3072',
  e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6: 'root-ec-p256',
  c1907fa4eac7fae3840a78902b6f0710b037e9968e5c6274a12a28790c7d4e3c: 'root-ed25519',
};

/**
 * @param der SubjectPublicKeyInfo (Ed25519, P-256, P-384) or PKCS#1 `RSAPublicKey`.
 * @returns undefined when it is none of these.
 */
export function parseMcubootPublicKey(der: Uint8Array): McubootTrustedKey | undefined {
  for (const { kind, prefix, rawBytes } of SPKI_PREFIXES) {
    if (der.length === prefix.length + rawBytes && toHex(der.subarray(0, prefix.length)) === toHex(prefix)) {
      return { kind, der, raw: der.subarray(prefix.length) };
    }
  }
  // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }, both longer than one length byte.
  const isPkcs1 = der[0] === 0x30 && der[1] === 0x82 && der[4] === 0x02 && der[5] === 0x82;
  if (isPkcs1 && (((der[2] ?? 0) << 8) | (der[3] ?? 0)) + 4 === der.length) return { kind: 'rsa', der, raw: der };
  return undefined;
}

/** @returns the SubjectPublicKeyInfo of a signing key, as it is given to whoever checks. */
export function mcubootPublicKeyOf(key: McubootSigningKey): Uint8Array {
  const raw = key.kind === 'ed25519' ? ed25519.getPublicKey(key.secret) : p256.getPublicKey(key.secret, false);
  const prefix = SPKI_PREFIXES.find(({ kind }) => kind === key.kind)?.prefix ?? new Uint8Array();
  const der = new Uint8Array(prefix.length + raw.length);
  der.set(prefix);
  der.set(raw, prefix.length);
  return der;
}
