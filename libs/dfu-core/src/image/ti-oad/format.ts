/**
 * TI OAD files: the 44-byte core header with its segments ("enhanced", CC2640R2 and later CC13xx/CC26xx) and the 16-byte
 * metadata of the classic forms (CC254x, CC26x0). All fields little-endian.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `source/ti/common/cc26xx/oad/oad_image_header.h`,
 * `tools/common/oad/oad_image_tool.py`; TI BLE-Stack 1.x `oad_target.c`, BLE-Stack 2.x `oad.h`.
 */

/** `format` of the descriptions. */
export const TI_OAD_FORMAT = 'ti-oad';
export const TI_OAD_ON_CHIP_FORMAT = 'ti-oad-classic-on-chip';
export const TI_OAD_OFF_CHIP_FORMAT = 'ti-oad-classic-off-chip';
/** An MCUboot image padded to its slot, as CC23xx and CC27xx with external flash (or two images) take it. */
export const TI_MCUBOOT_SLOT_FORMAT = 'ti-mcuboot-slot';

export const CORE_HEADER_BYTES = 44;
export const SEGMENT_HEADER_BYTES = 8;
export const CONTIGUOUS_HEADER_BYTES = 12;
export const SECURITY_SEGMENT_BYTES = 85;
export const BOUNDARY_SEGMENT_BYTES = 24;
export const SIGNATURE_BYTES = 64;
export const CLASSIC_HEADER_BYTES = 16;

/** No chip of these families holds more; external flash of the reference designs is 1 MiB. */
export const MAX_TI_OAD_FILE_BYTES = 4 * 1024 * 1024;
/** Core, security, boundary, contiguous, NVRAM, delta: more is noise. */
export const MAX_SEGMENTS = 16;

/** Image ids of TI's SDKs; products may use 8 bytes of their own. */
export const TI_IMAGE_IDS = ['CC26x2R1', 'CC13x2R1', 'CC13x4  ', 'CC26x3  ', 'CC26x4  ', 'OAD IMG '] as const;

/** Marks records in external flash, never a file. */
export const METADATA_RECORD_ID = 'OAD NVM1';

export const BIM_VERSION = 3;
export const META_VERSION = 1;

export const CrcStatus = { Unknown: 0xff, Valid: 0xfe, Invalid: 0xfc } as const;

export const ImageType = {
  PersistentApplication: 0,
  Application: 1,
  Stack: 2,
  Merged: 3,
  NetworkProcessor: 4,
  Factory: 5,
  BootManager: 6,
  ApplicationWithStackLibrary: 7,
} as const;

export const IMAGE_TYPE_NAMES: Readonly<Record<number, string>> = {
  [ImageType.PersistentApplication]: 'persistent application',
  [ImageType.Application]: 'application',
  [ImageType.Stack]: 'stack',
  [ImageType.Merged]: 'application and stack merged',
  [ImageType.NetworkProcessor]: 'network processor',
  [ImageType.Factory]: 'factory image',
  [ImageType.BootManager]: 'boot image manager',
  [ImageType.ApplicationWithStackLibrary]: 'application with stack library',
};

/** The types that a target both downloads and enables. */
export const DELIVERABLE_TYPES: ReadonlySet<number> = new Set([
  ImageType.Application,
  ImageType.Stack,
  ImageType.Merged,
  ImageType.ApplicationWithStackLibrary,
]);

export const SegmentType = {
  Boundary: 0,
  Contiguous: 1,
  NonContiguous: 2,
  Security: 3,
  Nvram: 4,
  Delta: 5,
} as const;

export interface CoreHeader {
  /** 8 bytes, as they stand in the file. */
  readonly imageId: Uint8Array;
  readonly crc32: number;
  readonly bimVersion: number;
  readonly metaVersion: number;
  /** Active low: a 0 bit names a technology; bit 0 is Bluetooth LE. */
  readonly technology: number;
  readonly copyStatus: number;
  readonly crcStatus: number;
  readonly type: number;
  readonly number: number;
  readonly validity: number;
  /** Of the whole file. */
  readonly lengthBytes: number;
  readonly entryAddress: number;
  /** 4 bytes without a common spelling. */
  readonly softwareVersion: Uint8Array;
  readonly endAddress: number;
  readonly headerBytes: number;
}

export interface Segment {
  readonly type: number;
  readonly technology: number;
  /** In the file. */
  readonly offset: number;
  /** With its own header. */
  readonly lengthBytes: number;
}

export interface SecuritySegment {
  readonly offset: number;
  readonly version: number;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Last 8 bytes of SHA-256 over the public key's x and y. */
  readonly signer: Uint8Array;
  /** r and s, big-endian. */
  readonly signature: Uint8Array;
}

/** A structurally sound file; the arrays are views of it. */
export interface TiOadImage {
  readonly file: Uint8Array;
  readonly header: CoreHeader;
  readonly segments: readonly Segment[];
  readonly startAddress: number;
  readonly security?: SecuritySegment;
}

/** The 16 bytes that stand at the front of a classic image, or that the host makes up for a bare flash dump. */
export interface ClassicHeader {
  readonly crc0: number;
  /** "Shadow", FFFF until the target has checked. */
  readonly crc1: number;
  /** On-chip: bit 0 is the area (0 = A, 1 = B). */
  readonly version: number;
  /** Of 4 bytes. */
  readonly lengthWords: number;
  readonly userId: Uint8Array;
  /** Off-chip: target address divided by 4; on-chip FFFF. */
  readonly address: number;
  /** Off-chip: 1 application, 2 stack, 3 network processor, 4 factory; on-chip FF. */
  readonly type: number;
  readonly status: number;
}

/** Printable ASCII with spaces kept, `0x...` for anything else: how image ids and versions are shown and compared. */
export function spellBytes(bytes: Uint8Array): string {
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText) return String.fromCharCode(...bytes);
  return `0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
