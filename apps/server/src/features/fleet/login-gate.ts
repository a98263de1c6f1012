/**
 * Keeps a rush of logins from drowning the server: after an outage thousands of gateways come within a second, and one that
 * waits longer than an agent does is work for nobody. As many are let in as can be answered in time; the others are told at
 * once when their turn is, each a time of its own, at the rate at which logins are answered.
 */
import { ProblemError } from '../../http/problem-error.js';

/** Agents wait 15 s for an answer; the rest is the network's and the machine's. */
const ANSWER_WITHIN_MS = 5_000;
/** What the database is asked at once: more only wait there. */
const AT_ONCE = 16;
const MAX_WAITING = 1_000;
const MAX_RETRY_MS = 300_000;
/** The first guess, careful: a machine that is quicker shows it at once, a slow one would drown before it did. */
const FIRST_EACH_MS = 25;

interface Waiting {
  readonly sinceMs: number;
  isGone(): boolean;
  /** @param refused milliseconds until its turn, when there is none now. */
  go(refused?: number): void;
}

export class LoginGate {
  private working = 0;
  private readonly waiting: Waiting[] = [];
  /** Milliseconds from one answer to the next while there is work, smoothed. */
  private eachMs = FIRST_EACH_MS;
  private lastAnswerMs = 0;
  private bookedUntilMs = 0;

  /** @param nowMs of a clock that does not jump. */
  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /**
   * @param isGone whether the agent has hung up meanwhile: then nothing is worked for it.
   * @throws ProblemError `server.overloaded` with `retryAfterMs`, before any work; or what the work throws.
   */
  async run<T>(work: () => Promise<T>, isGone: () => boolean = () => false): Promise<T> {
    if (this.working >= AT_ONCE) await this.turn(isGone);
    if (this.working === 0) this.lastAnswerMs = this.nowMs();
    this.working += 1;
    try {
      return await work();
    } finally {
      this.working -= 1;
      const now = this.nowMs();
      this.eachMs = Math.min(1_000, Math.max(0.1, this.eachMs * 0.95 + (now - this.lastAnswerMs) * 0.05));
      this.lastAnswerMs = now;
      this.next();
    }
  }

  private turn(isGone: () => boolean): Promise<void> {
    if (this.waiting.length >= Math.min(MAX_WAITING, ANSWER_WITHIN_MS / this.eachMs)) throw overloaded(this.book());
    return new Promise((resolve, reject) =>
      this.waiting.push({
        sinceMs: this.nowMs(),
        isGone,
        go: (refused) => (refused === undefined ? resolve() : reject(overloaded(refused))),
      }),
    );
  }

  /** The next one whose agent still waits; those for whom it is too late are told so, and cost nothing. */
  private next(): void {
    for (let item = this.waiting.shift(); item; item = this.waiting.shift()) {
      if (item.isGone()) item.go(0);
      else if (this.nowMs() - item.sinceMs <= ANSWER_WITHIN_MS) return item.go();
      else item.go(this.book());
    }
  }

  private book(): number {
    const now = this.nowMs();
    const turn = Math.max(this.bookedUntilMs, now + this.waiting.length * this.eachMs);
    this.bookedUntilMs = Math.min(turn + this.eachMs, now + MAX_RETRY_MS);
    return Math.round(Math.min(MAX_RETRY_MS, turn - now));
  }
}

function overloaded(retryAfterMs: number): ProblemError {
  return new ProblemError('server.overloaded', { retryAfterMs });
}
