/** Wall-clock time for simulated devices that are reached through real links. */
import { performance } from 'node:perf_hooks';
import type { Cancel, Scheduler } from '../target.js';

export interface RealSchedulerOptions {
  /** Callbacks keep the process alive. Default false: a simulated device alone is no reason to stay. */
  readonly keepAlive?: boolean;
  /**
   * Walks the last millisecond before each callback in small steps instead of trusting the timer,
   * which may be a millisecond late. For benches: it costs processor time. Default false.
   */
  readonly precise?: boolean;
}

/** Below this, a timer is replaced by small steps. */
const STEP_MS = 1.2;

/**
 * The event loop's timers behind the `Scheduler` interface. Milliseconds since construction.
 * `close()` cancels everything; callbacks scheduled after it never run.
 */
export class RealScheduler implements Scheduler {
  readonly #startedAt = performance.now();
  readonly #waiting = new Set<Cancel>();
  readonly #options: RealSchedulerOptions;
  #closed = false;

  constructor(options: RealSchedulerOptions = {}) {
    this.#options = options;
  }

  now(): number {
    return performance.now() - this.#startedAt;
  }

  after(delayMs: number, fn: () => void): Cancel {
    if (this.#closed) return () => undefined;
    const dueAtMs = this.now() + Math.max(0, delayMs);
    let stop: () => void = () => undefined;
    const cancel = (): void => {
      stop();
      this.#waiting.delete(cancel);
    };
    const arm = (): void => {
      const leftMs = dueAtMs - this.now();
      const steps = leftMs <= 0 || (this.#options.precise && leftMs <= STEP_MS);
      if (steps) {
        // Never unref'd: an unref'd immediate waits until something else wakes the event loop.
        const immediate = setImmediate(tick);
        stop = () => clearImmediate(immediate);
        return;
      }
      const wholeMs = this.#options.precise ? Math.floor(leftMs - 1) : Math.ceil(leftMs);
      const timer = setTimeout(tick, Math.min(0x7fffffff, Math.max(1, wholeMs)));
      if (!this.#options.keepAlive) timer.unref();
      stop = () => clearTimeout(timer);
    };
    const tick = (): void => {
      if (this.now() < dueAtMs) return arm();
      this.#waiting.delete(cancel);
      fn();
    };
    this.#waiting.add(cancel);
    arm();
    return cancel;
  }

  /** How many callbacks are waiting. */
  get pending(): number {
    return this.#waiting.size;
  }

  close(): void {
    this.#closed = true;
    for (const cancel of [...this.#waiting]) cancel();
  }
}
