/**
 * SMP over console, device side: lines of base64 with markers, length and CRC.
 *
 * Source: zephyr `doc/services/device_mgmt/smp_transport.rst`,
 * `subsys/mgmt/mcumgr/transport/src/serial_util.c`.
 */
import { crc16Xmodem } from '../checksums.js';

const FIRST = [0x06, 0x09] as const;
const NEXT = [0x04, 0x14] as const;
const LINE_BYTES = 127;
const BASE64_PER_LINE = LINE_BYTES - 3;
const NEWLINE = 0x0a;
const LONGEST_LINE = 512;

/** @param crcOnExtraLine as Zephyr's sender may do it: last byte and CRC on a line of their own. */
export function encodeConsoleLines(message: Uint8Array, crcOnExtraLine: boolean): Uint8Array[] {
  const crc = crc16Xmodem(message);
  const length = message.length + 2;
  const packet = Uint8Array.from([length >>> 8, length & 0xff, ...message, crc >>> 8, crc & 0xff]);
  const rawPerLine = (BASE64_PER_LINE / 4) * 3;
  const pieces: Uint8Array[] = [];
  const cutAt = crcOnExtraLine ? Math.max(0, Math.floor((packet.length - 3) / 3) * 3) : packet.length;
  for (let at = 0; at < cutAt; at += rawPerLine) pieces.push(packet.subarray(at, Math.min(cutAt, at + rawPerLine)));
  if (cutAt < packet.length) pieces.push(packet.subarray(cutAt));
  return pieces.map((piece, index) => {
    const marker = index === 0 ? FIRST : NEXT;
    const text = Buffer.from(piece).toString('base64');
    return Uint8Array.from([...marker, ...Buffer.from(text, 'latin1'), NEWLINE]);
  });
}

/** Collects lines; gives complete messages. Everything wrong is dropped in silence. */
export class ConsoleReceiver {
  readonly #deliver: (message: Uint8Array) => void;
  readonly #filter: (line: Uint8Array) => Uint8Array | undefined;
  readonly #maxMessageBytes: number;
  #line: number[] = [];
  #packet: number[] | undefined;
  #total = 0;

  /** @param filter sees each whole line before it is read: faults. */
  constructor(
    maxMessageBytes: number,
    filter: (line: Uint8Array) => Uint8Array | undefined,
    deliver: (message: Uint8Array) => void,
  ) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#filter = filter;
    this.#deliver = deliver;
  }

  reset(): void {
    this.#line = [];
    this.#packet = undefined;
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== NEWLINE) {
        if (this.#line.length < LONGEST_LINE) this.#line.push(byte);
        continue;
      }
      const line = this.#filter(Uint8Array.from(this.#line));
      this.#line = [];
      if (line) this.#takeLine(line);
    }
  }

  #takeLine(line: Uint8Array): void {
    const end = line[line.length - 1] === 0x0d ? line.length - 1 : line.length;
    const at = findMarker(line);
    if (at < 0) return;
    const isFirst = line[at] === FIRST[0];
    if (isFirst) this.#packet = undefined;
    else if (!this.#packet) return;
    if (end - at > LINE_BYTES) return this.#drop();
    const text = Buffer.from(line.subarray(at + 2, end)).toString('latin1');
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return this.#drop();
    const raw = Buffer.from(text, 'base64');
    if (isFirst) {
      if (raw.length < 2) return this.#drop();
      this.#total = raw.readUInt16BE(0);
      if (this.#total < 2 || this.#total - 2 > this.#maxMessageBytes) return this.#drop();
      this.#packet = [...raw.subarray(2)];
    } else this.#packet?.push(...raw);
    const packet = this.#packet;
    if (!packet || packet.length < this.#total) return;
    this.#packet = undefined;
    if (packet.length > this.#total || crc16Xmodem(Uint8Array.from(packet)) !== 0) return;
    this.#deliver(Uint8Array.from(packet.slice(0, -2)));
  }

  #drop(): void {
    this.#packet = undefined;
  }
}

function findMarker(line: Uint8Array): number {
  for (let at = 0; at + 1 < line.length; at++) {
    if (line[at] === FIRST[0] && line[at + 1] === FIRST[1]) return at;
    if (line[at] === NEXT[0] && line[at + 1] === NEXT[1]) return at;
  }
  return -1;
}
