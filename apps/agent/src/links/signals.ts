/** How strongly devices are heard, now and usually: what scans report, by the lane of the device. */

export interface HeardSignal {
  /** As last heard. */
  readonly rssiDbm: number;
  /** Mean of what was heard before and now. */
  readonly usualDbm: number;
}

/** What was heard longer ago says nothing of now. */
const FRESH_MS = 10 * 60_000;
const NEWEST = 0.2;
const MAX_DEVICES = 1024;

export class Signals {
  readonly #heard = new Map<string, HeardSignal & { readonly atMs: number }>();

  /** @param nowMs of a clock that never jumps. */
  constructor(private readonly nowMs: () => number) {}

  hear(lane: string, rssiDbm: number): void {
    const was = this.#heard.get(lane);
    this.#heard.delete(lane);
    const usualDbm = was ? was.usualDbm + NEWEST * (rssiDbm - was.usualDbm) : rssiDbm;
    this.#heard.set(lane, { rssiDbm, usualDbm, atMs: this.nowMs() });
    if (this.#heard.size <= MAX_DEVICES) return;
    const [longestAgo] = this.#heard.keys();
    if (longestAgo !== undefined) this.#heard.delete(longestAgo);
  }

  /** @returns undefined for a device that was not heard lately. */
  of(lane: string): HeardSignal | undefined {
    const heard = this.#heard.get(lane);
    return heard && this.nowMs() - heard.atMs <= FRESH_MS ? heard : undefined;
  }
}
