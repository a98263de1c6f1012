/** Time that a test moves on: both clocks of the agent, and its timers. */
import type { Clock } from '../clock.js';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly fn: () => void;
}

export class VirtualClock implements Clock {
  #nowMs: number;
  #sleptMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  bootMs(): number {
    return this.#nowMs + this.#sleptMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: (this.#order += 1), fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Moves on, timer by timer; `settle` lets the work that each of them began come to rest. */
  async advance(ms: number, settle: () => Promise<void>): Promise<void> {
    const end = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= end)
        .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.fn();
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, end);
  }

  /** The machine sleeps: the clock for waits stands still. */
  suspend(ms: number): void {
    this.#sleptMs += ms;
  }
}

/** Lets promises and immediates run until nothing more follows from them without time or the disk. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
