/**
 * Encryption and pairing of live connections, beneath noble: its own pairing is kept from it (see `hci-tap.ts`).
 *
 * Source: Bluetooth Core 5.2, Vol 4 Part E, 7.8.24 (LE Enable Encryption), 7.7.8 (Encryption Change); Vol 3 Part H.
 */
import { LinkError } from '@drydock/dfu-core';
import { realClock, sleep, type Clock } from '../../clock.js';
import type { Bond } from './bond-store.js';
import { describeReason } from './hci-wire.js';
import { pairByJustWorks } from './pairing.js';
import type { PairingParties } from './pairing-functions.js';
import type { TappedConnection } from './tapped-connection.js';

const ENCRYPT_WITHIN_MS = 6_000;
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

interface Conversation {
  readonly messages: Buffer[];
  wake: (() => void) | undefined;
  encryption: ((status: number) => void) | undefined;
}

export class ConnectionSecurity {
  readonly #conversations = new Map<number, Conversation>();

  constructor(
    private readonly port: SecurityPort,
    private readonly clock: Clock = realClock,
  ) {}

  /** Encrypts with a key that both sides keep. @throws LinkError `link.auth-required` when the device has forgotten it. */
  async encrypt(connection: TappedConnection, { ltk, ediv, rand }: Bond): Promise<void> {
    const conversation = this.#conversationOf(connection.handle);
    const status = await this.#bounded(ENCRYPT_WITHIN_MS, 'the device does not encrypt', (resolve) => {
      conversation.encryption = resolve;
      this.port.enableEncryption(connection.handle, rand, ediv, ltk);
    });
    conversation.encryption = undefined;
    if (status === undefined) throw new LinkError('link.lost', { detail: 'while it was being encrypted' });
    if (status !== 0) {
      throw new LinkError('link.auth-required', {
        channel: `the link (it does not know the bond any more: ${describeReason(status)})`,
      });
    }
  }

  /** Pairs and encrypts. @returns what is to be kept. @throws LinkError as `pairByJustWorks`. */
  async pair(connection: TappedConnection): Promise<Bond> {
    const conversation = this.#conversationOf(connection.handle);
    const parties = this.port.parties(connection);
    if (!parties) {
      throw new LinkError('link.auth-required', { channel: 'pairing (the adapter does not tell its own address)' });
    }
    conversation.messages.length = 0;
    return pairByJustWorks({
      parties,
      send: (message) => this.port.sendSecurity(connection, message),
      receive: (withinMs) => this.#receive(conversation, withinMs),
      encrypt: (ltk, ediv, rand) => this.encrypt(connection, { ltk, ediv, rand }),
    });
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

  /** The connection is over. */
  ended(handle: number): void {
    const conversation = this.#conversations.get(handle);
    this.#conversations.delete(handle);
    conversation?.encryption?.(Number.NaN);
    conversation?.wake?.();
  }

  #conversationOf(handle: number): Conversation {
    const known = this.#conversations.get(handle);
    if (known) return known;
    const fresh: Conversation = { messages: [], wake: undefined, encryption: undefined };
    this.#conversations.set(handle, fresh);
    return fresh;
  }

  async #receive(conversation: Conversation, withinMs: number): Promise<Buffer> {
    if (conversation.messages.length === 0) {
      await this.#bounded<number>(withinMs, 'the device does not go on pairing', (resolve) => {
        conversation.wake = () => resolve(0);
      });
      conversation.wake = undefined;
    }
    const message = conversation.messages.shift();
    if (!message) throw new LinkError('link.lost', { detail: 'while pairing' });
    return message;
  }

  async #bounded<T extends number>(
    withinMs: number,
    detail: string,
    work: (resolve: (value: T) => void) => void,
  ): Promise<T | undefined> {
    const over = new AbortController();
    const timeout = sleep(this.clock, withinMs, over.signal).then(() => {
      if (over.signal.aborted) return undefined;
      throw new LinkError('link.timeout', { withinMs, detail });
    });
    try {
      const value = await Promise.race([timeout, new Promise<T>((resolve) => work(resolve))]);
      return Number.isNaN(value) ? undefined : value;
    } finally {
      over.abort();
    }
  }
}
