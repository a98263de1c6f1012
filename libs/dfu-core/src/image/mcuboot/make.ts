/**
 * Makes MCUboot images: for tests, for demonstrations, and for people without imgtool.
 *
 * Source: mcu-tools/mcuboot `scripts/imgtool/image.py` (order of fields and TLVs).
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError } from '../../errors.js';
import type { McubootDependency } from './describe.js';
import {
  HEADER_BYTES,
  type HashName,
  ImageFlag,
  IMAGE_HASHES,
  IMAGE_MAGIC,
  type McubootVersion,
  PROTECTED_TLV_INFO_MAGIC,
  TLV_INFO_BYTES,
  TLV_INFO_MAGIC,
  TlvType,
} from './format.js';
import { type McubootSigningKey, mcubootPublicKeyOf } from './keys.js';
import { HASH_FUNCTIONS } from './verify.js';

export interface McubootImageParts {
  readonly body: Uint8Array;
  readonly version: McubootVersion;
  /** Offset of the body; what is not header is zero. Default 32. */
  readonly headerBytes?: number;
  readonly loadAddress?: number;
  /** It runs at `loadAddress` only; the flag is set. */
  readonly romFixed?: boolean;
  readonly flags?: number;
  /** Default sha256. Ed25519 signs whatever it gives; P-256 wants sha256. */
  readonly hash?: HashName;
  readonly securityCounter?: number;
  readonly dependencies?: readonly McubootDependency[];
  /** Further TLVs of the protected block. */
  readonly protectedTlvs?: readonly { readonly type: number; readonly value: Uint8Array }[];
  /** Unsigned when absent. */
  readonly key?: McubootSigningKey;
}

type Tlv = { readonly type: number; readonly value: Uint8Array };

/**
 * @returns the bytes of the file, as imgtool would write them.
 * @throws ArtifactError `artifact.malformed` when the parts do not go together.
 */
export function makeMcubootImage(parts: McubootImageParts): Uint8Array {
  const { body, version, headerBytes = HEADER_BYTES, hash: hashName = 'sha256', key } = parts;
  if (headerBytes < HEADER_BYTES || headerBytes > 0xffff) {
    throw new ArtifactError('artifact.malformed', {
      field: 'hdr_size',
      offset: 8,
      detail: `${headerBytes} is no header size`,
    });
  }
  if (key?.kind === 'ecdsa-p256' && hashName !== 'sha256') {
    throw new ArtifactError('artifact.malformed', { field: 'hash', offset: 0, detail: 'P-256 goes with SHA-256' });
  }
  const protectedTlvs = protectedTlvsOf(parts);
  const protectedBlock =
    protectedTlvs.length > 0 ? tlvBlock(PROTECTED_TLV_INFO_MAGIC, protectedTlvs) : new Uint8Array();
  const header = new ByteWriter()
    .u32le(IMAGE_MAGIC)
    .u32le(parts.loadAddress ?? 0)
    .u16le(headerBytes)
    .u16le(protectedBlock.length)
    .u32le(body.length)
    .u32le((parts.flags ?? 0) | (parts.romFixed ? ImageFlag.RomFixed : 0))
    .u8(version.major)
    .u8(version.minor)
    .u16le(version.revision)
    .u32le(version.build)
    .u32le(0)
    .bytes(new Uint8Array(headerBytes - HEADER_BYTES))
    .finish();
  const signed = joined([header, body, protectedBlock]);

  const digest = HASH_FUNCTIONS[hashName](signed);
  const tlvs: Tlv[] = [
    { type: IMAGE_HASHES.find(({ name }) => name === hashName)?.type ?? TlvType.Sha256, value: digest },
  ];
  if (key) {
    tlvs.push({ type: TlvType.KeyHash, value: HASH_FUNCTIONS[hashName](mcubootPublicKeyOf(key)) });
    tlvs.push(
      key.kind === 'ed25519'
        ? { type: TlvType.Ed25519, value: ed25519.sign(digest, key.secret) }
        : { type: TlvType.Ecdsa, value: p256.sign(signed, key.secret, { format: 'der' }) },
    );
  }
  return joined([signed, tlvBlock(TLV_INFO_MAGIC, tlvs)]);
}

function protectedTlvsOf(parts: McubootImageParts): Tlv[] {
  const tlvs: Tlv[] = [];
  if (parts.securityCounter !== undefined) {
    tlvs.push({ type: TlvType.SecurityCounter, value: new ByteWriter().u32le(parts.securityCounter).finish() });
  }
  for (const { image, minimum } of parts.dependencies ?? []) {
    const value = new ByteWriter()
      .u8(image)
      .bytes(new Uint8Array(3))
      .u8(minimum.major)
      .u8(minimum.minor)
      .u16le(minimum.revision)
      .u32le(minimum.build)
      .finish();
    tlvs.push({ type: TlvType.Dependency, value });
  }
  return [...tlvs, ...(parts.protectedTlvs ?? [])];
}

function tlvBlock(magic: number, tlvs: readonly Tlv[]): Uint8Array {
  const content = new ByteWriter();
  for (const { type, value } of tlvs) content.u16le(type).u16le(value.length).bytes(value);
  const bytes = content.finish();
  return new ByteWriter()
    .u16le(magic)
    .u16le(bytes.length + TLV_INFO_BYTES)
    .bytes(bytes)
    .finish();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
