/**
 * Encryption and pairing of live connections, beneath noble: its own pairing is kept from it (see `hci-tap.ts`).
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 7.8.24 (LE Enable Encryption), 7.7.8 (Encryption Change); Vol 3 Part H.
 */
import { LinkError } from '@drydock/dfu-core';
import { realClock, sleep, type Clock } from '../../clock.js';
import { describeReason } from './hci-wire.js';
import type { Bond } from './pairing/bond.js';
import type { PairingParties } from './pairing/legacy-functions.js';
import { pair, type PairingResult, type PairingWish } from './pairing/pair.js';
import { pairingFailed } from './pairing/pairing-errors.js';
import type { TappedConnection } from './tapped-connection.js';

const ENCRYPT_WITHIN_MS = 6_000;
/** Twice as long as a person may take for one answer, and some. */
const PAIR_WITHIN_MS = 90_000;
/** A device does not send more at once; what it says without being asked is not kept for ever. */
const MAX_WAITING = 16;

/** What it needs of the tap. */
export interface SecurityPort {
  /** Sends LE Enable Encryption. */
  enableEncryption(handle: number, rand: Uint8Array, ediv: number, key: Uint8Array): void;
  /** Sends one message on the security channel. */
  sendSecurity(connection: TappedConnection, message: Buffer): void;
  /** Both addresses of a connection; undefined while our own is not known. */
  parties(connection: TappedConnection): PairingParties | undefined;
}

/** The device does not know the key that it is asked for (Vol 1 Part F, 2.6). */
const KEY_MISSING = 0x06;
/** How a link ends whose sides have different keys (2.61). */
const INTEGRITY_CHECK_FAILED = 0x3d;

interface Conversation {
  readonly messages: Buffer[];
  /** Its connection has ended with that reason; the handle may already belong to another one. */
  ended: number | undefined;
  readonly over: AbortController;
  wake: (() => void) | undefined;
  encryption: ((status: number) => void) | undefined;
}

export class ConnectionSecurity {
  readonly #conversations = new Map<number, Conversation>();

  constructor(
    private readonly port: SecurityPort,
    private readonly clock: Clock = realClock,
  ) {}

  /**
   * Encrypts with a key that both sides keep.
   * @throws LinkError `link.bond-lost` when the device has no such key (then the link is still up) or another one,
   *   `link.security-level` when it does not encrypt at all, `link.timeout`, `link.lost`.
   */
  async encrypt(connection: TappedConnection, { ltk, ediv, rand }: Pick<Bond, 'ltk' | 'ediv' | 'rand'>): Promise<void> {
    const status = await this.#encryptionOf(connection, ltk, ediv, rand);
    if (status === 0) return;
    if (status === KEY_MISSING) throw new LinkError('link.bond-lost', { detail: describeReason(status) });
    throw new LinkError('link.security-level', {
      expected: 'encrypted',
      actual: 'unencrypted',
      detail: `the device refuses encryption: ${describeReason(status)}`,
    });
  }

  /**
   * Pairs and encrypts. @returns what is to be kept. @throws LinkError as `pair`.
   * @param withinMs for all of it: a device may take its time for each message, and there are many.
   */
  async pair(connection: TappedConnection, wish: PairingWish, withinMs = PAIR_WITHIN_MS): Promise<PairingResult> {
    const deadline = this.clock.monotonicMs() + Math.min(withinMs, PAIR_WITHIN_MS);
    const left = (mostMs: number): number => Math.max(1, Math.min(mostMs, deadline - this.clock.monotonicMs()));
    const conversation = this.#conversationOf(connection);
    const parties = this.port.parties(connection);
    if (!parties) throw pairingFailed('the adapter does not tell its own address');
    conversation.messages.length = 0;
    return pair(
      {
        parties,
        send: (message) => this.port.sendSecurity(connection, message),
        receive: (mostMs) => this.#receive(conversation, left(mostMs)),
        ask: (mostMs, question) => this.#ask(conversation, left(mostMs), question),
        encrypt: async (ltk, ediv, rand) => {
          // Keys that came before the link was encrypted could be anybody's.
          conversation.messages.length = 0;
          const status = await this.#encryptionOf(connection, ltk, ediv, rand);
          if (status !== 0) throw pairingFailed(`the device does not take the new key: ${describeReason(status)}`);
        },
      },
      wish,
    );
  }

