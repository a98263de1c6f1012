/** When downloads may run, and how fast: for uplinks that are paid by the byte or wanted by others (site file, `downloads`). */
import { DrydockError } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import { hoursCover } from '../site/hours.js';
import type { Downloads } from '../site/site-rules.js';

export interface DownloadPaceOptions {
  readonly clock: Clock;
  /** As the site file says it now. */
  downloads(): Downloads;
  readonly time: { windowMs(): { readonly earliestMs: number; readonly latestMs: number } | undefined };
}

/** Outside of the hours the clock is looked at this often. */
const LOOK_MS = 30_000;
/** So much may come at once after a pause. */
const BURST_MS = 250;

export class DownloadPace {
  readonly #options: DownloadPaceOptions;
  /** When all that was taken so far has been paid for. */
  #paidAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: DownloadPaceOptions) {
    this.#options = options;
  }

  /** Hours that are not known to be open are closed. */
  get isOpen(): boolean {
    const { hours, zone } = this.#options.downloads();
    if (hours.length === 0) return true;
    const window = this.#options.time.windowMs();
    return window !== undefined && hoursCover(hours, zone, window.earliestMs, window.latestMs) === 'all';
  }

  /** Waits for the hours; an abort ends the wait. */
  async opened(signal: AbortSignal): Promise<void> {
    while (!this.isOpen && !signal.aborted) await sleep(this.#options.clock, LOOK_MS, signal);
  }

  /**
   * After bytes have come: waits until the next may.
   * @throws DrydockError `site.quiet-hours` when the hours are over; what has come is kept.
   */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const { clock, downloads } = this.#options;
    if (!this.isOpen) throw new DrydockError('site.quiet-hours');
    const { kibPerSecond } = downloads();
    if (kibPerSecond === undefined) return;
    const now = clock.monotonicMs();
    this.#paidAtMs = Math.max(this.#paidAtMs, now - BURST_MS) + (bytes / (kibPerSecond * 1024)) * 1000;
    if (this.#paidAtMs > now) await sleep(clock, this.#paidAtMs - now, signal);
  }
}
