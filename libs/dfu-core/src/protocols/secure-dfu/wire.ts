/**
 * The two ways to a bootloader: control point and packet characteristic over BLE, or both as SLIP frames on one serial
 * line. What is said is the same.
 *
 * Sources: nRF5 SDK 17, nrf_dfu_ble.c and nrf_dfu_serial.c (usable payload of a frame: `(mtu - 1) / 2` with the opcode);
 * pc-nrfutil, dfu_transport_serial.py.
 */
import { LinkError } from '../../errors.js';
import { type Channel, type LinkInfo, SERIAL_CHANNEL, type Session } from '../../session/session.js';
import { encodeWriteObject } from './codec.js';
import { CONTROL_POINT, PACKET } from './messages.js';
import { encodeSlip, SlipDecoder } from '../../framing/slip.js';

/** Packets of more than this would not fit the 247-byte MTU, the largest that bootloaders agree to over BLE. */
const MAX_BLE_PACKET_BYTES = 244;
/** Attribute limit of ATT_MTU 23, the smallest link. */
const MIN_BLE_PACKET_BYTES = 20;
/** The smallest that leaves a word of payload, and one that no bootloader reaches. */
const MIN_SERIAL_MTU = 13;
const MAX_SERIAL_MTU = 16 * 1024 + 1;
/** No answer is longer; room for what two merged ones look like. */
const MAX_ANSWER_BYTES = 64;
/** Pieces of a line that may arrive without completing a frame: more is noise. */
const MAX_PIECES = 256;

/** What a wire needs of the conversation. */
export interface Talk {
  send(channel: Channel, bytes: Uint8Array, acknowledged: boolean): Session<void>;
  receive(channel: Channel, withinMs: number): Session<Uint8Array | undefined>;
  /** How long the last `receive` took, where something came. */
  readonly waitedMs: number;
}

export interface Wire {
  /** One request. */
  request(bytes: Uint8Array): Session<void>;
  /** Bytes of the present object, cut into packets of `packetBytes`. */
  packets(bytes: Uint8Array, packetBytes: number): Session<void>;
  /** The next answer; undefined when none came in time. */
  answer(withinMs: number): Session<Uint8Array | undefined>;
  /**
   * Longest packet, a multiple of 4 because flash is written in words.
   * @param limit what the caller allows for one write.
   */
  packetBytes(limit: number): number;
}

export function wireOf(link: LinkInfo, talk: Talk, mtu: () => number): Wire {
  return link.kind === 'serial' ? new SerialWire(link, talk, mtu) : new BleWire(link, talk);
}

const words = (bytes: number): number => bytes - (bytes % 4);

class BleWire implements Wire {
  constructor(
    private readonly link: LinkInfo,
    private readonly talk: Talk,
  ) {}

  *request(bytes: Uint8Array): Session<void> {
    yield* this.talk.send(CONTROL_POINT, bytes, true);
  }

  *packets(bytes: Uint8Array, packetBytes: number): Session<void> {
    for (let at = 0; at < bytes.length; at += packetBytes) {
      yield* this.talk.send(PACKET, bytes.subarray(at, at + packetBytes), false);
    }
  }

  *answer(withinMs: number): Session<Uint8Array | undefined> {
    return yield* this.talk.receive(CONTROL_POINT, withinMs);
  }

  packetBytes(limit: number): number {
    const usable = Math.min(this.link.maxWriteBytes, limit, MAX_BLE_PACKET_BYTES);
    return words(Math.max(MIN_BLE_PACKET_BYTES, usable));
  }
}

class SerialWire implements Wire {
  readonly #decoder = new SlipDecoder(MAX_ANSWER_BYTES);
  readonly #answers: Uint8Array[] = [];

  constructor(
    private readonly link: LinkInfo,
    private readonly talk: Talk,
    private readonly mtu: () => number,
  ) {}

  *request(bytes: Uint8Array): Session<void> {
    yield* this.talk.send(SERIAL_CHANNEL, encodeSlip(bytes), false);
  }

  /** Frames share a write as far as one write goes: each costs a turn through the system. */
  *packets(bytes: Uint8Array, packetBytes: number): Session<void> {
    let frames: Uint8Array[] = [];
    let size = 0;
    for (let at = 0; at < bytes.length; at += packetBytes) {
      const frame = encodeSlip(encodeWriteObject(bytes.subarray(at, at + packetBytes)));
      if (size > 0 && size + frame.length > this.link.maxWriteBytes) {
        yield* this.talk.send(SERIAL_CHANNEL, joined(frames, size), false);
        frames = [];
        size = 0;
      }
      frames.push(frame);
      size += frame.length;
    }
    if (size > 0) yield* this.talk.send(SERIAL_CHANNEL, joined(frames, size), false);
  }

  *answer(withinMs: number): Session<Uint8Array | undefined> {
    let leftMs = withinMs;
    for (let pieces = 0; pieces < MAX_PIECES; pieces++) {
      const ready = this.#answers.shift();
      if (ready) return ready;
      if (leftMs <= 0) return undefined;
      const bytes = yield* this.talk.receive(SERIAL_CHANNEL, leftMs);
      if (!bytes) return undefined;
      leftMs -= this.talk.waitedMs;
      this.#answers.push(...this.#decoder.push(bytes));
    }
    throw new LinkError('link.corrupt', { detail: `${MAX_PIECES} pieces of the line, and no frame among them` });
  }

  packetBytes(limit: number): number {
    const mtu = Math.min(Math.max(this.mtu(), MIN_SERIAL_MTU), MAX_SERIAL_MTU);
    return Math.max(4, words(Math.min(Math.floor((mtu - 1) / 2) - 1, limit)));
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const result = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
