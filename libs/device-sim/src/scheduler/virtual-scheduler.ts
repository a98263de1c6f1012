/**
 * Time that only moves when somebody moves it: a deterministic discrete-event queue.
 *
 * Callbacks run in order of their time, and at the same time in the order in which they were
 * scheduled, so a run with the same inputs is the same run, byte for byte.
 */
import type { Cancel, Scheduler } from '../target.js';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  fn: (() => void) | undefined;
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class VirtualScheduler implements Scheduler {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  now(): number {
    return this.#nowMs;
  }

  /** @throws RangeError for a delay that is no finite number; negative delays count as 0. */
  after(delayMs: number, fn: () => void): Cancel {
    if (!Number.isFinite(delayMs)) throw new RangeError(`a delay must be finite, not ${delayMs}`);
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fn };
    this.#push(entry);
    return () => {
      entry.fn = undefined;
    };
  }

  /** Time of the next callback; undefined when nothing is left to happen. */
  nextAtMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** Runs the next callback. @returns false when nothing is left. */
  step(): boolean {
    this.#dropCancelled();
    const entry = this.#pop();
    if (!entry) return false;
    this.#nowMs = entry.atMs;
    const fn = entry.fn;
    entry.fn = undefined;
    fn?.();
    return true;
  }

  /** Runs what is due within the next `ms` and leaves the clock exactly that much later. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.nextAtMs();
      if (next === undefined || next > untilMs) break;
      this.step();
    }
    this.#nowMs = untilMs;
  }

  /**
   * Runs until nothing is left, or until `limitMs` more have passed (the clock then stands there).
   * @returns true when it became idle.
   */
  runUntilIdle(limitMs = 24 * 3600 * 1000): boolean {
    return this.runUntil(() => false, limitMs);
  }

  /**
   * Runs until `done` answers true (asked before the first and after every callback).
   * @returns true when `done` or idle, false when `limitMs` passed first.
   */
  runUntil(done: () => boolean, limitMs = 24 * 3600 * 1000): boolean {
    const untilMs = this.#nowMs + limitMs;
    while (!done()) {
      const next = this.nextAtMs();
      if (next === undefined) return true;
      if (next > untilMs) {
        this.#nowMs = untilMs;
        return false;
      }
      this.step();
    }
    return true;
  }

  /**
   * Runs callbacks, and between them whatever promises they resolved, until `promise` settles.
   * @throws Error when nothing is left to happen, or `limitMs` passed, and it is still pending.
   */
  async runUntilSettled<T>(promise: Promise<T>, limitMs = 24 * 3600 * 1000): Promise<T> {
    const untilMs = this.#nowMs + limitMs;
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    for (;;) {
      await drainPromises();
      if (settled) return promise;
      const next = this.nextAtMs();
      if (next === undefined)
        throw new Error(`nothing is left to happen at ${this.#nowMs} ms, and the promise is pending`);
      if (next > untilMs) throw new Error(`the promise is pending after ${limitMs} virtual ms`);
      this.step();
    }
  }

  #dropCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]?.fn === undefined) this.#pop();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = left;
      const leftEntry = heap[left];
      if (!leftEntry) break;
      let leastEntry = leftEntry;
      const rightEntry = heap[right];
      if (rightEntry && isBefore(rightEntry, leftEntry)) {
        least = right;
        leastEntry = rightEntry;
      }
      if (!isBefore(leastEntry, last)) break;
      heap[at] = leastEntry;
      at = least;
    }
    heap[at] = last;
    return top;
  }
}

/** A turn of the event loop: every promise that could go on has done so. */
const drainPromises = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
