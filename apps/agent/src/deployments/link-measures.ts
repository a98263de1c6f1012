/** What the link of an attempt was like: how strongly the device was heard, and how fast its image went over. */
import type { EndedReport } from '@drydock/contracts';
import type { Clock } from '../clock.js';

export type LinkFacts = Pick<EndedReport, 'rssiDbm' | 'lowestRssiDbm' | 'bytesPerSecond'>;

/** Often enough for the fading of somebody who walks by, too seldom to cost anything. */
const LOOK_MS = 2000;

export class LinkMeasures {
  #beginDbm: number | undefined;
  #lowestDbm: number | undefined;
  #bytes = 0;
  #lastBytes = 0;
  #firstMs: number | undefined;
  #lastMs = 0;

  heard(rssiDbm: number): void {
    const dbm = Math.max(-128, Math.min(127, Math.round(rssiDbm)));
    this.#beginDbm ??= dbm;
    this.#lowestDbm = Math.min(this.#lowestDbm ?? dbm, dbm);
  }

  /** @param nowMs of a clock that never jumps. A transfer that begins again from an earlier byte goes on counting. */
  sent(totalBytes: number, nowMs: number): void {
    // What lay there before the first word of it was not sent in the time that is measured.
    if (this.#firstMs === undefined) this.#firstMs = nowMs;
    else if (totalBytes > this.#lastBytes) {
      this.#bytes += totalBytes - this.#lastBytes;
      this.#lastMs = nowMs;
    }
    this.#lastBytes = totalBytes;
  }

  get facts(): LinkFacts {
    const tookMs = this.#firstMs === undefined ? 0 : this.#lastMs - this.#firstMs;
    return {
      ...(this.#beginDbm !== undefined && { rssiDbm: this.#beginDbm }),
      ...(this.#lowestDbm !== undefined && { lowestRssiDbm: this.#lowestDbm }),
      ...(tookMs > 0 && this.#bytes > 0 && { bytesPerSecond: Math.round((this.#bytes * 10_000) / tookMs) / 10 }),
    };
  }
}

/** Asks the link now and then how strongly it hears the device. @returns what ends it. */
export function watchSignal(
  link: { rssiDbm(): Promise<number | undefined> },
  measures: LinkMeasures,
  clock: Clock,
): () => void {
  let ended = false;
  let callOff: () => void = () => undefined;
  const look = async (): Promise<void> => {
    const rssiDbm = await link.rssiDbm();
    if (ended) return;
    if (rssiDbm !== undefined) measures.heard(rssiDbm);
    callOff = clock.after(LOOK_MS, () => void look());
  };
  void look();
  return () => {
    ended = true;
    callOff();
  };
}
