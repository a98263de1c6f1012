/**
 * Image hash, signatures and trailing bytes of an MCUboot image: checks 5 to 7 of those made before sending.
 *
 * Source: mcu-tools/mcuboot `boot/bootutil/src/image_validate.c`, `bootutil_img_hash.c`, `docs/design.md` ("Image
 * format", "Image Trailer"), `scripts/imgtool/image.py`.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { type ByteSource, blocksOf } from '../../bytes/byte-source.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { type HashName, IMAGE_HASHES, type McubootImage, TlvType, tlvName } from './format.js';
import { type KeyKind, PUBLISHED_TEST_KEYS, type McubootTrustedKey } from './keys.js';
import { malformed } from './parse.js';

export const HASH_FUNCTIONS = { sha256, sha384, sha512 } as const;

/** Hash of the first `length` bytes, block by block. */
export function digestOf(source: ByteSource, name: HashName, length = source.length): Uint8Array {
  const hash = HASH_FUNCTIONS[name].create();
  for (const block of blocksOf(source, 0, length)) hash.update(block);
  return hash.digest();
}

export interface ImageHash {
  readonly name: HashName;
  readonly value: Uint8Array;
}

/**
 * The one hash TLV of the image, compared with the bytes. An encrypted image was hashed before encryption,
 * so its hash cannot be checked here; it still is the name that SMP uses.
 * @throws ArtifactError `artifact.malformed` when there is not exactly one; `artifact.digest` when it does not match.
 */
export function verifyImageHash(image: McubootImage): ImageHash {
  const found = image.tlvs.filter(({ type }) => IMAGE_HASHES.some((hash) => hash.type === type));
  const tlv = found[0];
  if (!tlv) throw malformed('hash TLV', image.hashedBytes, 'there is none');
  const second = found[1];
  if (second) throw malformed('hash TLV', second.offset, `there are ${found.length}, one is allowed`);
  const kind = IMAGE_HASHES.find(({ type }) => type === tlv.type);
  if (!kind || tlv.value.length !== kind.bytes) {
    throw malformed(`${tlvName(tlv.type)} TLV`, tlv.offset + 2, `${tlv.value.length} bytes is no length of this hash`);
  }
  if (!image.encrypted && toHex(digestOf(image.file, kind.name, image.hashedBytes)) !== toHex(tlv.value)) {
    throw new ArtifactError('artifact.digest', { field: `image hash (${tlvName(tlv.type)} TLV at ${tlv.offset})` });
  }
  return { name: kind.name, value: tlv.value };
}

export type SignatureScheme =
  'ed25519' | 'ecdsa-p256-sha256' | 'ecdsa-p384-sha384' | 'rsa-2048-pss-sha256' | 'rsa-3072-pss-sha256';

export interface ImageSignature {
  readonly scheme: SignatureScheme;
  /** Hash of the public key's DER (the image's own hash), where a KEYHASH or PUBKEY TLV stands before it. */
  readonly keyHash?: Uint8Array;
  readonly value: Uint8Array;
  readonly offset: number;
  /** SIG_PURE: signed is the image itself, not its hash. */
  readonly pure: boolean;
  /** Name of the published test key it was made with. */
  readonly testKey?: string;
}

const KEY_OF_SCHEME: Readonly<Record<SignatureScheme, KeyKind>> = {
  ed25519: 'ed25519',
  'ecdsa-p256-sha256': 'ecdsa-p256',
  'ecdsa-p384-sha384': 'ecdsa-p384',
  'rsa-2048-pss-sha256': 'rsa',
  'rsa-3072-pss-sha256': 'rsa',
};

/**
 * All signatures, each with the key named by the KEYHASH or PUBKEY before it. Nothing is verified.
 * @throws ArtifactError `artifact.malformed` when a signature has a length its kind cannot have.
 */
export function listSignatures(image: McubootImage, hash: ImageHash): ImageSignature[] {
  const all = [...image.protectedTlvs, ...image.tlvs];
  const pure = all.some(({ type, value }) => type === TlvType.SignaturePure && value.length === 1 && value[0] === 1);
  const signatures: ImageSignature[] = [];
  let keyHash: Uint8Array | undefined;
  for (const { type, value, offset } of image.tlvs) {
    if (type === TlvType.KeyHash) keyHash = value;
    if (type === TlvType.PublicKey) keyHash = HASH_FUNCTIONS[hash.name](value);
    const scheme = schemeOf(type, hash.name);
    if (!scheme) continue;
    checkSignatureLength(scheme, value, offset);
    const testKey = keyHash && PUBLISHED_TEST_KEYS[toHex(keyHash)];
    signatures.push({ scheme, value, offset, pure, ...(keyHash && { keyHash }), ...(testKey && { testKey }) });
    keyHash = undefined;
  }
  return signatures;
}

function schemeOf(type: number, hash: HashName): SignatureScheme | undefined {
  if (type === TlvType.Ed25519) return 'ed25519';
  if (type === TlvType.Ecdsa) return hash === 'sha384' ? 'ecdsa-p384-sha384' : 'ecdsa-p256-sha256';
  if (type === TlvType.Rsa2048Pss) return 'rsa-2048-pss-sha256';
  if (type === TlvType.Rsa3072Pss) return 'rsa-3072-pss-sha256';
  return undefined;
}

function checkSignatureLength(scheme: SignatureScheme, value: Uint8Array, offset: number): void {
  const fixed = { ed25519: 64, 'rsa-2048-pss-sha256': 256, 'rsa-3072-pss-sha256': 384 }[scheme as string];
  const sound =
    fixed === undefined
      ? value.length >= 8 && value.length <= 112 && derLength(value) <= value.length
      : value.length === fixed;
  if (!sound)
    throw malformed(`${scheme} signature`, offset + 2, `${value.length} bytes is no length of this signature`);
}

