/**
 * Intel HEX: lines of `:LLAAAATT<data>CC`, which put bytes at addresses.
 *
 * Stricter than most readers on purpose: every line must be whole and right in its checksum, no byte is set twice, the
 * end-of-file record ends the file. What a linker or a vendor's tool writes passes; what a transfer cut off does not.
 *
 * Source: Intel, Hexadecimal Object File Format Specification, revision A (6 January 1988).
 */
import { ArtifactError } from '../../errors.js';

export interface IntelHexSegment {
  /** Of its first byte. */
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface IntelHex {
  /** By rising address; neighbours that touch are one segment. */
  readonly segments: readonly IntelHexSegment[];
  /** Start Linear Address (EIP), or CS * 16 + IP of a Start Segment Address. */
  readonly startAddress?: number;
}

export const RecordType = {
  Data: 0x00,
  EndOfFile: 0x01,
  ExtendedSegmentAddress: 0x02,
  StartSegmentAddress: 0x03,
  ExtendedLinearAddress: 0x04,
  StartLinearAddress: 0x05,
} as const;

/** Larger than the hex of any image that Drydock takes (16 MiB in lines of 16 bytes). */
export const MAX_HEX_FILE_BYTES = 64 * 1024 * 1024;
export const MAX_HEX_DATA_BYTES = 16 * 1024 * 1024;
/** Lines that carry one byte each would make bookkeeping of any size; real files have fewer than a hundred pieces. */
export const MAX_HEX_SEGMENTS = 4096;

const COLON = 0x3a;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** `:` + length, address, type, checksum in hex. */
const SHORTEST_LINE = 11;
const ADDRESS_SPACE = 0x1_0000_0000;
/** Data length that each type other than data must have. */
const FIXED_LENGTH: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 4, 4: 2, 5: 4 };

/** Shapes of what is gathered while reading. */
interface Run {
  readonly address: number;
  bytes: Uint8Array;
  length: number;
}

function malformed(line: number, offset: number, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: `Intel HEX line ${line}`, offset, detail });
}

/** @returns true when the file begins like Intel HEX: a colon and ten hex digits; says nothing about the rest. */
export function looksLikeIntelHex(bytes: Uint8Array): boolean {
  if (bytes.length < SHORTEST_LINE || bytes[0] !== COLON) return false;
  for (let at = 1; at < SHORTEST_LINE; at++) if (nibble(bytes[at]) < 0) return false;
  return true;
}

/**
 * @throws ArtifactError `artifact.malformed` with line and byte; `artifact.truncated` without end-of-file record;
 * `artifact.limit` for files, contents or scattering beyond what is taken.
 */
export function parseIntelHex(bytes: Uint8Array): IntelHex {
  if (bytes.length > MAX_HEX_FILE_BYTES) throw tooMuch('Intel HEX file', bytes.length, MAX_HEX_FILE_BYTES);
  const runs: Run[] = [];
  let dataBytes = 0;
  let base = 0;
  let segmented = false;
  let startAddress: number | undefined;
  let line = 0;
  let ended = false;

  for (let at = 0; at < bytes.length;) {
    const lineEnd = endOfLine(bytes, at);
    line++;
    const start = at;
    at = lineEnd.next;
    if (lineEnd.end === start) continue; // an empty line
    if (ended) throw malformed(line, start, 'there is more behind the end-of-file record');
    const { type, address, data } = readRecord(bytes, start, lineEnd.end, line);

    switch (type) {
      case RecordType.Data: {
        dataBytes += data.length;
        if (dataBytes > MAX_HEX_DATA_BYTES) throw tooMuch('Intel HEX contents', dataBytes, MAX_HEX_DATA_BYTES);
        if (base + address + data.length > ADDRESS_SPACE || (!segmented && address + data.length > 0x10000)) {
          throw malformed(line, start, 'its data passes the end of the addresses it can reach');
        }
        if (segmented && address + data.length > 0x10000) {
          throw malformed(line, start, 'its data wraps around inside its segment, which is not taken');
        }
        append(runs, base + address, data);
        if (runs.length > MAX_HEX_SEGMENTS) throw tooMuch('Intel HEX segments', runs.length, MAX_HEX_SEGMENTS);
        break;
      }
      case RecordType.EndOfFile:
        ended = true;
        break;
      case RecordType.ExtendedSegmentAddress:
        base = u16(data, 0) * 16;
        segmented = true;
        break;
      case RecordType.ExtendedLinearAddress:
        base = u16(data, 0) * 0x10000;
        segmented = false;
        break;
      case RecordType.StartSegmentAddress:
        startAddress = u16(data, 0) * 16 + u16(data, 2);
        break;
      case RecordType.StartLinearAddress:
        startAddress = u16(data, 0) * 0x10000 + u16(data, 2);
        break;
      default:
        throw malformed(line, start, `record type ${type} is none of the format`);
    }
  }
  if (!ended) {
    throw new ArtifactError('artifact.truncated', {
      field: 'Intel HEX',
      actual: bytes.length,
      expected: 'its end-of-file record (:00000001FF)',
    });
  }
  return { segments: joined(runs), ...(startAddress !== undefined && { startAddress }) };
}

