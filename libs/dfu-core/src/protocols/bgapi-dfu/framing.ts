/**
 * How BGAPI packets stand on a UART: plain, behind a length byte (packet mode of BLE11x, towards the module only), or
 * in robust frames with checks (NCP applications since GSDK 4.4, never bootloaders).
 *
 * Robust frame: 5A · length low · length high (bits 7..5), CRC-8 present (bit 4), CRC-4 (bits 3..0) · packet · CRC-8.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common/simple_com/sl_simple_com_robust.c; SiliconLabs/pybgapi,
 * robustconnector.py; jrowberg/bglib, Arduino/BGLib.cpp (packet mode).
 */
import { InvariantError } from '../../errors.js';
import { HEADER_BYTES, MAX_PAYLOAD_BYTES, packetLength } from './codec.js';
import { type Dialect, type Framing, type MessageName } from './messages.js';

const PREAMBLE = 0x5a;
const ROBUST_HEADER_BYTES = 3;
const MAX_PACKET_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES;
/** The source gives the table; a bitwise CRC-4 of the polynomial in its comment does not reproduce it. */
const CRC4_TABLE: readonly number[] = [0, 7, 14, 9, 5, 2, 11, 12, 10, 13, 4, 3, 15, 8, 1, 6];
const CRC4_START = 0xa;

/** Over nibbles. With the CRC behind them the result is 0. */
function crc4(nibbles: readonly number[]): number {
  let crc = CRC4_START;
  for (const nibble of nibbles) crc = CRC4_TABLE[(crc ^ nibble) & 0x0f]!;
  return crc;
}

/** Polynomial 0x07, start 0, not reflected; 0xf4 over ASCII `123456789`. */
export function crc8(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x80 ? (crc << 1) ^ 0x07 : crc << 1) & 0xff;
  }
  return crc;
}

export function encodeRobust(packet: Uint8Array, withCrc = true): Uint8Array {
  if (packet.length > MAX_PAYLOAD_BYTES) throw new InvariantError(`a robust frame of ${packet.length} bytes`);
  const low = packet.length & 0xff;
  const high = ((packet.length >> 8) << 1) | (withCrc ? 1 : 0);
  const second = (high << 4) | crc4([low >> 4, low & 0x0f, high]);
  return Uint8Array.of(PREAMBLE, low, second, ...packet, ...(withCrc ? [crc8(packet)] : []));
}

/** What leaves for the module. */
export function frame(packet: Uint8Array, framing: Framing): Uint8Array {
  switch (framing) {
    case 'plain':
      return packet;
    case 'packet':
      return Uint8Array.of(packet.length, ...packet);
    case 'robust':
      return encodeRobust(packet);
  }
}

/**
 * Finds packets in what a UART delivers, in pieces of any size and between bytes that are none. Keeps a bounded rest.
 */
export class PacketFinder {
  #rest: Uint8Array = new Uint8Array();

  /** @param known messages that may come; on a plain UART only these are taken for packets. */
  constructor(
    private readonly dialect: Dialect,
    private readonly framing: Framing,
    private readonly known: readonly MessageName[],
  ) {}

  /** Half a packet that was never finished: a target that resets leaves one. */
  reset(): void {
    this.#rest = new Uint8Array();
  }

  push(bytes: Uint8Array): readonly Uint8Array[] {
    const joined = new Uint8Array(this.#rest.length + bytes.length);
    joined.set(this.#rest);
    joined.set(bytes, this.#rest.length);
    const found: Uint8Array[] = [];
    let at = 0;
    while (at < joined.length) {
      const next = this.framing === 'robust' ? robustAt(joined, at) : this.#plainAt(joined, at);
      if (next === 'incomplete') break;
      if (next === undefined) {
        at += 1;
        continue;
      }
      found.push(next.packet);
      at += next.length;
    }
    this.#rest = joined.slice(at);
    return found;
  }

  /**
   * Nothing marks the begin of a plain packet, and a reset puts noise on the line: only headers that can be are
   * believed. Anything else costs one byte.
   */
  #plainAt(bytes: Uint8Array, at: number): { packet: Uint8Array; length: number } | 'incomplete' | undefined {
    const first = bytes[at]!;
    if ((first & 0x78) >> 3 !== this.dialect.deviceType || (first & 0x07) !== 0) return undefined;
    if (bytes.length - at < HEADER_BYTES) {
      const isEvent = (first & 0x80) !== 0;
      const possible = this.known.some(
        (name) =>
          name.isEvent === isEvent &&
          (at + 2 >= bytes.length || name.classId === bytes[at + 2]) &&
          (at + 3 >= bytes.length || name.id === bytes[at + 3]),
      );
      return possible ? 'incomplete' : undefined;
    }
    const length = HEADER_BYTES + bytes[at + 1]!;
    const isKnown = this.known.some(
      (name) => name.isEvent === ((first & 0x80) !== 0) && name.classId === bytes[at + 2] && name.id === bytes[at + 3],
    );
    if (!isKnown) return undefined;
    if (bytes.length - at < length) return 'incomplete';
    return { packet: bytes.slice(at, at + length), length };
  }
}

function robustAt(bytes: Uint8Array, at: number): { packet: Uint8Array; length: number } | 'incomplete' | undefined {
  if (bytes[at] !== PREAMBLE) return undefined;
  if (bytes.length - at < ROBUST_HEADER_BYTES) return 'incomplete';
  const low = bytes[at + 1]!;
  const second = bytes[at + 2]!;
  if (crc4([low >> 4, low & 0x0f, second >> 4, second & 0x0f]) !== 0) return undefined;
  const packetBytes = ((second >> 5) << 8) | low;
  const hasCrc = (second & 0x10) !== 0;
  const length = ROBUST_HEADER_BYTES + packetBytes + (hasCrc ? 1 : 0);
  if (packetBytes < HEADER_BYTES || packetBytes > MAX_PACKET_BYTES) return undefined;
  if (bytes.length - at < length) return 'incomplete';
  const packet = bytes.slice(at + ROBUST_HEADER_BYTES, at + ROBUST_HEADER_BYTES + packetBytes);
  // Four bits of check let noise through, and a frame without CRC-8 has no others: what is framed must be one packet.
  if (packetLength(packet) !== packetBytes) return undefined;
  if (hasCrc && crc8(packet) !== bytes[at + length - 1]) return undefined;
  return { packet, length };
}
