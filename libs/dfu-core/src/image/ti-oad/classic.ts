/**
 * Classic TI OAD images: CC254x and CC26x0 on-chip (areas A and B), CC26x0 off-chip, and the bare flash dumps for which the
 * host makes the metadata up (SensorTag 2).
 *
 * Sources: TI BLE-Stack 1.x `oad_target.c`, BLE-Stack 2.x `oad.h`, `oad_target_external_flash.c`; OADKit
 * `OADFirmwareImage.swift`; TI SensorTag Android application, `FwUpdateActivity_CC26xx.java`.
 */
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError } from '../../errors.js';
import { crc16Xmodem } from '../../framing/crc16.js';
import { CLASSIC_HEADER_BYTES, type ClassicHeader, MAX_TI_OAD_FILE_BYTES, spellBytes } from './format.js';
import { malformed, truncated, viewOf } from './parse.js';

const CRC_FROM = 4;
/** Of CC254x; its linker computes the CRC over whole pages. */
const CC254X_PAGE_BYTES = 2048;
const BLOCK_BYTES = 16;
const UNCHECKED = 0xffff;
/** Areas of SensorTag 2 dumps: the whole flash of a CC2650, whose 20 KiB of RAM hold the first stack pointer. */
const DUMP_BYTES = 128 * 1024;
const RAM_BEGIN = 0x20000000;
const RAM_END = 0x20005000;
const DEFAULT_USER_IDS = ['AAAA', 'BBBB', 'EEEE'];
/** Address 0x1000 and up for applications of BLE-Stack 2.2; dumps begin at 0. */
const OFF_CHIP_TYPES = [1, 2, 3, 4];

export type ClassicKind = 'on-chip' | 'off-chip' | 'dump';

export interface ClassicImage {
  readonly kind: ClassicKind;
  readonly file: Uint8Array;
  readonly header: ClassicHeader;
  /** The CRC in the file equals the computed one. Always so off-chip; on-chip the linker's range is the project's own. */
  readonly crcMatches: boolean;
}

/** CRC-16/UMTS: polynomial 0x8005, start 0, nothing reflected. Check value over ASCII `123456789`: 0xfee8. */
export function crc16Umts(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x8005) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

export function decodeClassicHeader(bytes: Uint8Array): ClassicHeader {
  const view = viewOf(bytes);
  return {
    crc0: view.getUint16(0, true),
    crc1: view.getUint16(2, true),
    version: view.getUint16(4, true),
    lengthWords: view.getUint16(6, true),
    userId: bytes.subarray(8, 12),
    address: view.getUint16(12, true),
    type: view.getUint8(14),
    status: view.getUint8(15),
  };
}

export function encodeClassicHeader(header: ClassicHeader): Uint8Array {
  return new ByteWriter()
    .u16le(header.crc0)
    .u16le(header.crc1)
    .u16le(header.version)
    .u16le(header.lengthWords)
    .bytes(header.userId)
    .u16le(header.address)
    .u8(header.type)
    .u8(header.status)
    .finish();
}

/** The metadata of an off-chip image, CRC over bytes 4 to the end included. @param change what is not a dump's default. */
export function offChipHeaderFor(
  image: Uint8Array,
  change: Partial<Pick<ClassicHeader, 'version' | 'userId' | 'address' | 'type'>> = {},
): ClassicHeader {
  return {
    crc0: crc16Xmodem(image.subarray(CRC_FROM)),
    crc1: UNCHECKED,
    version: 0,
    lengthWords: image.length / 4,
    userId: Uint8Array.of(0x45, 0x45, 0x45, 0x45),
    address: 0,
    type: 1,
    status: 0xff,
    ...change,
  };
}

/** Whether the bytes are, or clearly mean to be, a classic image. Says nothing about the rest. */
export function looksLikeClassicImage(bytes: Uint8Array): boolean {
  if (bytes.length < CLASSIC_HEADER_BYTES) return false;
  const { crc0, crc1, lengthWords, userId, type, status } = decodeClassicHeader(bytes);
  const id = spellBytes(userId);
  const isHeader = crc1 === UNCHECKED && status === 0xff && (type === 0xff || OFF_CHIP_TYPES.includes(type));
  if (isHeader && crc0 !== UNCHECKED && !id.startsWith('0x')) {
    if (DEFAULT_USER_IDS.includes(id) || lengthWords * 4 === bytes.length) return true;
  }
  return looksLikeDump(bytes);
}

function looksLikeDump(bytes: Uint8Array): boolean {
  if (bytes.length !== DUMP_BYTES) return false;
  const view = viewOf(bytes);
  const stack = view.getUint32(0, true);
  const reset = view.getUint32(4, true);
  return stack > RAM_BEGIN && stack <= RAM_END && stack % 4 === 0 && reset % 2 === 1 && reset < DUMP_BYTES;
}

/** @throws ArtifactError `artifact.malformed`, `artifact.truncated`, `artifact.limit` or `artifact.digest`. */
export function parseClassicImage(file: Uint8Array): ClassicImage {
  if (file.length < CLASSIC_HEADER_BYTES) throw truncated('metadata', file.length, CLASSIC_HEADER_BYTES);
  if (file.length > MAX_TI_OAD_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'size', actual: file.length, limit: MAX_TI_OAD_FILE_BYTES });
  }
  if (looksLikeDump(file)) return { kind: 'dump', file, header: offChipHeaderFor(file), crcMatches: true };
  const header = decodeClassicHeader(file);
  const needed = header.lengthWords * 4;
  if (needed > file.length) throw truncated('len', file.length, needed);
  if (needed < file.length)
    throw malformed('len', 6, `${header.lengthWords} words, but the file has ${file.length} bytes`);
  if (needed === 0 || needed % BLOCK_BYTES !== 0) {
    throw malformed('len', 6, `${needed} bytes are no whole number of 16-byte blocks`);
  }
  if (header.crc1 !== UNCHECKED) throw malformed('crc1', 2, 'the shadow CRC of a fresh image is 0xffff');
  return header.type === 0xff ? onChip(file, header) : offChip(file, header);
}

function onChip(file: Uint8Array, header: ClassicHeader): ClassicImage {
  if (header.crc0 === 0 || header.crc0 === UNCHECKED) {
    throw malformed('crc0', 0, 'the linker has written no CRC; the target would wait for ever');
  }
  const wholePages = file.subarray(CRC_FROM, file.length - (file.length % CC254X_PAGE_BYTES));
  const computed = [crc16Umts(wholePages), crc16Umts(file.subarray(CRC_FROM)), crc16Xmodem(file.subarray(CRC_FROM))];
  return { kind: 'on-chip', file, header, crcMatches: computed.includes(header.crc0) };
}

function offChip(file: Uint8Array, header: ClassicHeader): ClassicImage {
  if (!OFF_CHIP_TYPES.includes(header.type)) throw malformed('imgType', 14, `${header.type}, 1 to 4 is needed`);
  const computed = crc16Xmodem(file.subarray(CRC_FROM));
  if (computed !== header.crc0) {
    const expected = `0x${header.crc0.toString(16)}`;
    const actual = `0x${computed.toString(16)}`;
    throw new ArtifactError('artifact.digest', { field: 'crc0 (bytes 4 to the end)', expected, actual });
  }
  return { kind: 'off-chip', file, header, crcMatches: true };
}

/** Area of an on-chip image, from the version field. */
export const areaOf = (version: number): 'A' | 'B' => ((version & 1) === 0 ? 'A' : 'B');