  /** A message of the security channel. Kept only while somebody converses: no device pairs by itself. */
  received(handle: number, message: Buffer): void {
    const conversation = this.#conversations.get(handle);
    if (!conversation || conversation.messages.length >= MAX_WAITING) return;
    conversation.messages.push(Buffer.from(message));
    conversation.wake?.();
  }

  /** Encryption Change. */
  changed(handle: number, status: number): void {
    this.#conversations.get(handle)?.encryption?.(status);
  }

  /** The connection is over. @param reason as the controller names it. */
  ended(handle: number, reason: number): void {
    const conversation = this.#conversations.get(handle);
    if (!conversation) return;
    this.#conversations.delete(handle);
    conversation.ended = reason;
    conversation.over.abort();
    conversation.encryption?.(Number.NaN);
    conversation.wake?.();
  }

  /** @returns the status of Encryption Change: 0 when the link is encrypted now. */
  async #encryptionOf(connection: TappedConnection, ltk: Uint8Array, ediv: number, rand: Uint8Array): Promise<number> {
    const conversation = this.#conversationOf(connection);
    try {
      const status = await this.#bounded<number>(ENCRYPT_WITHIN_MS, 'the device does not encrypt', (resolve) => {
        conversation.encryption = resolve;
        this.port.enableEncryption(connection.handle, rand, ediv, ltk);
      });
      if (!Number.isNaN(status)) return status;
      if (conversation.ended === INTEGRITY_CHECK_FAILED) {
        throw new LinkError('link.bond-lost', { detail: 'it has another key than this gateway' });
      }
      throw new LinkError('link.lost', { detail: 'while it was being encrypted' });
    } finally {
      conversation.encryption = undefined;
    }
  }

  #conversationOf({ handle, isOver }: TappedConnection): Conversation {
    if (isOver) throw new LinkError('link.lost', { detail: 'before it was encrypted' });
    const known = this.#conversations.get(handle);
    if (known) return known;
    const fresh: Conversation = {
      messages: [],
      ended: undefined,
      over: new AbortController(),
      wake: undefined,
      encryption: undefined,
    };
    this.#conversations.set(handle, fresh);
    return fresh;
  }

  async #receive(conversation: Conversation, withinMs: number): Promise<Buffer> {
    try {
      if (conversation.messages.length === 0 && conversation.ended === undefined) {
        await this.#bounded<void>(withinMs, 'the device does not go on pairing', (resolve) => {
          conversation.wake = resolve;
        });
      }
    } finally {
      conversation.wake = undefined;
    }
    // What it said before it left still counts: it may say why.
    const message = conversation.messages.shift();
    if (!message) throw new LinkError('link.lost', { detail: 'while pairing' });
    return message;
  }

  async #ask<T>({ over }: Conversation, withinMs: number, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const done = new AbortController();
    const signal = AbortSignal.any([over.signal, done.signal]);
    try {
      return await this.#bounded<T>(withinMs, 'nobody answered what the pairing asks', (resolve, reject) => {
        const lost = (): void => reject(new LinkError('link.lost', { detail: 'while somebody was asked' }));
        signal.addEventListener('abort', lost, { once: true });
        if (signal.aborted) return lost();
        question(signal).then(resolve, reject);
      });
    } finally {
      done.abort();
    }
  }

  async #bounded<T>(
    withinMs: number,
    detail: string,
    work: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    const over = new AbortController();
    const timeout = sleep(this.clock, withinMs, over.signal).then((): Promise<never> => {
      if (over.signal.aborted) return new Promise<never>(() => undefined);
      throw new LinkError('link.timeout', { withinMs, detail });
    });
    try {
      return await Promise.race([timeout, new Promise<T>(work)]);
    } finally {
      over.abort();
    }
  }
}
