/**
 * Keeps a rush of logins from drowning the server: after an outage thousands of gateways come within a second, and one that
 * waits longer than an agent does is work for nobody. As many are let in as can be answered in time; the others are told at
 * once when their turn is, each a time of its own, at the rate at which logins are answered.
 */
import { ProblemError } from '../../http/problem-error.js';

/** Agents wait 15 s for an answer; half of it is the network's and the machine's. */
const ANSWER_WITHIN_MS = 5_000;
const MIN_PENDING = 16;
const MAX_PENDING = 1_000;
const MAX_RETRY_MS = 300_000;
/** The first guess: what a small machine does. */
const FIRST_EACH_MS = 5;

export class LoginGate {
  private pending = 0;
  /** Milliseconds from one answer to the next while there is work, smoothed. */
  private eachMs = FIRST_EACH_MS;
  private lastAnswerMs = 0;
  private bookedUntilMs = 0;

  /** @param nowMs of a clock that does not jump. */
  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** @throws ProblemError `server.overloaded` with `retryAfterMs`, before any work; or what the work throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.pending >= this.limit()) throw new ProblemError('server.overloaded', { retryAfterMs: this.book() });
    if (this.pending === 0) this.lastAnswerMs = this.nowMs();
    this.pending += 1;
    try {
      return await work();
    } finally {
      this.pending -= 1;
      const now = this.nowMs();
      this.eachMs = Math.min(1_000, Math.max(0.1, this.eachMs * 0.95 + (now - this.lastAnswerMs) * 0.05));
      this.lastAnswerMs = now;
    }
  }

  private limit(): number {
    return Math.min(MAX_PENDING, Math.max(MIN_PENDING, Math.round(ANSWER_WITHIN_MS / this.eachMs)));
  }

  private book(): number {
    const now = this.nowMs();
    const turn = Math.max(this.bookedUntilMs, now + this.pending * this.eachMs);
    this.bookedUntilMs = Math.min(turn + this.eachMs, now + MAX_RETRY_MS);
    return Math.round(Math.min(MAX_RETRY_MS, turn - now));
  }
}
