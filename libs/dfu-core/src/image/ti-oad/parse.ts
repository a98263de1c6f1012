/**
 * Structure of an enhanced TI OAD file, and every check that needs nothing but the file.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `oad_image_header.h`, `oad.c` (header validation), `oad_image_tool.py`.
 */
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import {
  BIM_VERSION,
  BOUNDARY_SEGMENT_BYTES,
  CONTIGUOUS_HEADER_BYTES,
  CORE_HEADER_BYTES,
  type CoreHeader,
  CrcStatus,
  DELIVERABLE_TYPES,
  IMAGE_TYPE_NAMES,
  MAX_SEGMENTS,
  MAX_TI_OAD_FILE_BYTES,
  META_VERSION,
  METADATA_RECORD_ID,
  SECURITY_SEGMENT_BYTES,
  type SecuritySegment,
  type Segment,
  SEGMENT_HEADER_BYTES,
  SegmentType,
  SIGNATURE_BYTES,
  spellBytes,
  TI_IMAGE_IDS,
  type TiOadImage,
} from './format.js';

const CRC_FROM = 12;

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const hex = (value: number): string => `0x${value.toString(16)}`;

export function malformed(field: string, offset: number, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset, detail });
}

export function truncated(field: string, actual: number, expected: number): ArtifactError {
  return new ArtifactError('artifact.truncated', { field, actual, expected });
}

/**
 * Whether the bytes begin like an enhanced TI OAD file: one of TI's image ids, or a product's own printable id before a
 * core header that can be nothing else. Says nothing about the rest.
 */
export function looksLikeTiOadImage(bytes: Uint8Array): boolean {
  if (bytes.length < 8) return false;
  const id = spellBytes(bytes.subarray(0, 8));
  if ((TI_IMAGE_IDS as readonly string[]).includes(id) || id === METADATA_RECORD_ID) return true;
  if (bytes.length < CORE_HEADER_BYTES || id.startsWith('0x')) return false;
  const { metaVersion, bimVersion, headerBytes, validity } = readCoreHeader(bytes);
  return (
    bimVersion === BIM_VERSION &&
    metaVersion === META_VERSION &&
    headerBytes === CORE_HEADER_BYTES &&
    validity === 0xffffffff
  );
}

function readCoreHeader(file: Uint8Array): CoreHeader {
  const view = viewOf(file);
  return {
    imageId: file.subarray(0, 8),
    crc32: view.getUint32(8, true),
    bimVersion: view.getUint8(12),
    metaVersion: view.getUint8(13),
    technology: view.getUint16(14, true),
    copyStatus: view.getUint8(16),
    crcStatus: view.getUint8(17),
    type: view.getUint8(18),
    number: view.getUint8(19),
    validity: view.getUint32(20, true),
    lengthBytes: view.getUint32(24, true),
    entryAddress: view.getUint32(28, true),
    softwareVersion: file.subarray(32, 36),
    endAddress: view.getUint32(36, true),
    headerBytes: view.getUint16(40, true),
  };
}

/**
 * Reads header and segments and makes all checks that precede sending, but the signature.
 * @throws ArtifactError `artifact.truncated`, `artifact.malformed`, `artifact.limit`, `artifact.unsupported` or
 *   `artifact.digest`, with the field that is wrong.
 */
export function parseTiOadImage(file: Uint8Array): TiOadImage {
  const least = CORE_HEADER_BYTES + CONTIGUOUS_HEADER_BYTES;
  if (file.length < least) throw truncated('core header and image segment', file.length, least);
  if (file.length > MAX_TI_OAD_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'size', actual: file.length, limit: MAX_TI_OAD_FILE_BYTES });
  }
  const header = readCoreHeader(file);
  checkHeader(header, file);
  const segments = readSegments(file);
  const startAddress = checkContiguous(file, segments);
  const end = startAddress + header.lengthBytes - 1;
  if (header.endAddress !== end) {
    const detail = `${hex(header.endAddress)}, but start ${hex(startAddress)} and length make ${hex(end)}`;
    throw malformed('imgEndAddr', 36, detail);
  }
  const computed = crc32(file.subarray(CRC_FROM));
  if (computed !== header.crc32) {
    const params = { field: 'crc32 of the core header (bytes 12 to the end)' };
    throw new ArtifactError('artifact.digest', { ...params, expected: hex(header.crc32), actual: hex(computed) });
  }
  const security = readSecurity(file, segments);
  return { file, header, segments, startAddress, ...(security && { security }) };
}

