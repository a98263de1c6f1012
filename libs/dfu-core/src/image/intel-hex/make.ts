/**
 * Writes Intel HEX, as linkers do: 16 bytes a line, an extended linear address wherever the upper half changes.
 *
 * Source: Intel, Hexadecimal Object File Format Specification, revision A (6 January 1988).
 */
import { ArtifactError } from '../../errors.js';
import { type IntelHex, RecordType } from './parse.js';

const BYTES_PER_LINE = 16;

/**
 * @returns ASCII with CR LF line ends.
 * @throws ArtifactError `artifact.malformed` when a segment leaves the 32-bit address space.
 */
export function makeIntelHex({ segments, startAddress }: IntelHex): Uint8Array {
  const lines: string[] = [];
  let upper = 0;
  for (const { address, bytes } of segments) {
    if (!Number.isInteger(address) || address < 0 || address + bytes.length > 0x1_0000_0000) {
      const detail = `${bytes.length} bytes at 0x${address.toString(16)} leave the 32-bit address space`;
      throw new ArtifactError('artifact.malformed', { field: 'address', offset: 0, detail });
    }
    for (let at = 0; at < bytes.length;) {
      const target = address + at;
      const half = Math.floor(target / 0x10000);
      if (half !== upper) {
        lines.push(record(RecordType.ExtendedLinearAddress, 0, be(half, 2)));
        upper = half;
      }
      const length = Math.min(BYTES_PER_LINE, bytes.length - at, 0x10000 - (target % 0x10000));
      lines.push(record(RecordType.Data, target % 0x10000, bytes.subarray(at, at + length)));
      at += length;
    }
  }
  if (startAddress !== undefined) lines.push(record(RecordType.StartLinearAddress, 0, be(startAddress, 4)));
  lines.push(record(RecordType.EndOfFile, 0, new Uint8Array()));
  const text = lines.map((line) => `${line}\r\n`).join('');
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

function be(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.floor(value / 256 ** (length - 1 - i)) % 256);
}

function record(type: number, address: number, data: Uint8Array): string {
  const bytes = [data.length, (address >> 8) & 0xff, address & 0xff, type, ...data];
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.push(-sum & 0xff);
  return `:${bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('')}`;
}
