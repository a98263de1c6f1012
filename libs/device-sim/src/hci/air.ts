/**
 * The radio's time. Connections that share one radio take turns, exchange by exchange; a connection with a radio of
 * its own is alone in its queue.
 */

interface Waiting {
  readonly notBeforeMs: number;
  readonly granted: (startMs: number) => void;
}

export class Air {
  #freeAtMs = 0;
  #taken = false;
  readonly #waiting: Waiting[] = [];

  /** Calls `granted` with the simulated time from which on the air is the caller's, who must `release` it. */
  request(notBeforeMs: number, granted: (startMs: number) => void): void {
    this.#waiting.push({ notBeforeMs, granted });
    this.#next();
  }

  release(atMs: number): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, atMs);
    this.#taken = false;
    this.#next();
  }

  #next(): void {
    if (this.#taken) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#taken = true;
    next.granted(Math.max(next.notBeforeMs, this.#freeAtMs));
  }
}
