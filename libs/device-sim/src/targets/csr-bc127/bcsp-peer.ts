/**
 * The module's end of BCSP: written from the public descriptions of the protocol, apart from the host's.
 *
 * Source: BlueZ, tools/ubcsp.c, tools/hciattach.c; NetBSD, sys/dev/bluetooth/bcsp.c.
 */
import type { Cancel } from '../../target.js';

const LINK = {
  sync: 'dadceded',
  syncResponse: 'acafefee',
  conf: 'adefaced',
  confResponse: 'deadd0d0',
} as const;
const RESEND_MS = 250;
const MAX_FRAME = 4200;

export interface BcspPeerOptions {
  readonly syncMs: number;
  readonly crc: boolean;
  readonly window: number;
  after(ms: number, fn: () => void): Cancel;
  /** Bytes for the line: a whole frame. */
  transmit(frame: Uint8Array): void;
  /** A frame as it came, escapes and all, without its ENDs. @returns it, or undefined when it is lost. */
  fault(frame: Uint8Array): Uint8Array | undefined;
  received(channel: number, payload: Uint8Array): void;
}

interface Outgoing {
  readonly number: number;
  readonly channel: number;
  readonly payload: Uint8Array;
}

/** Bit by bit, as the documents write it; the host's is a table. */
export function peerCrc(bytes: readonly number[]): readonly [number, number] {
  let crc = 0xffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const mix = ((byte >> bit) ^ crc) & 1;
      crc >>= 1;
      if (mix) crc ^= 0x8408;
    }
  }
  let out = 0;
  for (let bit = 0; bit < 16; bit++) out = (out << 1) | ((crc >> bit) & 1);
  return [out >> 8, out & 0xff];
}

export class BcspPeer {
  readonly #options: BcspPeerOptions;
  #mode: 'shy' | 'curious' | 'garrulous' = 'shy';
  #raw: number[] = [];
  #expects = 0;
  #next = 0;
  #waiting: Outgoing[] = [];
  #sent: Outgoing[] = [];
  #timer: Cancel | undefined;
  #ackTimer: Cancel | undefined;

  constructor(options: BcspPeerOptions) {
    this.#options = options;
    this.#beShy();
  }

  get isUp(): boolean {
    return this.#mode === 'garrulous';
  }

  send(channel: number, payload: Uint8Array): void {
    this.#waiting.push({ number: this.#next, channel, payload });
    this.#next = (this.#next + 1) & 7;
    this.#go();
  }

  /** Ends with the firmware that it belongs to. */
  stop(): void {
    this.#timer?.();
    this.#ackTimer?.();
  }

  push(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== 0xc0) {
        if (this.#raw.length <= 2 * MAX_FRAME) this.#raw.push(byte);
        continue;
      }
      const raw = Uint8Array.from(this.#raw);
      this.#raw = [];
      if (raw.length === 0) continue;
      const frame = this.#options.fault(raw);
      if (frame) this.#frame(frame);
    }
  }

