/**
 * The `.dfu` container of CSR BlueCore chips, as Melody is delivered in it, with every check that can be made without the
 * device. Little-endian.
 *
 *     header (1224 bytes: 16 descriptors of each kind), stack areas, application areas, persistent store areas
 *     (all `len`, then all `sps`, then all `aps`), file system areas, CRC of the file, DFU suffix (16 bytes, never sent)
 *
 * Source: ramikg/csr-dfu-parser, CSRDFU.bt; BlueZ, tools/dfutool.c; fwupd, plugins/dfu-csr; eight Melody files.
 */
import { ArtifactError } from '../../errors.js';
import { csrCrc32 } from './crc.js';
import { checkFileSystem, checkPersistentStore, checkStack } from './areas.js';

export const CSR_HEADER_BYTES = 1224;
export const CSR_SUFFIX_BYTES = 16;
export const CSR_VENDOR = 0x0a12;
const CRC_BYTES = 4;
const DESCRIPTORS = 16;
const STACK_AT = 104;
const APPLICATION_AT = 424;
const STORE_AT = 648;
const FILE_SYSTEM_AT = 968;
const DFU_VERSIONS = [0x0100, 0x0110];
const FILE_VERSIONS = [2, 3];
/** CSR8670 modules carry 2 MiB; nothing larger is held in memory for looking at it. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

export type CsrAreaKind = 'stack' | 'application' | 'store' | 'stack-store' | 'application-store' | 'file-system';

export interface CsrArea {
  readonly kind: CsrAreaKind;
  readonly offset: number;
  readonly length: number;
}

export interface CsrDfuFile {
  readonly fileVersion: number;
  /** Without its padding. */
  readonly description: string;
  readonly areas: readonly CsrArea[];
  /** `ssd[0].bc`: 0x2000 in the eight HD files, 0x1000 in the others. */
  readonly stackMask: bigint;
  readonly variant: 'hd' | 'standard' | undefined;
  readonly suffix: { readonly bcdDevice: number; readonly product: number; readonly vendor: number };
  /** What is sent: everything but the suffix. */
  readonly body: Uint8Array;
  /** Keys of the persistent store that the file clears, where an application keeps its settings. */
  readonly clearedKeys: readonly number[];
}

const MAGIC = 'CSR-dfu';

/** @param head the first bytes of the file, 8 or more. */
export function looksLikeCsrDfu(head: Uint8Array): boolean {
  return [...MAGIC].every((letter, index) => head[index] === letter.charCodeAt(0));
}

function malformed(field: string, offset: number, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset, detail });
}

/**
 * Reads and checks a whole file. `CSR-dfu1`, which nothing is known of, is refused.
 * @throws ArtifactError `artifact.truncated`, `artifact.malformed`, `artifact.unsupported`, `artifact.limit`.
 */
