/**
 * As much of the Protocol Buffers wire format as a Nordic init packet needs.
 *
 * Written by hand because the signature covers the bytes as they lie in the file, so their place matters, and because
 * a stranger's file deserves to hear which byte is wrong.
 *
 * Source: Protocol Buffers documentation, "Encoding".
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import { type ByteWriter } from '../../bytes/byte-writer.js';
import { ArtifactError, MalformedFrameError } from '../../errors.js';

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_FIXED32 = 5;

/** One field as it lies in its message. */
export type WireField = { readonly number: number; readonly offset: number } & (
  | { readonly wire: typeof WIRE_VARINT; readonly value: number }
  | { readonly wire: typeof WIRE_BYTES; readonly bytes: Uint8Array; readonly bytesOffset: number }
  | { readonly wire: typeof WIRE_FIXED32 | typeof WIRE_FIXED64 }
);

/** A message with more fields than this is no init packet. */
const MAX_FIELDS = 64;

/**
 * Splits one message into its fields.
 * @param offset of the message within the file, for errors.
 * @throws ArtifactError `artifact.malformed` with the byte at which reading ended.
 */
export function readFields(bytes: Uint8Array, offset: number, what: string): WireField[] {
  const reader = new ByteReader(bytes, what);
  const fields: WireField[] = [];
  const here = (): number => offset + reader.offset;
  try {
    while (reader.remaining > 0) {
      const at = here();
      if (fields.length === MAX_FIELDS) throw malformed(what, at, `more than ${MAX_FIELDS} fields`);
      const tag = readVarint(reader, what, offset);
      const number = tag >>> 3;
      const wire = tag & 7;
      if (number === 0) throw malformed(what, at, 'field number 0');
      if (wire === WIRE_VARINT) {
        fields.push({ number, offset: at, wire, value: readVarint(reader, what, offset) });
      } else if (wire === WIRE_BYTES) {
        const length = readVarint(reader, what, offset);
        const bytesOffset = here();
        fields.push({ number, offset: at, wire, bytes: reader.take(length), bytesOffset });
      } else if (wire === WIRE_FIXED32 || wire === WIRE_FIXED64) {
        reader.take(wire === WIRE_FIXED32 ? 4 : 8);
        fields.push({ number, offset: at, wire });
      } else {
        throw malformed(what, at, `wire type ${wire}`);
      }
    }
  } catch (error) {
    if (error instanceof MalformedFrameError) throw malformed(what, here(), 'it is cut off', error);
    throw error;
  }
  return fields;
}

/** @throws ArtifactError when the numbers of a packed field are no whole varints. */
export function readPackedVarints(bytes: Uint8Array, offset: number, what: string): number[] {
  const reader = new ByteReader(bytes, what);
  const values: number[] = [];
  try {
    while (reader.remaining > 0) values.push(readVarint(reader, what, offset));
  } catch (error) {
    if (error instanceof MalformedFrameError) throw malformed(what, offset + reader.offset, 'it is cut off', error);
    throw error;
  }
  return values;
}

/** Unsigned, at most 32 bits: every number of an init packet is one. */
function readVarint(reader: ByteReader, what: string, offset: number): number {
  const at = offset + reader.offset;
  let value = 0;
  for (let shift = 0; shift <= 28; shift += 7) {
    const byte = reader.u8();
    if (shift === 28 && byte > 0x0f) break;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  throw malformed(what, at, 'a number of more than 32 bits');
}

export function writeVarintField(writer: ByteWriter, number: number, value: number): void {
  writeVarint(writer, number * 8 + WIRE_VARINT);
  writeVarint(writer, value);
}

export function writeBytesField(writer: ByteWriter, number: number, bytes: Uint8Array): void {
  writeVarint(writer, number * 8 + WIRE_BYTES);
  writeVarint(writer, bytes.length);
  writer.bytes(bytes);
}

export function writeVarint(writer: ByteWriter, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    writer.u8((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  writer.u8(rest);
}

export function malformed(field: string, offset: number, detail: string, cause?: unknown): ArtifactError {
  return new ArtifactError('artifact.malformed', { field, offset, detail }, { cause });
}
