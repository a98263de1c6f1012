/**
 * What the agent knows of the server's clock (design, section 4, "Time").
 *
 * Only a signed answer that echoes a nonce of ours counts. The server's time is then at most its stamp
 * plus the time since the question was *sent*, plus drift, on a clock that counts sleep. Knowledge from
 * before a sleep is dropped: what a clock did meanwhile is not known well enough to start something.
 */
import { randomBytes } from 'node:crypto';
import { BOOT_CLOCK_STEP_MS, type Clock } from '../clock.js';

/** Quartz clocks of gateways stay within 100 ppm; this is twice that. */
const DRIFT = 200e-6;
/** Questions older than this are answered by nobody any more. */
const QUESTION_MS = 10 * 60_000;
const MAX_QUESTIONS = 64;
/** The clocks may part by this much through rounding and slewing; more was a sleep. */
const SLEEP_MS = 2000;
/** Older knowledge starts nothing; drift alone would widen it by 17 s a day. */
const FRESH_MS = 12 * 3_600_000;

export class TrustedTime {
  readonly #clock: Clock;
  readonly #questions = new Map<string, number>();
  #answer: { readonly serverTimeMs: number; readonly sentBootMs: number; readonly gotBootMs: number } | undefined;
  #sleepOffsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sleepOffsetMs = clock.bootMs() - clock.monotonicMs();
  }

  /** @returns a nonce for a message that is sent right after. */
  ask(): string {
    const now = this.#clock.bootMs();
    for (const [nonce, sent] of this.#questions) {
      if (now - sent > QUESTION_MS || this.#questions.size >= MAX_QUESTIONS) this.#questions.delete(nonce);
    }
    const nonce = randomBytes(16).toString('hex');
    this.#questions.set(nonce, now);
    return nonce;
  }

  /**
   * Takes an answer whose signature has been checked. Each nonce counts once.
   * @returns whether it was an answer to a question of ours.
   */
  answer(nonce: string, serverTimeMs: number): boolean {
    this.#noticeSleep();
    const sentBootMs = this.#questions.get(nonce);
    if (sentBootMs === undefined) return false;
    this.#questions.delete(nonce);
    this.#answer = { serverTimeMs, sentBootMs, gotBootMs: this.#clock.bootMs() };
    return true;
  }

  /** The server's clock shows at most this now; undefined without a fresh answer since boot or sleep. */
  upperBoundMs(): number | undefined {
    this.#noticeSleep();
    if (!this.#answer) return undefined;
    const elapsedMs = this.#clock.bootMs() - this.#answer.sentBootMs;
    if (elapsedMs < 0 || elapsedMs > FRESH_MS) return undefined;
    return this.#answer.serverTimeMs + elapsedMs * (1 + DRIFT) + 2 * BOOT_CLOCK_STEP_MS;
  }

  /**
   * Between which two moments the server's clock is now: its offset, and how sure that is. Undefined where
   * {@link upperBoundMs} is.
   */
  windowMs(): { readonly earliestMs: number; readonly latestMs: number } | undefined {
    const latestMs = this.upperBoundMs();
    if (latestMs === undefined) return undefined;
    const { serverTimeMs, gotBootMs } = this.#answer!;
    // The stamp is older than the answer that brought it.
    const sinceMs = (this.#clock.bootMs() - gotBootMs) * (1 - DRIFT) - 2 * BOOT_CLOCK_STEP_MS;
    return { earliestMs: serverTimeMs + Math.max(0, sinceMs), latestMs };
  }

  /** Best guess of the server's clock, for the time of events; null without any. */
  estimateMs(): number | null {
    if (!this.#answer) return null;
    const middle = (this.#answer.sentBootMs + this.#answer.gotBootMs) / 2;
    return Math.round(this.#answer.serverTimeMs + this.#clock.bootMs() - middle);
  }

  /** Milliseconds until an instant of the server's clock, at least; undefined without trusted time. */
  remainingMs(untilMs: number): number | undefined {
    const bound = this.upperBoundMs();
    return bound === undefined ? undefined : untilMs - bound;
  }

  #noticeSleep(): void {
    const offset = this.#clock.bootMs() - this.#clock.monotonicMs();
    if (Math.abs(offset - this.#sleepOffsetMs) > SLEEP_MS) {
      this.#answer = undefined;
      this.#questions.clear();
    }
    // Small differences are slewing: they must not add up to a sleep that never was.
    this.#sleepOffsetMs = offset;
  }
}
