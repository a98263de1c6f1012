/**
 * Makes TI OAD files: for tests, for demonstrations, and for people without TI's tools.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `tools/common/oad/oad_image_tool.py`, `computeCRC32.py`, `signUtil.py`.
 */
import { ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import { crc16Umts, encodeClassicHeader, offChipHeaderFor } from './classic.js';
import {
  BIM_VERSION,
  BOUNDARY_SEGMENT_BYTES,
  CLASSIC_HEADER_BYTES,
  CONTIGUOUS_HEADER_BYTES,
  CORE_HEADER_BYTES,
  ImageType,
  META_VERSION,
  SECURITY_SEGMENT_BYTES,
  type Segment,
  SegmentType,
  SIGNATURE_BYTES,
} from './format.js';
import { malformed } from './parse.js';
import { signedBytesOf, signTiOad, tiPublicKeyOf, tiSignerInfo } from './signature.js';

const BLE = 0xfffe;

export interface TiOadParts {
  /** What the contiguous image segment holds behind its header. */
  readonly code: Uint8Array;
  /** Exactly 4 characters or bytes. */
  readonly softwareVersion: string | Uint8Array;
  /** 8 characters. Default `CC26x2R1`. */
  readonly imageId?: string;
  /** Default 7, application with stack library. */
  readonly type?: number;
  readonly number?: number;
  /** Default 0xfffe, Bluetooth LE. */
  readonly technology?: number;
  /** Where the file begins in flash. Default 0. */
  readonly startAddress?: number;
  readonly entryAddress?: number;
  /** Of split images: stack start, stack entry, begin and end of the RAM in use. */
  readonly boundary?: {
    readonly stackStart: number;
    readonly stackEntry: number;
    readonly ram0: readonly [number, number];
  };
  /** Unsigned when absent. */
  readonly privateKey?: Uint8Array;
  /** Unix seconds, of signed images. Default 0. */
  readonly timestamp?: number;
}

/**
 * @returns the file as TI's tool would write it: core header, security and boundary segment where asked for, image. The
 *   code is filled with FF to a multiple of 4 bytes.
 * @throws ArtifactError `artifact.malformed` when the parts do not go together.
 */
export function makeTiOadImage(parts: TiOadParts): Uint8Array {
  const { startAddress = 0, technology = BLE, privateKey } = parts;
  const id = ascii(parts.imageId ?? 'CC26x2R1');
  if (id.length !== 8) throw malformed('imgID', 0, `${id.length} characters, 8 are needed`);
  const version = typeof parts.softwareVersion === 'string' ? ascii(parts.softwareVersion) : parts.softwareVersion;
  if (version.length !== 4) throw malformed('softVer', 32, `${version.length} bytes, 4 are needed`);

  const security = privateKey ? SECURITY_SEGMENT_BYTES : 0;
  const boundary = parts.boundary ? BOUNDARY_SEGMENT_BYTES : 0;
  const before = CORE_HEADER_BYTES + security + boundary + CONTIGUOUS_HEADER_BYTES;
  const fill = (4 - ((before + parts.code.length) % 4)) % 4;
  const lengthBytes = before + parts.code.length + fill;
  const segments: Segment[] = [];
  const segment = (writer: ByteWriter, type: number, length: number): ByteWriter => {
    const offset = segments.reduce((sum, each) => sum + each.lengthBytes, CORE_HEADER_BYTES);
    segments.push({ type, technology, offset, lengthBytes: length });
    return writer.u8(type).u16le(technology).u8(0xff).u32le(length);
  };

  const writer = new ByteWriter()
    .bytes(id)
    .u32le(0)
    .u8(BIM_VERSION)
    .u8(META_VERSION)
    .u16le(technology)
    .u8(0xff)
    .u8(0xff)
    .u8(parts.type ?? ImageType.ApplicationWithStackLibrary)
    .u8(parts.number ?? 0)
    .u32le(0xffffffff)
    .u32le(lengthBytes)
    .u32le(parts.entryAddress ?? startAddress + 0x50)
    .bytes(version)
    .u32le(startAddress + lengthBytes - 1)
    .u16le(CORE_HEADER_BYTES)
    .u16le(0xffff);
  if (privateKey) {
    segment(writer, SegmentType.Security, SECURITY_SEGMENT_BYTES)
      .u8(1)
      .u32le(parts.timestamp ?? 0)
      .bytes(tiSignerInfo(tiPublicKeyOf(privateKey)))
      .bytes(new Uint8Array(SIGNATURE_BYTES));
  }
  if (parts.boundary) {
    const { stackStart, stackEntry, ram0 } = parts.boundary;
    segment(writer, SegmentType.Boundary, BOUNDARY_SEGMENT_BYTES)
      .u32le(stackStart)
      .u32le(stackEntry)
      .u32le(ram0[0])
      .u32le(ram0[1]);
  }
  segment(writer, SegmentType.Contiguous, CONTIGUOUS_HEADER_BYTES + parts.code.length + fill).u32le(startAddress);

  const file = new Uint8Array(lengthBytes).fill(0xff);
  file.set(writer.finish());
  file.set(parts.code, before);
  if (privateKey) {
    const signature = signTiOad(signedBytesOf({ file, segments }), privateKey);
    file.set(signature, CORE_HEADER_BYTES + SECURITY_SEGMENT_BYTES - SIGNATURE_BYTES);
  }
  new DataView(file.buffer).setUint32(8, crc32(file.subarray(12)), true);
  return file;
}

export interface ClassicParts {
  /** The whole image; its first 16 bytes are overwritten by the metadata. A multiple of 16 bytes, at most 256 KiB - 4. */
  readonly image: Uint8Array;
  readonly version: number;
  /** 4 characters. Default `AAAA`, `BBBB` (on-chip) or `EEEE`. */
  readonly userId?: string;
}

/** @returns an on-chip image for area A or B; the CRC covers bytes 4 to the end of the file. */
export function makeTiOnChipImage(parts: ClassicParts & { readonly area: 'A' | 'B' }): Uint8Array {
  const file = classicFile(parts);
  const header = {
    crc0: crc16Umts(file.subarray(4)),
    crc1: 0xffff,
    version: (parts.version << 1) | (parts.area === 'B' ? 1 : 0),
    lengthWords: file.length / 4,
    userId: ascii(parts.userId ?? parts.area.repeat(4)),
    address: 0xffff,
    type: 0xff,
    status: 0xff,
  };
  file.set(encodeClassicHeader(header));
  file.set(encodeClassicHeader({ ...header, crc0: crc16Umts(file.subarray(4)) }));
  return file;
}

/** @returns an off-chip image with its metadata. @param parts.address where it goes; a multiple of 4. */
export function makeTiOffChipImage(
  parts: ClassicParts & { readonly address?: number; readonly type?: number },
): Uint8Array {
  const file = classicFile(parts);
  const change = {
    version: parts.version,
    userId: ascii(parts.userId ?? 'EEEE'),
    address: (parts.address ?? 0x1000) / 4,
    type: parts.type ?? 1,
  };
  file.set(encodeClassicHeader(offChipHeaderFor(file, change)));
  file.set(encodeClassicHeader(offChipHeaderFor(file, change)));
  return file;
}

function classicFile({ image, userId }: ClassicParts): Uint8Array {
  if (image.length === 0 || image.length % CLASSIC_HEADER_BYTES !== 0 || image.length / 4 > 0xffff) {
    throw malformed('len', 6, `${image.length} bytes; a multiple of 16 below 256 KiB is needed`);
  }
  if (userId !== undefined && userId.length !== 4)
    throw malformed('uid', 8, `${userId.length} characters, 4 are needed`);
  return image.slice();
}

/**
 * Pads an MCUboot image to its slot, as `imgtool sign --pad` does: FF, and the boot magic in the last 16 bytes.
 * @throws ArtifactError `artifact.limit` when it does not fit.
 */
export function padMcubootToSlot(file: Uint8Array, slotBytes: number): Uint8Array {
  const magic = [0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80];
  if (file.length + magic.length > slotBytes) {
    throw new ArtifactError('artifact.limit', { field: 'size for the slot', actual: file.length, limit: slotBytes });
  }
  const padded = new Uint8Array(slotBytes).fill(0xff);
  padded.set(file);
  padded.set(magic, slotBytes - magic.length);
  return padded;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);