function tooMuch(field: string, actual: number, limit: number): ArtifactError {
  return new ArtifactError('artifact.limit', { field, actual, limit });
}

/** Lines end with LF, CR LF or CR. */
function endOfLine(bytes: Uint8Array, from: number): { end: number; next: number } {
  let end = from;
  while (end < bytes.length && bytes[end] !== LINE_FEED && bytes[end] !== CARRIAGE_RETURN) end++;
  const isPair = bytes[end] === CARRIAGE_RETURN && bytes[end + 1] === LINE_FEED;
  return { end, next: end + (isPair ? 2 : 1) };
}

interface RawRecord {
  readonly type: number;
  readonly address: number;
  readonly data: Uint8Array;
}

function readRecord(bytes: Uint8Array, start: number, end: number, line: number): RawRecord {
  if (bytes[start] !== COLON) throw malformed(line, start, 'it does not begin with a colon');
  const digits = end - start - 1;
  if (digits % 2 !== 0 || digits < SHORTEST_LINE - 1) throw malformed(line, start, `${digits} digits are no record`);
  const raw = new Uint8Array(digits / 2);
  let sum = 0;
  for (let i = 0; i < raw.length; i++) {
    const at = start + 1 + 2 * i;
    const high = nibble(bytes[at]);
    const low = nibble(bytes[at + 1]);
    if (high < 0 || low < 0) throw malformed(line, at, 'it holds something that is no hex digit');
    raw[i] = high * 16 + low;
    sum = (sum + (raw[i] ?? 0)) & 0xff;
  }
  const length = raw[0] ?? 0;
  if (raw.length !== length + 5)
    throw malformed(line, start, `${length} data bytes announced, ${raw.length - 5} there`);
  if (sum !== 0) throw malformed(line, end - 2, 'its checksum does not hold');
  const type = raw[3] ?? 0;
  const fixed = FIXED_LENGTH[type];
  if (fixed !== undefined && length !== fixed) throw malformed(line, start, `type ${type} carries ${fixed} bytes`);
  return { type, address: u16(raw, 1), data: raw.subarray(4, 4 + length) };
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}

function nibble(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/** Files are written in rising order nearly always: then each line goes on where the last one ended. */
function append(runs: Run[], address: number, data: Uint8Array): void {
  if (data.length === 0) return;
  const last = runs.at(-1);
  if (!last || last.address + last.length !== address) {
    runs.push({ address, bytes: data.slice(), length: data.length });
    return;
  }
  if (last.length + data.length > last.bytes.length) {
    const grown = new Uint8Array(Math.max(1024, 2 * (last.length + data.length)));
    grown.set(last.bytes.subarray(0, last.length));
    last.bytes = grown;
  }
  last.bytes.set(data, last.length);
  last.length += data.length;
}

function joined(runs: readonly Run[]): IntelHexSegment[] {
  const sorted = [...runs].sort((a, b) => a.address - b.address);
  const groups: Run[][] = [];
  let end = -1;
  for (const run of sorted) {
    if (run.address < end) {
      throw new ArtifactError('artifact.malformed', {
        field: 'Intel HEX',
        offset: 0,
        detail: `address 0x${run.address.toString(16)} is set twice`,
      });
    }
    if (run.address === end) groups.at(-1)?.push(run);
    else groups.push([run]);
    end = run.address + run.length;
  }
  return groups.map((group) => {
    const bytes = new Uint8Array(group.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const run of group) {
      bytes.set(run.bytes.subarray(0, run.length), at);
      at += run.length;
    }
    return { address: group[0]?.address ?? 0, bytes };
  });
}
