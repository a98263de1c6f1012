/**
 * "SMP over console": messages as base64 lines between log text on a UART.
 *
 * A packet is `len(2, big-endian) | message | crc16(2, big-endian)`, `len` = message + 2, CRC-16/XMODEM over the
 * message alone. The packet is base64 encoded and cut into lines of at most 127 bytes: the first starts with
 * `06 09`, the others with `04 14`, all end with `0a`.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_transport.rst` and `subsys/mgmt/mcumgr/transport/src/serial_util.c`.
 */
import { decodeBase64, encodeBase64, isBase64Code } from './base64.js';
import { crc16Xmodem } from './crc16.js';

const FIRST = [0x06, 0x09] as const;
const NEXT = [0x04, 0x14] as const;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Base64 characters of a full line: 127 bytes less marker and line feed, whole groups of four. */
export const CONSOLE_LINE_CHARACTERS = 124;
/** Bytes that length and CRC add to a message inside the target's buffer. */
export const CONSOLE_PACKET_OVERHEAD = 4;
/** The longest message whose length still fits the two length bytes. */
export const CONSOLE_MAX_MESSAGE_BYTES = 0xffff - 2;
/** A receiver that sees a longer line takes it for noise. Senders of this framing stop at 124. */
const MAX_LINE_CHARACTERS = 1024;

/**
 * @param message a whole SMP message, at most `CONSOLE_MAX_MESSAGE_BYTES`.
 * @returns the bytes for the wire, all lines together.
 * @throws RangeError when the message is too long for the two length bytes.
 */
export function encodeConsolePacket(message: Uint8Array): Uint8Array {
  if (message.length > CONSOLE_MAX_MESSAGE_BYTES) throw new RangeError(`message of ${message.length} bytes`);
  const packet = new Uint8Array(message.length + 4);
  const view = new DataView(packet.buffer);
  view.setUint16(0, message.length + 2);
  packet.set(message, 2);
  view.setUint16(message.length + 2, crc16Xmodem(message));

  const text = encodeBase64(packet);
  const lines = Math.ceil(text.length / CONSOLE_LINE_CHARACTERS);
  const wire = new Uint8Array(text.length + 3 * lines);
  let at = 0;
  for (let line = 0; line < lines; line++) {
    const part = text.subarray(line * CONSOLE_LINE_CHARACTERS, (line + 1) * CONSOLE_LINE_CHARACTERS);
    wire.set(line === 0 ? FIRST : NEXT, at);
    wire.set(part, at + 2);
    at += part.length + 2;
    wire[at++] = LINE_FEED;
  }
  return wire;
}

/** What came out of the stream: a whole message, or the trace of one that was damaged on the way. */
export type ConsoleEvent =
  { readonly kind: 'message'; readonly bytes: Uint8Array } | { readonly kind: 'damaged'; readonly detail: string };

/**
 * Finds packets in a stream that also carries log text, in pieces of any size.
 * Holds at most one line and one packet; never throws.
 */
export class ConsoleAssembler {
  #marker = 0;
  #line: number[] | undefined;
  #lineIsFirst = false;
  #packet: Uint8Array | undefined;
  #filled = 0;

  push(bytes: Uint8Array): ConsoleEvent[] {
    const events: ConsoleEvent[] = [];
    for (const byte of bytes) this.#byte(byte, events);
    return events;
  }

  /** Forgets what was begun: after a reconnect, or when its rest cannot come any more. */
  clear(): void {
    this.#marker = 0;
    this.#line = undefined;
    this.#packet = undefined;
  }

  #byte(byte: number, events: ConsoleEvent[]): void {
    if ((this.#marker === FIRST[0] && byte === FIRST[1]) || (this.#marker === NEXT[0] && byte === NEXT[1])) {
      this.#lineIsFirst = byte === FIRST[1];
      this.#line = [];
      this.#marker = 0;
      return;
    }
    this.#marker = byte === FIRST[0] || byte === NEXT[0] ? byte : 0;
    const line = this.#line;
    if (!line || byte === CARRIAGE_RETURN) return;
    if (byte === LINE_FEED) {
      this.#line = undefined;
      this.#endLine(Uint8Array.from(line), events);
    } else if (isBase64Code(byte) && line.length < MAX_LINE_CHARACTERS) {
      line.push(byte);
    } else {
      this.#drop('a line with foreign characters', events);
    }
  }

  #drop(detail: string, events: ConsoleEvent[]): void {
    this.#line = undefined;
    this.#packet = undefined;
    events.push({ kind: 'damaged', detail });
  }

  #endLine(text: Uint8Array, events: ConsoleEvent[]): void {
    if (!this.#lineIsFirst && !this.#packet) {
      events.push({ kind: 'damaged', detail: 'the rest of a packet whose start was lost' });
      return;
    }
    if (this.#lineIsFirst && this.#packet) events.push({ kind: 'damaged', detail: 'a packet without its end' });
    this.#packet = this.#lineIsFirst ? undefined : this.#packet;
    const part = decodeBase64(text);
    if (!part) return this.#drop('a line that is no base64', events);
    if (this.#lineIsFirst) {
      const length = ((part[0] ?? 0) << 8) | (part[1] ?? 0);
      if (part.length < 2 || length < 2) return this.#drop('a packet without length', events);
      this.#packet = new Uint8Array(length + 2);
      this.#filled = 0;
    }
    const packet = this.#packet;
    if (!packet) return;
    if (this.#filled + part.length > packet.length) return this.#drop('more bytes than announced', events);
    packet.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled < packet.length) return;
    this.#packet = undefined;
    const content = packet.subarray(2);
    if (crc16Xmodem(content) !== 0) return this.#drop('a packet with a wrong CRC', events);
    events.push({ kind: 'message', bytes: content.slice(0, -2) });
  }
}
