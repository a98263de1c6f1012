/** Real time for the simulated controller: whole connection events are timed in fractions of a millisecond. */
import { performance } from 'node:perf_hooks';
import type { Cancel, Scheduler } from '../target.js';

/** Below this a timer would come too late; the next turn of the event loop is nearer. Milliseconds. */
const IMMEDIATE_BELOW_MS = 0.5;

/**
 * Scheduler on the wall clock. Unlike plain timers it runs short delays in the next turn of the event loop, so a
 * paced link that fell behind catches up, and an unpaced one runs at full speed. Keeps the process alive only while
 * something is due.
 */
export class WallClock implements Scheduler {
  readonly #origin = performance.now();

  now(): number {
    return performance.now() - this.#origin;
  }

  after(delayMs: number, fn: () => void): Cancel {
    if (delayMs < IMMEDIATE_BELOW_MS) {
      const handle = setImmediate(fn);
      return () => clearImmediate(handle);
    }
    const handle = setTimeout(fn, delayMs);
    return () => clearTimeout(handle);
  }
}
