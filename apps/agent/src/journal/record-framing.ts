/**
 * How records lie in the journal's file.
 *
 * File:   `DRYDOCKJ` · version u32 · number of the first record u32 · CRC-32 of the 16 bytes before.
 * Record: mark 0x1ed7 u16 · number u32 · length u32 · CRC-32 of the payload u32 · CRC-32 of the 14 bytes before · payload.
 * All numbers are little-endian; record numbers run without gaps, so that a missing piece is noticed
 * even where the pieces around it are whole.
 *
 * A power cut can only leave an unfinished record at the very end: fewer bytes than its (whole) header
 * says, or zeros that the file system put in place of bytes it had not written yet. That tail was never
 * acted on and is cut. Anything else that cannot be read is damage, and is said.
 */
import { crc32 } from 'node:zlib';

const FILE_MAGIC = Buffer.from('DRYDOCKJ', 'latin1');
const FILE_VERSION = 1;
export const FILE_HEADER_BYTES = 20;
const RECORD_MARK = 0x1ed7;
export const RECORD_HEADER_BYTES = 18;
/** Longer payloads are not written, so a longer length is damage. */
export const MAX_RECORD_BYTES = 64 * 1024;

export interface FramedRecord {
  readonly number: number;
  /** Where the record begins in the file. */
  readonly offset: number;
  readonly payload: Buffer;
}

export interface JournalScan {
  readonly state: 'new' | 'intact' | 'damaged';
  readonly records: readonly FramedRecord[];
  /** Bytes up to which the file can be kept; what follows is an unfinished record. */
  readonly keptBytes: number;
  readonly tornBytes: number;
  readonly nextNumber: number;
  /** For people: what is missing. */
  readonly note?: string;
}

export function encodeFileHeader(firstNumber: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  FILE_MAGIC.copy(header);
  header.writeUInt32LE(FILE_VERSION, 8);
  header.writeUInt32LE(firstNumber, 12);
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16);
  return header;
}

export function encodeRecord(number: number, payload: Uint8Array): Buffer {
  const record = Buffer.alloc(RECORD_HEADER_BYTES + payload.length);
  record.writeUInt16LE(RECORD_MARK, 0);
  record.writeUInt32LE(number, 2);
  record.writeUInt32LE(payload.length, 6);
  record.writeUInt32LE(crc32(payload), 10);
  record.writeUInt32LE(crc32(record.subarray(0, 14)), 14);
  record.set(payload, RECORD_HEADER_BYTES);
  return record;
}

type Found =
  | { readonly kind: 'record'; readonly number: number; readonly payload: Buffer }
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'bad' };

/** What lies at the offset. Never throws. */
export function decodeRecordAt(file: Buffer, offset: number): Found {
  const left = file.length - offset;
  if (left < RECORD_HEADER_BYTES) {
    // A header that was cut: as far as it goes it must be one.
    const begun = left < 2 || file.readUInt16LE(offset) === RECORD_MARK;
    return begun || isZero(file, offset) ? { kind: 'unfinished' } : { kind: 'bad' };
  }
  if (
    file.readUInt16LE(offset) !== RECORD_MARK ||
    file.readUInt32LE(offset + 14) !== crc32(file.subarray(offset, offset + 14))
  ) {
    // The file system had its length before its bytes: zeros from some point in the header to the end of the file.
    return { kind: isZero(file, offset + RECORD_HEADER_BYTES - 1) ? 'unfinished' : 'bad' };
  }
  const number = file.readUInt32LE(offset + 2);
  const length = file.readUInt32LE(offset + 6);
  if (length > MAX_RECORD_BYTES) return { kind: 'bad' };
  if (length > left - RECORD_HEADER_BYTES) return { kind: 'unfinished' };
  const payload = file.subarray(offset + RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES + length);
  if (crc32(payload) === file.readUInt32LE(offset + 10)) return { kind: 'record', number, payload };
  return { kind: endsInZeros(file, offset, length) ? 'unfinished' : 'bad' };
}

/** Reads a whole journal. Never throws, whatever the bytes are. */
export function scanJournal(file: Buffer): JournalScan {
  if (file.length === 0) {
    return { state: 'new', records: [], keptBytes: 0, tornBytes: 0, nextNumber: 0 };
  }
  const notes: string[] = [];
  let expected: number | undefined;
  let offset = FILE_HEADER_BYTES;
  const headerHolds =
    file.length >= FILE_HEADER_BYTES &&
    file.subarray(0, 8).equals(FILE_MAGIC) &&
    file.readUInt32LE(8) === FILE_VERSION &&
    file.readUInt32LE(16) === crc32(file.subarray(0, 16));
  if (headerHolds) {
    expected = file.readUInt32LE(12);
  } else {
    notes.push('the header cannot be read');
    offset = 0;
  }

  const records: FramedRecord[] = [];
  let tornBytes = 0;
  let keptBytes = offset;
  while (offset < file.length) {
    const found = decodeRecordAt(file, offset);
    if (found.kind === 'record') {
      if (expected !== undefined && found.number !== expected) {
        notes.push(`records ${expected} to ${found.number - 1} are missing`);
      }
      records.push({ number: found.number, offset, payload: found.payload });
      expected = found.number + 1;
      offset += RECORD_HEADER_BYTES + found.payload.length;
      keptBytes = offset;
      continue;
    }
    const next = nextRecord(file, offset + 1);
    if (next === undefined) {
      tornBytes = file.length - offset;
      if (found.kind === 'bad') notes.push(`the last ${tornBytes} bytes cannot be read`);
      break;
    }
    notes.push(`${next - offset} bytes at ${offset} cannot be read`);
    offset = next;
  }
  const state = notes.length > 0 ? 'damaged' : records.length === 0 ? 'new' : 'intact';
  return {
    state,
    records,
    keptBytes,
    tornBytes,
    nextNumber: expected ?? 0,
    ...(notes.length > 0 && { note: notes.slice(0, 8).join('; ') }),
  };
}

/** @returns the offset of the next whole record at or after `from`. */
function nextRecord(file: Buffer, from: number): number | undefined {
  const mark = Buffer.from([RECORD_MARK & 0xff, RECORD_MARK >> 8]);
  for (let at = file.indexOf(mark, from); at >= 0; at = file.indexOf(mark, at + 1)) {
    if (decodeRecordAt(file, at).kind === 'record') return at;
  }
  return undefined;
}

function isZero(file: Buffer, offset: number): boolean {
  for (let at = offset; at < file.length; at += 1) if (file[at] !== 0) return false;
  return true;
}

/** A record at the end of the file whose last bytes never reached the disk: zeros from some point to the end of the file. */
function endsInZeros(file: Buffer, offset: number, length: number): boolean {
  const end = offset + RECORD_HEADER_BYTES + length;
  return length > 0 && file[end - 1] === 0 && isZero(file, end);
}
