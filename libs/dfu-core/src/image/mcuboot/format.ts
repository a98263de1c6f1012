/**
 * The MCUboot image format: 32-byte header, body, optional protected TLVs, TLVs. All fields little-endian.
 *
 * Source: mcu-tools/mcuboot `boot/bootutil/include/bootutil/image.h`, `docs/design.md`, `scripts/imgtool/image.py`.
 */

import type { ByteSource } from '../../bytes/byte-source.js';

/** One image as it is sent; the same in Intel HEX; several with their manifest (nRF Connect SDK). */
export const MCUBOOT_FORMAT = 'mcuboot';
/** What delivers a plain image; in other wrappings only SMP does. */
export const MCUBOOT_IMAGE_PROTOCOLS: readonly string[] = ['smp', 'ti-oad'];
export const MCUBOOT_HEX_FORMAT = 'mcuboot-hex';
export const MCUBOOT_PACKAGE_FORMAT = 'mcuboot-zip';

export const IMAGE_MAGIC = 0x96f3b83d;
/** Mynewt's first format; its TLV types mean other things. */
export const LEGACY_IMAGE_MAGIC = 0x96f3b83c;
export const HEADER_BYTES = 32;
export const TLV_INFO_MAGIC = 0x6907;
export const PROTECTED_TLV_INFO_MAGIC = 0x6908;
export const TLV_INFO_BYTES = 4;
export const TLV_HEADER_BYTES = 4;

/** More than any microcontroller of this class can hold; a limit for what is parsed at all. */
export const MAX_IMAGE_FILE_BYTES = 16 * 1024 * 1024;
/** Each TLV costs at least four bytes of a 16-bit total; a real image has fewer than twenty. */
export const MAX_TLVS = 256;

export const ImageFlag = {
  Pic: 0x1,
  EncryptedAes128: 0x4,
  EncryptedAes256: 0x8,
  NonBootable: 0x10,
  RamLoad: 0x20,
  RomFixed: 0x100,
  CompressedLzma1: 0x200,
  CompressedLzma2: 0x400,
  CompressedArmThumb: 0x800,
} as const;

export const TlvType = {
  KeyHash: 0x01,
  PublicKey: 0x02,
  Sha256: 0x10,
  Sha384: 0x11,
  Sha512: 0x12,
  Rsa2048Pss: 0x20,
  Ecdsa224: 0x21,
  Ecdsa: 0x22,
  Rsa3072Pss: 0x23,
  Ed25519: 0x24,
  SignaturePure: 0x25,
  EncRsa2048: 0x30,
  EncKeyWrap: 0x31,
  EncEc256: 0x32,
  EncX25519: 0x33,
  EncX25519Sha512: 0x34,
  Dependency: 0x40,
  SecurityCounter: 0x50,
  BootRecord: 0x60,
  DecompressedSize: 0x70,
  DecompressedSha: 0x71,
  DecompressedSignature: 0x72,
  CompressedSize: 0x73,
  VendorUuid: 0x74,
  ClassUuid: 0x75,
} as const;

export interface McubootVersion {
  readonly major: number;
  readonly minor: number;
  readonly revision: number;
  readonly build: number;
}

export interface McubootTlv {
  readonly type: number;
  readonly value: Uint8Array;
  /** Where its type field stands in the file. */
  readonly offset: number;
}

export interface McubootHeader {
  /** RAM or ROM address, meaningful with the flags `RamLoad` or `RomFixed`. */
  readonly loadAddress: number;
  readonly headerBytes: number;
  readonly protectedTlvBytes: number;
  /** Without the header. */
  readonly imageBytes: number;
  readonly flags: number;
  readonly version: McubootVersion;
}

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** TLV type, length and name of each hash that MCUboot can use as image hash. */
export const IMAGE_HASHES: readonly { readonly type: number; readonly name: HashName; readonly bytes: number }[] = [
  { type: TlvType.Sha256, name: 'sha256', bytes: 32 },
  { type: TlvType.Sha384, name: 'sha384', bytes: 48 },
  { type: TlvType.Sha512, name: 'sha512', bytes: 64 },
];

/** A structurally sound image; nothing is verified yet. Arrays may be views of the file. */
export interface McubootImage {
  readonly file: ByteSource;
  readonly header: McubootHeader;
  /** Read when asked for. */
  readonly body: Uint8Array;
  readonly protectedTlvs: readonly McubootTlv[];
  readonly tlvs: readonly McubootTlv[];
  /** Where the last TLV block ends; equals the file's length unless the file is padded. */
  readonly endOffset: number;
  /** Header, body and protected TLVs, from the start of the file: what the image hash and the signatures cover. */
  readonly hashedBytes: number;
  /** Those bytes in one piece; read when asked for. */
  readonly hashedRegion: Uint8Array;
  readonly encrypted: boolean;
}

/** `a.b.c`, and `+build` where it is not 0: how people and imgtool write it. */
export function formatMcubootVersion(version: McubootVersion): string {
  const base = `${version.major}.${version.minor}.${version.revision}`;
  return version.build === 0 ? base : `${base}+${version.build}`;
}

/** Reads `a.b.c`, `a.b.c+d` (imgtool) and `a.b.c.d` (SMP image list); undefined for anything else. */
export function parseMcubootVersion(text: string): McubootVersion | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:[+.](\d{1,10}))?$/.exec(text);
  if (!match) return undefined;
  const [major, minor, revision, build] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  if (major > 0xff || minor > 0xff || revision > 0xffff || build > 0xffffffff) return undefined;
  return { major, minor, revision, build };
}

/** @returns negative when `a` is older. The build number counts only where both have the same a.b.c. */
export function compareMcubootVersions(a: McubootVersion, b: McubootVersion): number {
  return a.major - b.major || a.minor - b.minor || a.revision - b.revision || a.build - b.build;
}

export function tlvName(type: number): string {
  const known = Object.entries(TlvType).find(([, value]) => value === type);
  return known ? known[0] : `0x${type.toString(16).padStart(2, '0')}`;
}
