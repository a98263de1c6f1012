/** Slows guessing down: an address whose logins or tokens fail too often is refused for a while. Memory is bounded. */
import { ProblemError } from './problem-error.js';

export const FAILURE_LIMITER = Symbol('FailureLimiter');

/** Of an address, whatever it guesses at. */
const ADDRESS_LIMIT = { maxFailures: 30, windowMs: 60_000 };
const MAX_ADDRESSES = 10_000;

export class FailureLimiter {
  private readonly failures = new Map<string, { count: number; until: number }>();

  constructor(
    private readonly limit: { readonly maxFailures: number; readonly windowMs: number } = ADDRESS_LIMIT,
    private readonly nowMs: () => number = Date.now,
  ) {}

  /** Before a secret is looked at. @throws ProblemError `request.rate` when the address has failed too often. */
  check(address: string): void {
    const entry = this.failures.get(address);
    if (!entry || entry.count < this.limit.maxFailures) return;
    const retryAfterMs = entry.until - this.nowMs();
    if (retryAfterMs > 0) throw new ProblemError('request.rate', { retryAfterMs });
    this.failures.delete(address);
  }

  /** After a secret was wrong. */
  failed(address: string): void {
    const now = this.nowMs();
    const entry = this.failures.get(address);
    if (entry && entry.until > now) {
      entry.count++;
      return;
    }
    if (this.failures.size >= MAX_ADDRESSES) this.forget(now);
    this.failures.set(address, { count: 1, until: now + this.limit.windowMs });
  }

  /** What was counted before it was known to be right counts no more. */
  succeeded(address: string): void {
    const entry = this.failures.get(address);
    if (entry) entry.count = Math.max(0, entry.count - 1);
  }

  /** Nothing is held against it any more. */
  forgive(address: string): void {
    this.failures.delete(address);
  }

  private forget(now: number): void {
    for (const [address, entry] of this.failures) if (entry.until <= now) this.failures.delete(address);
    // Still full: an attack from very many addresses; the oldest go.
    for (const address of this.failures.keys()) {
      if (this.failures.size < MAX_ADDRESSES) return;
      this.failures.delete(address);
    }
  }
}
