/**
 * Time on a Bluetooth LE connection, as a sum: exchanges packed into connection events.
 *
 * An exchange that would not end before the next event waits for it. An awaited answer may come in the very event in
 * which it was asked for, when there is room left in it; but the event ends with it, since neither side has more to
 * say at that moment, and what the host sends next leaves in the next event.
 *
 * Source: Bluetooth Core 5.x, Vol 6 Part B, 4.5.1 (connection events) and 4.5.6 (closing them).
 */
export class ConnectionEvents {
  #atMs = 0;

  constructor(readonly intervalMs: number) {}

  /** Milliseconds since the first event began. */
  get atMs(): number {
    return this.#atMs;
  }

  /** @param us of the exchange, both pauses included. */
  exchange(us: number): void {
    const ms = us / 1000;
    const eventEnd = (Math.floor(this.#atMs / this.intervalMs + 1e-9) + 1) * this.intervalMs;
    // One that is longer than a whole event can only be at its start.
    if (this.#atMs + ms > eventEnd + 1e-9) this.nextEvent();
    this.#atMs += ms;
  }

  /** Nothing more to say: on to the next event. At the start of one, nothing is lost. */
  nextEvent(): void {
    this.#atMs = Math.ceil(this.#atMs / this.intervalMs - 1e-9) * this.intervalMs;
  }

  /** The target works, and has nothing to say meanwhile. */
  wait(ms: number): void {
    if (ms <= 0) return;
    this.#atMs += ms;
    this.nextEvent();
  }
}
