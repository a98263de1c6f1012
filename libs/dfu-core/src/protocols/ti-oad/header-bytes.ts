/** Which bytes of a file its target collects before it erases: those up to the image segment's own header. */
import { ByteReader } from '../../bytes/byte-reader.js';
import {
  CONTIGUOUS_HEADER_BYTES,
  CORE_HEADER_BYTES,
  MAX_SEGMENTS,
  SEGMENT_HEADER_BYTES,
  SegmentType,
} from '../../image/ti-oad/format.js';

/** Long enough for every header that TI's tool writes: core, security, boundary, image. */
export const HEAD_BYTES = 256;

/** @param head the first bytes of a file that was checked. */
export function readHeaderBytes(head: Uint8Array): number {
  let at = CORE_HEADER_BYTES;
  for (let count = 0; count < MAX_SEGMENTS && at + SEGMENT_HEADER_BYTES <= head.length; count++) {
    const reader = new ByteReader(head.subarray(at, at + SEGMENT_HEADER_BYTES), 'segment');
    const type = reader.u8();
    reader.take(3);
    if (type === SegmentType.Contiguous) break;
    at += reader.u32le();
  }
  return at + CONTIGUOUS_HEADER_BYTES;
}
