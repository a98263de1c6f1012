/**
 * GBL version 3: tags, their places in a file, and what is read from them. Little-endian throughout.
 *
 * A file is a sequence of tags: id u32, length u32, data. The first is the header, the last the end with a CRC-32.
 *
 * Source: SiliconLabs gecko_sdk 4.4.1, platform/bootloader/parser/gbl/btl_gbl_format.h and btl_gbl_format.c;
 * docs.silabs.com, "GBL Format" (delta tags, whose layout is not public).
 */

export const GBL_FORMAT = 'silabs-gbl';

export const GblTag = {
  Header: 0x03a617eb,
  VersionDependency: 0x76a617eb,
  EncryptionInit: 0xfa0606fa,
  ApplicationInfo: 0xf40a0af4,
  SecureElement: 0x5ea617eb,
  Bootloader: 0xf50909f5,
  Metadata: 0xf60808f6,
  Program: 0xfe0101fe,
  EraseProgram: 0xfd0303fd,
  ProgramLz4: 0xfd0505fd,
  ProgramLzma: 0xfd0707fd,
  Delta: 0xf80a0af8,
  DeltaLz4: 0xf80b0bf8,
  DeltaLzma: 0xf80c0cf8,
  EncryptedData: 0xf90707f9,
  Certificate: 0xf30b0bf3,
  Signature: 0xf70a0af7,
  End: 0xfc0404fc,
} as const;

export const GblFlag = { Encrypted: 0x01, Signed: 0x100 } as const;

/** How a tag may stand in a file. */
export interface TagRule {
  readonly name: string;
  /** Orders may only grow; those that are not single may repeat. */
  readonly order: number;
  readonly single: boolean;
  /** In an encrypted file it stands in the open; the others stand inside the encrypted data. */
  readonly plain: boolean;
}

const rule = (name: string, order: number, single: boolean, plain: boolean): TagRule => ({
  name,
  order,
  single,
  plain,
});

export const TAG_RULES: ReadonlyMap<number, TagRule> = new Map([
  [GblTag.Header, rule('header', 1, true, true)],
  [GblTag.VersionDependency, rule('version dependency', 2, false, true)],
  [GblTag.EncryptionInit, rule('encryption init', 4, true, true)],
  [GblTag.ApplicationInfo, rule('application info', 5, true, false)],
  [GblTag.SecureElement, rule('secure element upgrade', 6, true, false)],
  [GblTag.Bootloader, rule('bootloader', 7, true, false)],
  [GblTag.Metadata, rule('metadata', 8, false, false)],
  [GblTag.Program, rule('program', 8, false, false)],
  [GblTag.EraseProgram, rule('erase and program', 8, false, false)],
  [GblTag.ProgramLz4, rule('program (LZ4)', 8, false, false)],
  [GblTag.ProgramLzma, rule('program (LZMA)', 8, false, false)],
  [GblTag.Delta, rule('delta', 8, false, false)],
  [GblTag.DeltaLz4, rule('delta (LZ4)', 8, false, false)],
  [GblTag.DeltaLzma, rule('delta (LZMA)', 8, false, false)],
  [GblTag.EncryptedData, rule('encrypted data', 9, false, true)],
  [GblTag.Certificate, rule('certificate', 10, true, true)],
  [GblTag.Signature, rule('signature', 11, true, true)],
  [GblTag.End, rule('end', 12, true, true)],
]);

/** A secure element upgrade that needs no staging stands before the encryption init, in the open. */
export const SECURE_ELEMENT_EARLY_ORDER = 3;

/** The 28 bytes of an application info tag, the same as in the application properties inside an image. */
export interface ApplicationInfo {
  /** Bits: see `applicationTypes`. */
  readonly type: number;
  readonly version: number;
  readonly capabilities: number;
  /** 16 bytes as lower-case hex; undefined where all are zero, which means "not set". */
  readonly productId: string | undefined;
}

export const APPLICATION_INFO_BYTES = 28;

const APPLICATION_TYPES = [
  'Zigbee',
  'Thread',
  'Flex',
  'Bluetooth stack',
  'MCU',
  'Bluetooth application',
  'bootloader',
  'Z-Wave',
] as const;

/** @returns the names of the bits that are set. */
export function applicationTypes(type: number): readonly string[] {
  return APPLICATION_TYPES.filter((_, bit) => ((type >>> bit) & 1) === 1);
}

export type ProgramKind = 'program' | 'erase-program' | 'lz4' | 'lzma' | 'delta' | 'delta-lz4' | 'delta-lzma';

export interface GblProgram {
  readonly kind: ProgramKind;
  /** Flash address; undefined for delta tags, whose layout is not public. */
  readonly address: number | undefined;
  /** As it stands in the file: compressed where the kind says so. */
  readonly data: Uint8Array;
}

export interface GblBootloader {
  readonly version: number;
  readonly baseAddress: number;
  readonly data: Uint8Array;
}

export interface GblSecureElement {
  readonly version: number;
  readonly blob: Uint8Array;
}

export interface GblCertificate {
  readonly structVersion: number;
  /** 64 bytes x, y big-endian. */
  readonly publicKey: Uint8Array;
  readonly version: number;
  readonly signature: Uint8Array;
  /** What its signature covers: its first 72 bytes. */
  readonly signedBytes: Uint8Array;
}

/** What a bootloader must find installed before it takes the file (Series 2). */
export interface GblDependency {
  readonly image: 'application' | 'bootloader' | 'secure element' | 'unknown';
  /** As people would write it: `>= 0x01020000`; with `not`, `and`, `or` as the file has them. */
  readonly text: string;
}

/** A GBL file that was read from its first to its last byte, its CRC checked. */
export interface Gbl {
  readonly isEncrypted: boolean;
  readonly isSigned: boolean;
  readonly dependencies: readonly GblDependency[];
  /** Undefined also where it is encrypted and no key was given; so for all that follow. */
  readonly applicationInfo: ApplicationInfo | undefined;
  readonly programs: readonly GblProgram[];
  readonly bootloader: GblBootloader | undefined;
  readonly secureElement: GblSecureElement | undefined;
  readonly metadata: readonly Uint8Array[];
  /** True where the contents are plain, or were opened with the key. */
  readonly isReadable: boolean;
  readonly certificate: GblCertificate | undefined;
  /** r, s big-endian. */
  readonly signature: Uint8Array | undefined;
  /** What the signature covers; the whole file without end tag where there is none. */
  readonly signedBytes: Uint8Array;
  /** Bytes up to and with the end tag. */
  readonly lengthBytes: number;
}