export function parseCsrDfu(file: Uint8Array): CsrDfuFile {
  const smallest = CSR_HEADER_BYTES + CRC_BYTES + CSR_SUFFIX_BYTES;
  if (file.length < smallest) {
    throw new ArtifactError('artifact.truncated', { field: 'CSR .dfu', actual: file.length, expected: smallest });
  }
  if (file.length > MAX_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'size', actual: file.length, limit: MAX_FILE_BYTES });
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (!looksLikeCsrDfu(file)) throw malformed('magic', 0, 'it does not begin with CSR-dfu');
  if (file[7] !== 0x32) {
    throw new ArtifactError('artifact.unsupported', { detail: 'it is not of the form CSR-dfu2, the only one known' });
  }
  const bodyBytes = file.length - CSR_SUFFIX_BYTES;
  const stated = view.getUint32(10, true);
  if (stated > bodyBytes) {
    const expected = stated + CSR_SUFFIX_BYTES;
    throw new ArtifactError('artifact.truncated', { field: 'CSR .dfu', actual: file.length, expected });
  }
  if (stated !== bodyBytes) {
    throw malformed('file length', 10, `it says ${stated}, the file has ${bodyBytes} bytes and a suffix of 16`);
  }
  const suffix = parseSuffix(file, view, bodyBytes);
  const body = file.subarray(0, bodyBytes);
  if (csrCrc32(body) !== 0) throw malformed('file CRC', bodyBytes - CRC_BYTES, 'the bytes do not match it');

  const fileVersion = view.getUint16(8, true);
  if (!FILE_VERSIONS.includes(fileVersion)) throw malformed('file version', 8, `${fileVersion} is not 2 or 3`);
  const headerBytes = view.getUint16(14, true);
  if (headerBytes !== CSR_HEADER_BYTES) {
    throw malformed('header length', 14, `${headerBytes} is not ${CSR_HEADER_BYTES}`);
  }
  const extra = view.getUint32(100, true);
  const areas = walk(view, bodyBytes, extra);
  const clearedKeys: number[] = [];
  for (const area of areas) {
    const bytes = file.subarray(area.offset, area.offset + area.length);
    if (area.kind === 'stack') checkStack(bytes, area.offset);
    else if (area.kind === 'file-system') checkFileSystem(bytes, area.offset);
    else if (area.kind !== 'application') clearedKeys.push(...checkPersistentStore(bytes, area.offset));
  }
  const stackMask = view.getBigUint64(STACK_AT, true);
  return {
    fileVersion,
    description: descriptionOf(file.subarray(16, 80)),
    areas,
    stackMask,
    variant: stackMask === 0x2000n ? 'hd' : stackMask === 0x1000n ? 'standard' : undefined,
    suffix,
    body,
    clearedKeys,
  };
}

function parseSuffix(file: Uint8Array, view: DataView, at: number): CsrDfuFile['suffix'] {
  if (file[at + 8] !== 0x55 || file[at + 9] !== 0x46 || file[at + 10] !== 0x44) {
    throw malformed('suffix', at + 8, 'the file does not end with a DFU suffix');
  }
  if (file[at + 11] !== CSR_SUFFIX_BYTES) throw malformed('suffix length', at + 11, `${file[at + 11]} is not 16`);
  const version = view.getUint16(at + 6, true);
  if (!DFU_VERSIONS.includes(version)) throw malformed('bcdDFU', at + 6, `0x${version.toString(16)} is not 0x0100`);
  const crcAt = at + 12;
  if (csrCrc32(file.subarray(0, crcAt)) !== view.getUint32(crcAt, true)) {
    throw malformed('dwCRC', crcAt, 'the bytes do not match it');
  }
  const vendor = view.getUint16(at + 4, true);
  if (vendor !== CSR_VENDOR) throw malformed('idVendor', at + 4, `0x${vendor.toString(16)} is not CSR's 0x0a12`);
  return { bcdDevice: view.getUint16(at, true), product: view.getUint16(at + 2, true), vendor };
}

/** @returns the areas in the order in which they lie in the file. */
function walk(view: DataView, bodyBytes: number, extra: number): CsrArea[] {
  const column = (kind: CsrAreaKind, at: number, size: number, field: number): [CsrAreaKind, number][] =>
    Array.from({ length: DESCRIPTORS }, (_, index) => [kind, view.getUint32(at + index * size + field, true)]);
  const lengths = [
    ...column('stack', STACK_AT, 20, 16),
    ...column('application', APPLICATION_AT, 14, 10),
    ...column('store', STORE_AT, 20, 8),
    ...column('stack-store', STORE_AT, 20, 12),
    ...column('application-store', STORE_AT, 20, 16),
    ...column('file-system', FILE_SYSTEM_AT, 16, 12),
  ];
  const areas: CsrArea[] = [];
  let offset = CSR_HEADER_BYTES + extra;
  const end = bodyBytes - CRC_BYTES;
  for (const [kind, length] of lengths) {
    if (length === 0) continue;
    if (offset + length > end) throw malformed(`${kind} area`, offset, `its ${length} bytes pass the end of the file`);
    areas.push({ kind, offset, length });
    offset += length;
  }
  if (offset !== end) throw malformed('areas', offset, `they end ${end - offset} bytes before the CRC of the file`);
  if (areas.length === 0) throw malformed('areas', CSR_HEADER_BYTES, 'the file holds none');
  return areas;
}

function descriptionOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ';
  return text.trimEnd();
}