function checkHeader(header: CoreHeader, file: Uint8Array): void {
  const id = spellBytes(header.imageId);
  if (id === METADATA_RECORD_ID) {
    throw malformed('imgID', 0, 'this is a metadata record of external flash, not an image');
  }
  if (id.startsWith('0x')) throw malformed('imgID', 0, `${id} is no text`);
  const expectations: readonly (readonly [string, number, number, number])[] = [
    ['bimVer', 12, header.bimVersion, BIM_VERSION],
    ['metaVer', 13, header.metaVersion, META_VERSION],
    ['hdrLen', 40, header.headerBytes, CORE_HEADER_BYTES],
  ];
  for (const [field, offset, actual, expected] of expectations) {
    if (actual !== expected) throw malformed(field, offset, `${actual}, ${expected} is needed`);
  }
  if (header.lengthBytes > file.length) throw truncated('len', file.length, header.lengthBytes);
  if (header.lengthBytes < file.length) {
    throw malformed('len', 24, `${header.lengthBytes}, but the file has ${file.length} bytes`);
  }
  if (header.crcStatus === CrcStatus.Invalid) {
    throw malformed('crcStat', 17, 'the file calls itself invalid (0xfc); targets refuse it at the end');
  }
  if (!DELIVERABLE_TYPES.has(header.type)) {
    const name = IMAGE_TYPE_NAMES[header.type] ?? 'reserved';
    throw new ArtifactError('artifact.unsupported', {
      detail: `image type ${header.type} (${name}); targets download and enable types 1, 2, 3 and 7`,
    });
  }
  if ((header.technology & 1) !== 0) {
    throw new ArtifactError('artifact.unsupported', {
      detail: `technology ${hex(header.technology)} has no Bluetooth LE bit; the image is for another radio`,
    });
  }
}

function readSegments(file: Uint8Array): Segment[] {
  const view = viewOf(file);
  const segments: Segment[] = [];
  let at = CORE_HEADER_BYTES;
  while (at < file.length) {
    if (segments.length >= MAX_SEGMENTS) {
      const params = { field: 'segments', actual: segments.length + 1, limit: MAX_SEGMENTS };
      throw new ArtifactError('artifact.limit', params);
    }
    if (at + SEGMENT_HEADER_BYTES > file.length)
      throw truncated('segment header', file.length, at + SEGMENT_HEADER_BYTES);
    const type = view.getUint8(at);
    const lengthBytes = view.getUint32(at + 4, true);
    if (lengthBytes < SEGMENT_HEADER_BYTES) {
      throw malformed('segment length', at + 4, `${lengthBytes} does not even hold its own header`);
    }
    if (lengthBytes > file.length - at) throw truncated(`segment ${type}`, file.length, at + lengthBytes);
    segments.push({ type, technology: view.getUint16(at + 1, true), offset: at, lengthBytes });
    at += lengthBytes;
  }
  return segments;
}

/** @returns where the image begins in flash. */
function checkContiguous(file: Uint8Array, segments: readonly Segment[]): number {
  const contiguous = segments.filter(({ type }) => type === SegmentType.Contiguous);
  const image = contiguous[0];
  if (!image) throw malformed('segments', CORE_HEADER_BYTES, 'there is no contiguous image segment (type 1)');
  if (contiguous[1]) throw malformed('segments', contiguous[1].offset, 'there is a second contiguous image segment');
  if (image.lengthBytes < CONTIGUOUS_HEADER_BYTES) {
    throw malformed('contiguous image length', image.offset + 4, `${image.lengthBytes} holds no start address`);
  }
  const boundary = segments.find(({ type }) => type === SegmentType.Boundary);
  if (boundary && boundary.lengthBytes !== BOUNDARY_SEGMENT_BYTES) {
    throw malformed('boundary segment length', boundary.offset + 4, `${boundary.lengthBytes}, 24 is needed`);
  }
  return viewOf(file).getUint32(image.offset + SEGMENT_HEADER_BYTES, true);
}

function readSecurity(file: Uint8Array, segments: readonly Segment[]): SecuritySegment | undefined {
  const found = segments.filter(({ type }) => type === SegmentType.Security);
  const segment = found[0];
  if (!segment) return undefined;
  if (found[1]) throw malformed('segments', found[1].offset, 'there is a second security segment');
  const { offset } = segment;
  if (segment.lengthBytes !== SECURITY_SEGMENT_BYTES) {
    throw malformed(
      'security segment length',
      offset + 4,
      `${segment.lengthBytes}, ${SECURITY_SEGMENT_BYTES} is needed`,
    );
  }
  const view = viewOf(file);
  return {
    offset,
    version: view.getUint8(offset + 8),
    timestamp: view.getUint32(offset + 9, true),
    signer: file.subarray(offset + 13, offset + 21),
    signature: file.subarray(offset + 21, offset + 21 + SIGNATURE_BYTES),
  };
}

/** Bytes of the file that a target collects in RAM before it erases anything: headers up to the image's own. */
export function headerBytesOf(image: Pick<TiOadImage, 'segments'>): number {
  const contiguous = image.segments.find(({ type }) => type === SegmentType.Contiguous);
  return (contiguous?.offset ?? CORE_HEADER_BYTES) + CONTIGUOUS_HEADER_BYTES;
}
