/** Wall-clock time for simulated devices that are reached through real links. */
import { performance } from 'node:perf_hooks';
import type { Cancel, Scheduler } from '../target.js';

/**
 * `setTimeout` behind the `Scheduler` interface. Milliseconds since construction.
 *
 * Timers do not keep the process alive unless `keepAlive` is set: a simulated device alone is no
 * reason to stay. `close()` cancels everything; callbacks scheduled after it never run.
 */
export class RealScheduler implements Scheduler {
  readonly #startedAt = performance.now();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #keepAlive: boolean;
  #closed = false;

  constructor(options: { readonly keepAlive?: boolean } = {}) {
    this.#keepAlive = options.keepAlive ?? false;
  }

  now(): number {
    return performance.now() - this.#startedAt;
  }

  after(delayMs: number, fn: () => void): Cancel {
    if (this.#closed) return () => undefined;
    // setTimeout rounds down; an early timer would let a device act before its time.
    const dueAt = this.now() + Math.max(0, delayMs);
    const arm = (): NodeJS.Timeout => {
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          if (dueAt - this.now() >= 1) current = arm();
          else fn();
        },
        Math.min(0x7fffffff, Math.max(0, Math.ceil(dueAt - this.now()))),
      );
      if (!this.#keepAlive) timer.unref();
      this.#timers.add(timer);
      return timer;
    };
    let current = arm();
    return () => {
      clearTimeout(current);
      this.#timers.delete(current);
    };
  }

  /** How many callbacks are waiting. */
  get pending(): number {
    return this.#timers.size;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
