/**
 * EBL: the format before GBL, of Ember chips and of the first Blue Gecko bootloader.
 *
 * Tags of id u16 and length u16, both big-endian, then data. The last is the end tag with a CRC-32, little-endian
 * unlike everything else. The file is padded with 0xff to a multiple of 64.
 *
 * Source: zigpy, ota/validators.py; Blue Gecko SDK 2.x UART bootloader example, dfu.c.
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';

export const EBL_FORMAT = 'silabs-ebl';

export const EblTag = {
  Header: 0x0000,
  Metadata: 0xf608,
  Program: 0xfe01,
  ManufacturingProgram: 0x02fe,
  EraseProgram: 0xfd03,
  End: 0xfc04,
  EncryptionHeader: 0xfb05,
  EncryptionInit: 0xfa06,
  EncryptedData: 0xf907,
  EncryptionMac: 0xf709,
  Signature: 0xf70a,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map([
  [EblTag.Header, 'header'],
  [EblTag.Metadata, 'metadata'],
  [EblTag.Program, 'program'],
  [EblTag.ManufacturingProgram, 'manufacturing program'],
  [EblTag.EraseProgram, 'erase and program'],
  [EblTag.End, 'end'],
  [EblTag.EncryptionHeader, 'encryption header'],
  [EblTag.EncryptionInit, 'encryption init'],
  [EblTag.EncryptedData, 'encrypted data'],
  [EblTag.EncryptionMac, 'encryption MAC'],
  [EblTag.Signature, 'signature'],
]);

const TAG_HEADER_BYTES = 4;
const HEADER_SIGNATURE = 0xe350;
const MIN_HEADER_BYTES = 8;
const MAX_HEADER_BYTES = 0x200;
const MAX_PADDING_BYTES = 4096;

export interface EblProgram {
  readonly address: number;
  readonly data: Uint8Array;
}

export interface Ebl {
  readonly version: number;
  readonly flashAddress: number;
  readonly isEncrypted: boolean;
  readonly isSigned: boolean;
  readonly programs: readonly EblProgram[];
  /** Up to and with the end tag. */
  readonly lengthBytes: number;
}

/** @returns true when the bytes begin like an EBL file: a header tag of believable length with its mark. */
export function looksLikeEbl(bytes: Uint8Array): boolean {
  if (bytes.length < TAG_HEADER_BYTES + MIN_HEADER_BYTES) return false;
  const reader = new ByteReader(bytes, 'EBL');
  if (reader.u16be() !== EblTag.Header) return false;
  const length = reader.u16be();
  reader.u16be();
  return length >= MIN_HEADER_BYTES && length <= MAX_HEADER_BYTES && reader.u16be() === HEADER_SIGNATURE;
}

/** @throws ArtifactError `artifact.malformed`, `artifact.truncated`. */
export function parseEbl(bytes: Uint8Array): Ebl {
  if (!looksLikeEbl(bytes)) throw malformed('header', 0, 'no EBL header tag');
  const programs: EblProgram[] = [];
  let isEncrypted = false;
  let isSigned = false;
  let at = 0;
  for (;;) {
    need(bytes, at + TAG_HEADER_BYTES, 'the next EBL tag');
    const head = new ByteReader(bytes.subarray(at, at + TAG_HEADER_BYTES), 'EBL tag');
    const id = head.u16be();
    const length = head.u16be();
    const name = NAMES.get(id);
    if (name === undefined) throw malformed('tag', at, `unknown tag 0x${id.toString(16).padStart(4, '0')}`);
    const from = at + TAG_HEADER_BYTES;
    need(bytes, from + length, `EBL ${name}`);
    const data = bytes.subarray(from, from + length);
    if (id === EblTag.Header && at > 0) throw malformed(name, at, 'a second header');
    if (id === EblTag.EraseProgram || id === EblTag.Program) programs.push(readProgram(data, at, name));
    isEncrypted ||= id === EblTag.EncryptedData;
    isSigned ||= id === EblTag.Signature;
    at = from + length;
    if (id === EblTag.End) {
      checkEnd(bytes, from, length);
      break;
    }
  }
  checkPadding(bytes, at);
  const header = new ByteReader(bytes.subarray(TAG_HEADER_BYTES), 'EBL header');
  const version = header.u16be();
  header.u16be();
  return { version, flashAddress: header.u32be(), isEncrypted, isSigned, programs, lengthBytes: at };
}

function readProgram(data: Uint8Array, at: number, name: string): EblProgram {
  if (data.length < 4) throw malformed(name, at, `${data.length} bytes hold no address`);
  return { address: new ByteReader(data, name).u32be(), data: data.subarray(4) };
}

function checkEnd(bytes: Uint8Array, from: number, length: number): void {
  if (length !== 4) throw malformed('end', from, `${length} bytes instead of 4`);
  const stated = new ByteReader(bytes.subarray(from, from + 4), 'EBL end').u32le();
  const computed = crc32(bytes.subarray(0, from));
  if (stated !== computed) {
    throw malformed('CRC-32', from, `it is 0x${stated.toString(16)}, the bytes give 0x${computed.toString(16)}`);
  }
}

function checkPadding(bytes: Uint8Array, at: number): void {
  if (bytes.length - at > MAX_PADDING_BYTES)
    throw malformed('padding', at, `${bytes.length - at} bytes follow the end`);
  const stray = bytes.subarray(at).findIndex((byte) => byte !== 0xff);
  if (stray >= 0) throw malformed('padding', at + stray, 'bytes other than 0xff follow the end tag');
}

function need(bytes: Uint8Array, expected: number, field: string): void {
  if (bytes.length < expected) {
    throw new ArtifactError('artifact.truncated', { actual: bytes.length, field, expected });
  }
}

function malformed(name: string, offset: number, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: `EBL ${name}`, offset, detail });
}
