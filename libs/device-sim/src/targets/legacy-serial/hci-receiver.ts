/**
 * The receiving end of the HCI transport: SLIP, header, CRC, sequence number. What fails a check is dropped without a word.
 *
 * Source: nRF5 SDK 11 `hci_slip.c`, `hci_transport.c`; RFC 1055.
 */
import { crc16CcittFalse } from '../checksums.js';

const END = 0xc0;
const MAX_FRAME_BYTES = 600;
const VENDOR = 14;
const HEADER_BYTES = 4;
const CRC_BYTES = 2;

export interface HciSink {
  /** @returns whether there was room for it; without, the packet was never here. */
  take(payload: Uint8Array): boolean;
  /** A raw frame, after the line and before its checks: faults. @returns it, or undefined when it is lost. */
  fault(frame: Uint8Array): Uint8Array | undefined;
  acknowledge(bytes: Uint8Array): void;
}

/** The four bytes of an acknowledgement, within their ENDs. */
export function acknowledgement(expected: number): Uint8Array {
  const first = expected << 3;
  const header = [first, 0, 0, -first & 0xff].flatMap((byte) =>
    byte === END ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte],
  );
  return Uint8Array.from([END, ...header, END]);
}

export class HciReceiver {
  readonly #sink: HciSink;
  #expected = 1;
  #raw: number[] = [];

  constructor(sink: HciSink) {
    this.#sink = sink;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== END) {
        if (this.#raw.length <= 2 * MAX_FRAME_BYTES) this.#raw.push(byte);
        continue;
      }
      const raw = this.#raw;
      this.#raw = [];
      if (raw.length === 0) continue;
      const frame = this.#sink.fault(Uint8Array.from(raw));
      const packet = frame && unescape(frame);
      if (packet) this.#packet(packet);
    }
  }

  /** Bytes were lost: what is under way is no frame any more. */
  spoil(): void {
    this.#raw.push(0xdb, 0x00);
  }

  #packet(packet: Uint8Array): void {
    if (packet.length <= HEADER_BYTES + CRC_BYTES || packet.length > MAX_FRAME_BYTES) return;
    const [first = 0, second = 0, third = 0, check = 0] = packet;
    if ((first & 0x40) === 0 || (first & 0x80) === 0 || (second & 0x0f) !== VENDOR) return;
    if (((first + second + third + check) & 0xff) !== 0) return;
    const body = packet.subarray(0, packet.length - CRC_BYTES);
    const crc = (packet[packet.length - 2] ?? 0) | ((packet[packet.length - 1] ?? 0) << 8);
    if (crc !== crc16CcittFalse(body)) return;
    if ((first & 7) === this.#expected) {
      if (!this.#sink.take(body.slice(HEADER_BYTES))) return;
      this.#expected = (this.#expected + 1) & 7;
    }
    this.#sink.acknowledge(acknowledgement(this.#expected));
  }
}

function unescape(frame: Uint8Array): Uint8Array | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < frame.length; at++) {
    const byte = frame[at] ?? 0;
    if (byte !== 0xdb) {
      bytes.push(byte);
      continue;
    }
    at += 1;
    const next = frame[at];
    if (next === 0xdc) bytes.push(0xc0);
    else if (next === 0xdd) bytes.push(0xdb);
    else return undefined;
  }
  return Uint8Array.from(bytes);
}
