/**
 * The line to the bootloader: one packet under way, repeated until it is acknowledged.
 *
 * The numbers make repeating safe: a packet that had arrived is not taken twice, its acknowledgement comes again. So
 * nothing has to be slept through: a bootloader that is busy with its flash keeps the next two packets and is silent about
 * the third, which is then sent again.
 *
 * Source: nRF5 SDK 11, hci_transport.c (numbers, acknowledgements), dfu_transport_serial.c (queue).
 */
import { DrydockError, LinkError, MalformedFrameError } from '../../errors.js';
import { SERIAL_CHANNEL, type Session } from '../../session/session.js';
import type { LinkTalk } from '../../session/link-talk.js';
import { decodeAcknowledgement, encodeMessage, encodePacket } from './codec.js';
import { FIRST_SEQUENCE_NUMBER, type Message, PacketType, SEQUENCE_NUMBERS } from './messages.js';
import { SlipDecoder } from '../../framing/slip.js';

/** An acknowledgement has four bytes; what is longer is not for us. */
const MAX_FRAME_BYTES = 64;
/** From the last byte on the line to the acknowledgement; USB adapters hold bytes back for up to 16 ms. */
const ACKNOWLEDGE_MS = 250;
/** Pieces of noise that are looked through for one acknowledgement. */
const MAX_PIECES = 256;

/** The target counts from the beginning: it was reset, and has forgotten what it got. */
export class TargetRestartedError extends DrydockError {
  constructor(expected: number) {
    super('link.lost', { detail: `the bootloader was restarted: it expects packet ${expected}` });
  }
}

export class SerialLine {
  readonly #decoder = new SlipDecoder(MAX_FRAME_BYTES);
  readonly #acknowledged: number[] = [];
  /** The number that the target expects next. */
  #next = FIRST_SEQUENCE_NUMBER;

  constructor(readonly talk: LinkTalk) {}

  /** What arrived before a reconnect belongs to no packet of ours. */
  reset(): void {
    this.#decoder.reset();
    this.#acknowledged.length = 0;
  }

  /**
   * Asks which number is expected, by a packet that changes nothing whatever its number: of a type that the bootloader
   * throws away.
   * @returns undefined when nobody answers: then no bootloader listens.
   */
  *probe(tries: number): Session<number | undefined> {
    const number = (FIRST_SEQUENCE_NUMBER + SEQUENCE_NUMBERS - 1) % SEQUENCE_NUMBERS;
    for (let count = 0; count < tries; count++) {
      this.reset();
      yield* this.#send(encodePacket(number, encodeMessage({ type: PacketType.Invalid })));
      const expected = yield* this.#acknowledgement(ACKNOWLEDGE_MS);
      if (expected === undefined) continue;
      this.#next = expected;
      yield* this.talk.heardAnswer();
      return expected;
    }
    return undefined;
  }

  /**
   * Sends a message until the target has it.
   * @param withinMs how long the target may be busy with what it got before.
   * @throws LinkError `link.timeout` when it stays silent; TargetRestartedError.
   */
  *deliver(message: Message, withinMs: number): Session<void> {
    const number = this.#next;
    const wanted = (number + 1) % SEQUENCE_NUMBERS;
    const packet = encodePacket(number, encodeMessage(message));
    const tries = Math.max(2, Math.ceil(withinMs / ACKNOWLEDGE_MS));
    for (let count = 0; count < tries; count++) {
      yield* this.#send(packet);
      for (let pieces = 0; pieces < SEQUENCE_NUMBERS; pieces++) {
        const acknowledged = yield* this.#acknowledgement(ACKNOWLEDGE_MS);
        if (acknowledged === undefined) break;
        // The packet before was acknowledged twice.
        if (acknowledged === number) continue;
        yield* this.talk.heardAnswer();
        if (acknowledged === wanted) {
          this.#next = wanted;
          return;
        }
        throw new TargetRestartedError(acknowledged);
      }
    }
    throw new LinkError('link.timeout', { withinMs, detail: `packet ${number} was not acknowledged` });
  }

  *#send(bytes: Uint8Array): Session<void> {
    const { maxWriteBytes } = this.talk.link;
    for (let at = 0; at < bytes.length; at += maxWriteBytes) {
      yield* this.talk.send(SERIAL_CHANNEL, bytes.subarray(at, at + maxWriteBytes), false);
    }
  }

  *#acknowledgement(withinMs: number): Session<number | undefined> {
    let leftMs = withinMs;
    for (let pieces = 0; pieces < MAX_PIECES; pieces++) {
      const known = this.#acknowledged.shift();
      if (known !== undefined) return known;
      if (leftMs <= 0) return undefined;
      const bytes = yield* this.talk.receive(SERIAL_CHANNEL, leftMs);
      if (!bytes) return undefined;
      leftMs -= this.talk.waitedMs;
      for (const frame of this.#decoder.push(bytes)) {
        try {
          this.#acknowledged.push(decodeAcknowledgement(frame));
        } catch (error) {
          // Log text and noise share the line: what is no acknowledgement is none.
          if (!(error instanceof MalformedFrameError)) throw error;
        }
      }
    }
    return undefined;
  }
}
