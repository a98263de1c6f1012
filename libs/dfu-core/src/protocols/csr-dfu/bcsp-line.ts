/**
 * A BCSP link over the session's line. Sessions have no clock: time is counted by waits that came to nothing, and by what
 * arrived, at least as long as the line takes for it, so that every wait ends also under noise.
 */
import { DrydockError, LinkError } from '../../errors.js';
import { type BcspDatagram, BcspEngine, type BcspOptions } from '../../framing/bcsp/engine.js';
import { SERIAL_CHANNEL, type Session } from '../../session/session.js';
import type { LinkTalk } from '../../session/link-talk.js';

const BYTE_MS = 11_000 / 115_200;
/** What a frame counts that did not help: somebody who only repeats himself must not stop the clock. */
const STRAY_MS = 50;
const MAX_DATAGRAMS = 64;

/** The other end began anew, or does not acknowledge any more: what was under way is lost. */
export class PeerRestartedError extends DrydockError {
  constructor(detail: string) {
    super('link.lost', { detail });
  }
}

export class BcspLine {
  readonly #options: BcspOptions;
  #engine: BcspEngine;
  #datagrams: BcspDatagram[] = [];
  #sinceTimerMs = 0;
  #timerStarts = -1;
  #isUp = false;
  #lost: string | undefined;

  constructor(
    readonly talk: LinkTalk,
    options: BcspOptions = {},
  ) {
    this.#options = options;
    this.#engine = new BcspEngine(options);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Begins anew and establishes the link. @returns whether it stands in time. */
  *establish(withinMs: number): Session<boolean> {
    this.#engine = new BcspEngine(this.#options);
    this.#datagrams = [];
    this.#timerStarts = -1;
    this.#isUp = false;
    this.#lost = undefined;
    let leftMs = withinMs;
    while (leftMs > 0 && !this.#isUp) leftMs -= yield* this.#step(leftMs);
    // What the other end still waits for.
    yield* this.flush();
    this.#lost = undefined;
    return this.#isUp;
  }

  send(datagram: BcspDatagram): void {
    this.#engine.send(datagram.channel, datagram.bytes, datagram.isReliable);
  }

  /**
   * @returns the next datagram of the channel; undefined when none came in time. Those of other channels are dropped.
   * @throws PeerRestartedError
   */
  *receive(channel: number, withinMs: number): Session<BcspDatagram | undefined> {
    let leftMs = withinMs;
    for (;;) {
      this.#throwIfLost();
      for (let next = this.#datagrams.shift(); next; next = this.#datagrams.shift()) {
        if (next.channel === channel) return next;
      }
      if (leftMs <= 0) return undefined;
      leftMs -= yield* this.#step(leftMs);
    }
  }

  /** Waits until all that was sent is acknowledged. @throws PeerRestartedError; LinkError `link.timeout` */
  *settle(withinMs: number): Session<void> {
    let leftMs = withinMs;
    yield* this.flush();
    while (!this.#engine.isIdle) {
      if (leftMs <= 0) throw new LinkError('link.timeout', { withinMs, detail: 'a BCSP packet was not acknowledged' });
      leftMs -= yield* this.#step(leftMs);
      this.#throwIfLost();
    }
  }

  /** Puts on the line what is due: packets, acknowledgements. */
  *flush(): Session<void> {
    const { maxWriteBytes } = this.talk.link;
    for (const frame of this.#engine.takeOutput()) {
      for (let at = 0; at < frame.length; at += maxWriteBytes) {
        yield* this.talk.send(SERIAL_CHANNEL, frame.subarray(at, at + maxWriteBytes), false);
      }
    }
  }

  #throwIfLost(): void {
    if (this.#lost !== undefined) throw new PeerRestartedError(this.#lost);
  }

  /** One wait. @returns the milliseconds that it counts. */
  *#step(withinMs: number): Session<number> {
    yield* this.flush();
    if (this.#timerStarts !== this.#engine.timerStarts) {
      this.#timerStarts = this.#engine.timerStarts;
      this.#sinceTimerMs = 0;
    }
    const { timerMs } = this.#engine;
    const untilTimer = timerMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, timerMs - this.#sinceTimerMs);
    const waitMs = Math.min(withinMs, untilTimer);
    const bytes = yield* this.talk.receive(SERIAL_CHANNEL, waitMs);
    let spentMs = waitMs;
    if (bytes) {
      // A frame ends with C0: as many as there are, so many strays.
      const ends = bytes.reduce((count, byte) => count + (byte === 0xc0 ? 1 : 0), 0);
      spentMs = bytes.length * BYTE_MS + (ends * STRAY_MS) / 2;
      const events = this.#engine.push(bytes);
      if (events.some(({ kind }) => kind === 'link-up' || kind === 'datagram')) yield* this.talk.heardAnswer();
      for (const event of events) {
        if (event.kind === 'link-up') this.#isUp = true;
        else if (event.kind === 'datagram') {
          if (this.#datagrams.length < MAX_DATAGRAMS) this.#datagrams.push(event);
        } else {
          this.#isUp = false;
          this.#lost = 'the device was reset and establishes its link anew';
        }
      }
    }
    this.#sinceTimerMs += spentMs;
    const isOver =
      this.#timerStarts === this.#engine.timerStarts && timerMs !== undefined && this.#sinceTimerMs >= timerMs;
    if (isOver) {
      for (const event of this.#engine.expire()) {
        if (event.kind !== 'peer-lost') continue;
        this.#isUp = false;
        this.#lost = 'the device does not acknowledge any more';
      }
    }
    return spentMs;
  }
}