  #beShy(): void {
    this.#timer?.();
    this.#mode = 'shy';
    this.#waiting = [];
    this.#sent = [];
    this.#next = 0;
    this.#expects = 0;
    this.#repeat('shy', LINK.sync);
  }

  #repeat(mode: 'shy' | 'curious', message: string): void {
    this.#link(message);
    this.#timer = this.#options.after(this.#options.syncMs, () => {
      if (this.#mode === mode) this.#repeat(mode, message);
    });
  }

  #link(hex: string): void {
    this.#write(0, 1, false, Uint8Array.from(Buffer.from(hex, 'hex')));
  }

  #write(number: number, channel: number, isReliable: boolean, payload: Uint8Array): void {
    const flags = number | (this.#expects << 3) | (this.#options.crc ? 0x40 : 0) | (isReliable ? 0x80 : 0);
    const second = channel | ((payload.length % 16) << 4);
    const third = Math.floor(payload.length / 16);
    const packet = [flags, second, third, 255 - ((flags + second + third) % 256), ...payload];
    if (this.#options.crc) packet.push(...peerCrc(packet));
    const line = packet.flatMap((byte) => (byte === 0xc0 ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte]));
    this.#options.transmit(Uint8Array.from([0xc0, ...line, 0xc0]));
  }

  #go(): void {
    if (this.#mode !== 'garrulous') return;
    let isNew = false;
    while (this.#waiting.length > 0 && this.#sent.length < this.#options.window) {
      const packet = this.#waiting.shift();
      if (!packet) break;
      this.#sent.push(packet);
      this.#write(packet.number, packet.channel, true, packet.payload);
      isNew = true;
    }
    if (isNew) this.#arm();
  }

  #arm(): void {
    this.#timer?.();
    this.#timer = undefined;
    if (this.#sent.length === 0) return;
    this.#timer = this.#options.after(RESEND_MS, () => {
      for (const packet of this.#sent) this.#write(packet.number, packet.channel, true, packet.payload);
      this.#arm();
    });
  }

  #acknowledge(): void {
    this.#ackTimer ??= this.#options.after(0, () => {
      this.#ackTimer = undefined;
      this.#write(0, 0, false, new Uint8Array());
    });
  }

  #frame(raw: Uint8Array): void {
    const bytes: number[] = [];
    for (let at = 0; at < raw.length; at++) {
      const byte = raw[at] ?? 0;
      if (byte === 0xdb) {
        at += 1;
        const escaped = { 0xdc: 0xc0, 0xdd: 0xdb }[raw[at] ?? 0];
        if (escaped === undefined) return this.#damaged();
        bytes.push(escaped);
      } else bytes.push(byte);
    }
    const [flags = 0, second = 0, third = 0, sum = 0] = bytes;
    const length = third * 16 + (second >> 4);
    const hasCrc = (flags & 0x40) > 0;
    if (bytes.length !== 4 + length + (hasCrc ? 2 : 0) || (flags + second + third + sum) % 256 !== 255) {
      return this.#damaged();
    }
    if (hasCrc) {
      const [high, low] = peerCrc(bytes.slice(0, -2));
      if (bytes.at(-2) !== high || bytes.at(-1) !== low) return this.#damaged();
    }
    this.#packet(flags, second & 15, Uint8Array.from(bytes.slice(4, 4 + length)));
  }

  #damaged(): void {
    if (this.#mode === 'garrulous') this.#acknowledge();
  }

  #packet(flags: number, channel: number, payload: Uint8Array): void {
    if (channel === 1) return this.#linkMessage(Buffer.from(payload).toString('hex'));
    if (this.#mode !== 'garrulous') return;
    const acknowledged = (flags >> 3) & 7;
    const count = this.#sent.findIndex((packet) => ((packet.number + 1) & 7) === acknowledged) + 1;
    if (count > 0) {
      this.#sent = this.#sent.slice(count);
      this.#arm();
      this.#go();
    }
    if ((flags & 0x80) === 0) return;
    const isExpected = (flags & 7) === this.#expects;
    if (isExpected) this.#expects = (this.#expects + 1) & 7;
    this.#acknowledge();
    if (isExpected) this.#options.received(channel, payload);
  }

  #linkMessage(hex: string): void {
    switch (hex) {
      case LINK.sync:
        if (this.#mode === 'garrulous') this.#beShy();
        else this.#link(LINK.syncResponse);
        return;
      case LINK.syncResponse:
        if (this.#mode !== 'shy') return;
        this.#timer?.();
        this.#mode = 'curious';
        return this.#repeat('curious', LINK.conf);
      case LINK.conf:
        if (this.#mode !== 'shy') this.#link(LINK.confResponse);
        return;
      case LINK.confResponse:
        if (this.#mode !== 'curious') return;
        this.#timer?.();
        this.#timer = undefined;
        this.#mode = 'garrulous';
        return this.#go();
    }
  }
}