/** ECDSA signatures are DER; old tools pad them with zeros behind its end. */
function derLength(signature: Uint8Array): number {
  return (signature[1] ?? 0) + 2;
}

/**
 * RSASSA-PSS with SHA-256, MGF1-SHA-256 and 32 bytes of salt, which needs a platform.
 * @param publicKey PKCS#1 `RSAPublicKey`, DER.
 * @param message in pieces, to be read once.
 */
export type VerifyRsaPss = (publicKey: Uint8Array, message: Iterable<Uint8Array>, signature: Uint8Array) => boolean;

/**
 * Looks for a signature by one of the trusted keys.
 * @returns the key that signed.
 * @throws ArtifactError `artifact.signature`: none was made by these keys, or one was and does not hold.
 */
export function verifySignature(
  image: McubootImage,
  hash: ImageHash,
  trusted: readonly McubootTrustedKey[],
  verifyRsaPss?: VerifyRsaPss,
): McubootTrustedKey {
  if (image.encrypted) {
    throw new ArtifactError('artifact.signature', { detail: 'an encrypted image cannot be checked without its key' });
  }
  const signatures = listSignatures(image, hash);
  let failure = signatures.length === 0 ? 'the image carries no signature' : 'no signature is by a trusted key';
  for (const signature of signatures) {
    for (const key of trusted) {
      if (KEY_OF_SCHEME[signature.scheme] !== key.kind) continue;
      const named = signature.keyHash && toHex(signature.keyHash);
      if (named !== undefined && named !== toHex(HASH_FUNCTIONS[hash.name](key.der))) continue;
      if (key.kind === 'rsa' && !verifyRsaPss) {
        failure = 'RSA signatures cannot be checked here';
        continue;
      }
      if (holds(signature, key, image, hash, verifyRsaPss)) return key;
      failure = `the ${signature.scheme} signature at byte ${signature.offset} does not match the image`;
    }
  }
  throw new ArtifactError('artifact.signature', { detail: failure });
}

function holds(
  signature: ImageSignature,
  key: McubootTrustedKey,
  image: McubootImage,
  hash: ImageHash,
  verifyRsaPss?: VerifyRsaPss,
): boolean {
  try {
    switch (signature.scheme) {
      case 'ed25519':
        return ed25519.verify(signature.value, signature.pure ? image.hashedRegion : hash.value, key.raw);
      case 'ecdsa-p256-sha256':
      case 'ecdsa-p384-sha384': {
        const isP256 = signature.scheme === 'ecdsa-p256-sha256';
        const value = signature.value.subarray(0, derLength(signature.value));
        const digest = digestOf(image.file, isP256 ? 'sha256' : 'sha384', image.hashedBytes);
        return (isP256 ? p256 : p384).verify(value, digest, key.raw, { prehash: false, format: 'der', lowS: false });
      }
      default:
        return verifyRsaPss?.(key.der, blocksOf(image.file, 0, image.hashedBytes), signature.value) ?? false;
    }
  } catch {
    return false; // the curve library throws on points and signatures that are none
  }
}

/** Magic at the very end of a slot, for 8-byte alignment; others begin with their alignment (2 bytes). */
const TRAILER_MAGIC_ALIGN_8 = '77c295f360d2ef7f3552500f2cb67980';
const TRAILER_MAGIC_TAIL = '2de15d29410b8d77679c110f1f8a';
const TRAILER_MAGIC_BYTES = 16;

/**
 * Bytes behind the last TLV. A file padded to its slot carries the trailer that marks it for the next boot:
 * uploading it would set it pending, or permanent, without anybody asking.
 * @returns 'none', or 'slot-trailer' for 0xff fill that ends in a valid trailer.
 * @throws ArtifactError `artifact.malformed` for any other bytes.
 */
export function classifyTrailingBytes(image: McubootImage): 'none' | 'slot-trailer' {
  const { file, endOffset } = image;
  const length = file.length - endOffset;
  if (length === 0) return 'none';
  const magicBytes = Math.min(length, TRAILER_MAGIC_BYTES);
  const magic = toHex(file.read(file.length - magicBytes, magicBytes));
  const aligned =
    magic === TRAILER_MAGIC_ALIGN_8
      ? 8
      : 256 * Number.parseInt(magic.slice(2, 4), 16) + Number.parseInt(magic.slice(0, 2), 16);
  const isMagic = magic === TRAILER_MAGIC_ALIGN_8 || (magic.slice(4) === TRAILER_MAGIC_TAIL && aligned > 8);
  // image_ok is the one other byte that tools write (imgtool --confirm).
  const imageOkAt = file.length - TRAILER_MAGIC_BYTES - aligned;
  const strange = strangeByte(file, endOffset, Math.max(endOffset, file.length - TRAILER_MAGIC_BYTES), imageOkAt);
  if (!isMagic || strange !== undefined) {
    throw malformed('trailing bytes', strange ?? endOffset, `${length} bytes follow the image and are no slot trailer`);
  }
  return 'slot-trailer';
}

/** @returns where the first byte stands that is neither fill nor `image_ok`. */
function strangeByte(file: ByteSource, from: number, to: number, imageOkAt: number): number | undefined {
  let at = from;
  for (const block of blocksOf(file, from, to)) {
    for (const byte of block) {
      if (byte !== 0xff && !(at === imageOkAt && byte === 1)) return at;
      at++;
    }
  }
  return undefined;
}
