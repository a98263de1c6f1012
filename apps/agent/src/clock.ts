/**
 * Time as the agent sees it. Two clocks, because a gateway may sleep: waits are measured on one that
 * stands still meanwhile, fences on one that goes on.
 */
import { uptime } from 'node:os';

export interface Clock {
  /** Milliseconds of a clock that never jumps; it may stand still while the machine sleeps. For waits. */
  monotonicMs(): number;
  /** Milliseconds since the machine started, sleep included. For fences. */
  bootMs(): number;
  /** Runs `fn` once, after the delay on the monotonic clock. @returns a function that calls it off. */
  after(delayMs: number, fn: () => void): () => void;
}

/** Steps in which the system tells the time since boot (`/proc/uptime` counts hundredths of a second). */
export const BOOT_CLOCK_STEP_MS = 10;

/** Longest delay that a Node timer takes; longer ones would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  // Linux: libuv reads /proc/uptime (CLOCK_BOOTTIME), which counts suspended time.
  bootMs: () => uptime() * 1000,
  after(delayMs, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(0, delayMs), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Waits on the clock; an abort ends the wait early, without an error. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const stop = (): void => {
      callOff();
      resolve();
    };
    const callOff = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
}
