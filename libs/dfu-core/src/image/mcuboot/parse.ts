/**
 * Structure of an MCUboot image: header and TLV blocks, checks 1 to 4 of those made before sending.
 *
 * Source: mcu-tools/mcuboot `boot/bootutil/src/image_validate.c`, `boot/bootutil/src/tlv.c`.
 */
import { type ByteSource, sourceOf } from '../../bytes/byte-source.js';
import { ArtifactError } from '../../errors.js';
import {
  HEADER_BYTES,
  IMAGE_MAGIC,
  ImageFlag,
  LEGACY_IMAGE_MAGIC,
  MAX_IMAGE_FILE_BYTES,
  MAX_TLVS,
  type McubootHeader,
  type McubootImage,
  type McubootTlv,
  PROTECTED_TLV_INFO_MAGIC,
  TLV_HEADER_BYTES,
  TLV_INFO_BYTES,
  TLV_INFO_MAGIC,
} from './format.js';

const hex = (value: number): string => `0x${value.toString(16)}`;

export function malformed(field: string, offset: number, detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset, detail });
}

function truncated(field: string, actual: number, expected: number): ArtifactError {
  return new ArtifactError('artifact.truncated', { field, actual, expected });
}

/** @returns true when the first four bytes are those of an MCUboot image; says nothing about the rest. */
export function looksLikeMcubootImage(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && viewOf(bytes).getUint32(0, true) === IMAGE_MAGIC;
}

/**
 * Reads header and TLVs; of a source only these.
 * @throws ArtifactError `artifact.malformed`, `artifact.truncated` or `artifact.limit`, with the field that is wrong.
 */
export function parseMcubootImage(bytes: Uint8Array | ByteSource): McubootImage {
  const file = sourceOf(bytes);
  const header = parseHeader(file);
  const bodyEnd = header.headerBytes + header.imageBytes;
  const needed = bodyEnd + header.protectedTlvBytes + TLV_INFO_BYTES;
  if (needed > file.length) throw truncated('img_size', file.length, needed);

  const area: TlvArea = {
    offset: bodyEnd,
    bytes: file.read(bodyEnd, Math.min(file.length - bodyEnd, TLV_AREA_MOST_BYTES)),
    fileBytes: file.length,
  };
  const first = viewOf(area.bytes).getUint16(0, true);
  if (header.protectedTlvBytes === 0 && first === PROTECTED_TLV_INFO_MAGIC) {
    throw malformed('protect_tlv_size', 10, 'a protected TLV block is there, but the header says there is none');
  }
  let protectedTlvs: McubootTlv[] = [];
  if (header.protectedTlvBytes > 0) {
    const block = parseTlvBlock(area, bodyEnd, PROTECTED_TLV_INFO_MAGIC, 'protected TLV block');
    if (block.endOffset - bodyEnd !== header.protectedTlvBytes) {
      throw malformed(
        'protect_tlv_size',
        10,
        `the header says ${header.protectedTlvBytes} bytes, the protected block ${block.endOffset - bodyEnd}`,
      );
    }
    protectedTlvs = block.tlvs;
  }
  const hashedBytes = bodyEnd + header.protectedTlvBytes;
  const { tlvs, endOffset } = parseTlvBlock(area, hashedBytes, TLV_INFO_MAGIC, 'TLV block');
  return {
    file,
    header,
    get body() {
      return file.read(header.headerBytes, header.imageBytes);
    },
    protectedTlvs,
    tlvs,
    endOffset,
    hashedBytes,
    get hashedRegion() {
      return file.read(0, hashedBytes);
    },
    encrypted: (header.flags & (ImageFlag.EncryptedAes128 | ImageFlag.EncryptedAes256)) !== 0,
  };
}

/** Two blocks, each of which states its length in 16 bits. */
const TLV_AREA_MOST_BYTES = 2 * 0xffff;

/** The bytes behind the body, and where in the file they stand. */
interface TlvArea {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly fileBytes: number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function parseHeader(file: ByteSource): McubootHeader {
  if (file.length < HEADER_BYTES) throw truncated('header', file.length, HEADER_BYTES);
  if (file.length > MAX_IMAGE_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'size', actual: file.length, limit: MAX_IMAGE_FILE_BYTES });
  }
  const view = viewOf(file.read(0, HEADER_BYTES));
  const magic = view.getUint32(0, true);
  if (magic === LEGACY_IMAGE_MAGIC) {
    throw malformed('magic', 0, 'this is the legacy Mynewt image format (0x96f3b83c), which MCUboot does not take');
  }
  if (magic !== IMAGE_MAGIC) throw malformed('magic', 0, `${hex(magic)} instead of ${hex(IMAGE_MAGIC)}`);
  const headerBytes = view.getUint16(8, true);
  if (headerBytes < HEADER_BYTES) throw malformed('hdr_size', 8, `${headerBytes}, at least ${HEADER_BYTES} are needed`);
  return {
    loadAddress: view.getUint32(4, true),
    headerBytes,
    protectedTlvBytes: view.getUint16(10, true),
    imageBytes: view.getUint32(12, true),
    flags: view.getUint32(16, true),
    version: {
      major: view.getUint8(20),
      minor: view.getUint8(21),
      revision: view.getUint16(22, true),
      build: view.getUint32(24, true),
    },
  };
}

function parseTlvBlock(
  area: TlvArea,
  start: number,
  magic: number,
  what: string,
): { tlvs: McubootTlv[]; endOffset: number } {
  const { bytes, offset: base, fileBytes } = area;
  const view = viewOf(bytes);
  if (start + TLV_INFO_BYTES > fileBytes) throw truncated(what, fileBytes, start + TLV_INFO_BYTES);
  const found = view.getUint16(start - base, true);
  if (found !== magic) throw malformed(`${what} magic`, start, `${hex(found)} instead of ${hex(magic)}`);
  const total = view.getUint16(start - base + 2, true);
  if (total < TLV_INFO_BYTES) throw malformed(`${what} total`, start + 2, `${total} does not even hold its own header`);
  const endOffset = start + total;
  if (endOffset > fileBytes) throw truncated(what, fileBytes, endOffset);

  const tlvs: McubootTlv[] = [];
  let at = start + TLV_INFO_BYTES;
  while (at < endOffset) {
    if (at + TLV_HEADER_BYTES > endOffset)
      throw malformed(`${what} end`, at, 'a TLV header crosses the end of the block');
    const type = view.getUint16(at - base, true);
    const length = view.getUint16(at - base + 2, true);
    const valueAt = at + TLV_HEADER_BYTES;
    if (valueAt + length > endOffset) {
      throw malformed(`TLV ${hex(type)} length`, at + 2, `${length} bytes cross the end of the block at ${endOffset}`);
    }
    if (tlvs.length >= MAX_TLVS) {
      throw new ArtifactError('artifact.limit', { field: `${what} entries`, actual: tlvs.length + 1, limit: MAX_TLVS });
    }
    tlvs.push({ type, value: bytes.subarray(valueAt - base, valueAt - base + length), offset: at });
    at = valueAt + length;
  }
  return { tlvs, endOffset };
}
