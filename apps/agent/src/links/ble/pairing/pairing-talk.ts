/**
 * The two sides of a pairing talking in turns: what is expected comes in time, or the pairing ends with a typed error
 * and the device is told why.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 3.3 (commands), 3.4 (the timer), 3.5.5 (Pairing Failed).
 */
import { LinkError } from '@drydock/dfu-core';
import type { PairingParties } from './legacy-functions.js';
import { failureToldByDevice } from './pairing-errors.js';
import { Failure, SmpCode } from './smp-wire.js';

/** What pairing needs of the connection. */
export interface PairingLink {
  send(message: Buffer): void;
  /** The next message on the security channel. @throws LinkError when none comes in time, or the link goes. */
  receive(withinMs: number): Promise<Buffer>;
  /** @throws LinkError when the link could not be encrypted with the key. */
  encrypt(key: Uint8Array, ediv: number, rand: Uint8Array): Promise<void>;
  /**
   * Waits for a person. @param ask its signal ends with the wait.
   * @throws LinkError when no answer comes in time, or the link goes.
   */
  ask<T>(withinMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T>;
  readonly parties: PairingParties;
}

/** The specification's own patience with a silent side (3.4). */
export const ANSWER_MS = 30_000;
/** Messages that a device may put in between, each of which it may take its time for. */
const MAX_ASIDES = 8;
/** It asks for what is being done; it tells of keys that are pressed. */
const ASIDES = new Set<number>([SmpCode.SecurityRequest, SmpCode.KeypressNotification]);

export class PairingTalk {
  #asides = 0;

  constructor(
    readonly link: PairingLink,
    private readonly hasPasskey: boolean,
  ) {}

  send(code: number, body: Uint8Array): void {
    this.link.send(Buffer.concat([Buffer.from([code]), body]));
  }

  /**
   * @returns the message without its code.
   * @throws LinkError `link.pairing-failed` when the device gives up, `link.corrupt` for another message, `link.timeout`,
   *   `link.lost`.
   */
  async expect(code: number, bodyBytes: number): Promise<Buffer> {
    for (;;) {
      const message = await this.link.receive(ANSWER_MS);
      const [found] = message;
      if (found === SmpCode.PairingFailed)
        throw failureToldByDevice(message[1] ?? Failure.Unspecified, this.hasPasskey);
      if (found !== undefined && ASIDES.has(found) && this.#asides < MAX_ASIDES) {
        this.#asides += 1;
        continue;
      }
      if (found === code && message.length === bodyBytes + 1) return message.subarray(1);
      const detail = `pairing: message ${found ?? 'without a code'} of ${message.length} bytes, where ${code} was due`;
      throw this.failed(
        found === code ? Failure.Parameters : Failure.Unspecified,
        new LinkError('link.corrupt', { detail }),
      );
    }
  }

  /** Asks a person; the device hears it when there is no answer. @throws what the person or the wait throws. */
  async ask<T>(reason: number, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.link.ask(ANSWER_MS, question);
    } catch (error) {
      throw error instanceof Error ? this.failed(reason, error) : error;
    }
  }

  /** Tells the device. @returns the error, to be thrown. */
  failed<E extends Error>(reason: number, error: E): E {
    this.send(SmpCode.PairingFailed, Uint8Array.of(reason));
    return error;
  }
}
