/**
 * One end of a BCSP link: establishment, order, acknowledgements, repetition. No clock and no line of its own: bytes go in
 * by `push`, bytes for the line come out of `takeOutput`, and whoever owns the clock calls `expire` when `timerMs` are over.
 *
 *     shy        SYNC every second; a SYNC RESP makes it curious
 *     curious    CONF every second; a CONF RESP makes it garrulous
 *     garrulous  everything may be said; a SYNC says that the other end was reset
 *
 * Both ends do so at the same time, each answering the other. Until an end is garrulous it says nothing else, and what it
 * hears on other channels is ignored. `ubcsp` is the small form: one packet under way, and any acknowledgement but that of
 * the packet itself counts as its delivery.
 *
 * Source: BlueZ, tools/ubcsp.c; Linux, drivers/bluetooth/hci_bcsp.c; NetBSD, sys/dev/bluetooth/bcsp.c.
 */
import { InvariantError, MalformedFrameError } from '../../errors.js';
import { SlipDecoder } from '../slip.js';
import { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from './link-messages.js';

import {
  BcspChannel,
  type BcspPacket,
  CRC_BYTES,
  decodeBcsp,
  encodeBcsp,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  SEQUENCE_NUMBERS,
} from './packet.js';

/** Between two SYNC, or two CONF. */
export const ESTABLISH_MS = 1_000;
/** From the last sending to its repetition. */
export const RETRANSMIT_MS = 250;
/** Repetitions of a packet before the link is taken for lost. */
export const MAX_REPEATS = 20;
export const DEFAULT_WINDOW = 4;
/** Packets that may wait for their turn; beyond it the user of the link has lost its mind. */
const MAX_QUEUE = 64;

export interface BcspOptions {
  /** `ubcsp`: window 1 and its rule for acknowledgements. Default `bcsp`. */
  readonly form?: 'bcsp' | 'ubcsp';
  /** Reliable packets under way, 1 to 7. Default 4; 1 for `ubcsp`. */
  readonly window?: number;
  /** Whether sent packets carry a CRC; both kinds are always accepted. Default true. */
  readonly crc?: boolean;
  /** Longest payload that is taken. Default 4095. */
  readonly maxPayloadBytes?: number;
}

export interface BcspDatagram {
  readonly channel: number;
  readonly isReliable: boolean;
  readonly bytes: Uint8Array;
}

export type BcspEvent =
  | { readonly kind: 'link-up' }
  /** The other end began anew: what was under way is lost. */
  | { readonly kind: 'peer-reset' }
  /** A packet was repeated in vain: what was under way is lost, and the link is established anew. */
  | { readonly kind: 'peer-lost' }
  | ({ readonly kind: 'datagram' } & BcspDatagram);

export type BcspState = 'shy' | 'curious' | 'garrulous';

export class BcspEngine {
  readonly #isSmall: boolean;
  readonly #window: number;
  readonly #crc: boolean;
  readonly #decoder: SlipDecoder;
  #state: BcspState = 'shy';
  /** Link messages and unreliable packets: they go first. */
  #urgent: { channel: number; payload: Uint8Array }[] = [];
  #queue: { channel: number; payload: Uint8Array }[] = [];
  #underWay: { sequence: number; channel: number; payload: Uint8Array }[] = [];
  #mustRepeat = false;
  #nextSequence = 0;
  #expected = 0;
  #mustAcknowledge = false;
  #repeats = 0;
  #timerStarts = 0;

  constructor(options: BcspOptions = {}) {
    this.#isSmall = options.form === 'ubcsp';
    this.#window = this.#isSmall ? 1 : (options.window ?? DEFAULT_WINDOW);
    if (!Number.isInteger(this.#window) || this.#window < 1 || this.#window >= SEQUENCE_NUMBERS) {
      throw new InvariantError(`a BCSP window of ${this.#window}`);
    }
    this.#crc = options.crc ?? true;
    this.#decoder = new SlipDecoder((options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES) + HEADER_BYTES + CRC_BYTES);
    this.restart();
  }

  get state(): BcspState {
    return this.#state;
  }

  /** Nothing waits to be sent or acknowledged. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#underWay.length === 0;
  }

  /** How long to wait for bytes before `expire`; undefined when nothing is waited for. */
  get timerMs(): number | undefined {
    if (this.#state !== 'garrulous') return ESTABLISH_MS;
    return this.#underWay.length > 0 ? RETRANSMIT_MS : undefined;
  }

  /** Changes whenever the timer has to be counted from the beginning. */
  get timerStarts(): number {
    return this.#timerStarts;
  }

  /** Forgets everything and begins to establish the link. */
  restart(): void {
    this.#decoder.reset();
    this.#reset();
    this.#say('sync');
  }

  /**
   * Queues a packet; reliable ones arrive in order, or `peer-reset` or `peer-lost` tells that they may not have.
   * @throws InvariantError for a payload that is too long, or a queue that nobody empties.
   */
  send(channel: number, payload: Uint8Array, isReliable = true): void {
    if (payload.length > MAX_PAYLOAD_BYTES) throw new InvariantError(`a BCSP payload of ${payload.length} bytes`);
    const to = isReliable ? this.#queue : this.#urgent;
    if (to.length >= MAX_QUEUE) throw new InvariantError('the BCSP queue is full');
    to.push({ channel, payload: payload.slice() });
  }

  /** @returns frames for the line, in order; empty when there is nothing to say. */
  takeOutput(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const urgent = this.#urgent;
    this.#urgent = [];
    for (const { channel, payload } of urgent) {
      if (channel !== BcspChannel.Link && this.#state !== 'garrulous') continue;
      frames.push(this.#frame({ sequence: 0, isReliable: false, channel, payload }));
    }
    if (this.#state !== 'garrulous') return frames;
    const again = this.#mustRepeat ? this.#underWay : [];
    const fresh: { sequence: number; channel: number; payload: Uint8Array }[] = [];
    while (this.#underWay.length + fresh.length < this.#window) {
      const next = this.#queue.shift();
      if (!next) break;
      fresh.push({ sequence: this.#nextSequence, ...next });
      this.#nextSequence = (this.#nextSequence + 1) % SEQUENCE_NUMBERS;
    }
    for (const packet of [...again, ...fresh]) frames.push(this.#frame({ ...packet, isReliable: true }));
    if (again.length + fresh.length > 0) {
      this.#mustAcknowledge = false;
      this.#timerStarts += 1;
    }
    this.#underWay = [...this.#underWay, ...fresh];
    this.#mustRepeat = false;
    if (this.#mustAcknowledge) {
      this.#mustAcknowledge = false;
      frames.push(
        this.#frame({ sequence: 0, isReliable: false, channel: BcspChannel.Acknowledge, payload: new Uint8Array() }),
      );
    }
    return frames;
  }

  /** Takes bytes from the line, however they are cut. Never throws on them. */
  push(bytes: Uint8Array): BcspEvent[] {
    const events: BcspEvent[] = [];
    for (const frame of this.#decoder.push(bytes)) {
      try {
        this.#take(decodeBcsp(frame), events);
      } catch (error) {
        if (!(error instanceof MalformedFrameError)) throw error;
        // Tells the other end where we are: what was damaged is sent again sooner.
        if (this.#state === 'garrulous') this.#mustAcknowledge = true;
      }
    }
    return events;
  }

  /** The time of `timerMs` is over, and nothing helped meanwhile. */
  expire(): BcspEvent[] {
    this.#timerStarts += 1;
    if (this.#state !== 'garrulous') {
      this.#say(this.#state === 'shy' ? 'sync' : 'conf');
      return [];
    }
    if (this.#underWay.length === 0) return [];
    this.#repeats += 1;
    if (this.#repeats > MAX_REPEATS) {
      this.restart();
      return [{ kind: 'peer-lost' }];
    }
    this.#mustRepeat = true;
    return [];
  }

  #reset(): void {
    this.#state = 'shy';
    this.#urgent = [];
    this.#queue = [];
    this.#underWay = [];
    this.#mustRepeat = false;
    this.#nextSequence = 0;
    this.#expected = 0;
    this.#mustAcknowledge = false;
    this.#repeats = 0;
    this.#timerStarts += 1;
  }

  #say(message: LinkMessage): void {
    // Noise must not make a pile of answers that nobody fetches.
    if (this.#urgent.length < MAX_QUEUE) {
      this.#urgent.push({ channel: BcspChannel.Link, payload: encodeLinkMessage(message) });
    }
  }

  #frame(packet: Omit<BcspPacket, 'acknowledge'>): Uint8Array {
    const acknowledge = this.#state === 'garrulous' ? this.#expected : 0;
    return encodeBcsp({ ...packet, acknowledge }, this.#crc);
  }

  #take(packet: BcspPacket, events: BcspEvent[]): void {
    if (packet.channel === BcspChannel.Link) {
      if (!packet.isReliable) this.#linkMessage(decodeLinkMessage(packet.payload), events);
      return;
    }
    if (this.#state !== 'garrulous') return;
    this.#acknowledged(packet.acknowledge);
    if (!packet.isReliable) {
      if (packet.channel !== BcspChannel.Acknowledge) {
        events.push({ kind: 'datagram', channel: packet.channel, isReliable: false, bytes: packet.payload.slice() });
      }
      return;
    }
    // Every reliable packet is acknowledged, also one that comes again: its acknowledgement may have been lost.
    this.#mustAcknowledge = true;
    if (packet.sequence !== this.#expected) return;
    this.#expected = (this.#expected + 1) % SEQUENCE_NUMBERS;
    events.push({ kind: 'datagram', channel: packet.channel, isReliable: true, bytes: packet.payload.slice() });
  }

  #acknowledged(number: number): void {
    const first = this.#underWay[0];
    if (!first) return;
    const distance = (number - first.sequence + SEQUENCE_NUMBERS) % SEQUENCE_NUMBERS;
    // Beyond what was sent: of another life of this link, or damaged without CRC.
    const count = this.#isSmall ? Math.min(distance, 1) : distance;
    if (count === 0 || count > this.#underWay.length) return;
    this.#underWay = this.#underWay.slice(count);
    this.#repeats = 0;
    this.#timerStarts += 1;
  }

  #linkMessage(message: LinkMessage | undefined, events: BcspEvent[]): void {
    switch (message) {
      case 'sync':
        if (this.#state === 'garrulous') {
          this.#reset();
          this.#say('sync');
          events.push({ kind: 'peer-reset' });
        }
        return this.#say('sync-response');
      case 'sync-response':
        if (this.#state !== 'shy') return;
        this.#state = 'curious';
        this.#timerStarts += 1;
        return this.#say('conf');
      case 'conf':
        if (this.#state !== 'shy') this.#say('conf-response');
        return;
      case 'conf-response':
        if (this.#state !== 'curious') return;
        this.#state = 'garrulous';
        this.#timerStarts += 1;
        events.push({ kind: 'link-up' });
        return;
      case undefined:
        return;
    }
  }
}
