/** When which zones are open, worked out once and shared by all runs of a rehearsal. */
import type { MaintenanceWindow } from '@drydock/contracts';
import { openZones } from '../windows/open-times.js';

export interface OpenStretch {
  readonly untilMs: number;
  /** Null: there are no windows, everything is open. */
  readonly open: ReadonlySet<string> | null;
}

export class WindowCalendar {
  private readonly stretches: OpenStretch[] = [];
  private readonly startMs: number;

  /** @param p90Ms what starts must end in the opening. */
  constructor(
    private readonly windows: readonly MaintenanceWindow[],
    private readonly zones: readonly string[],
    startMs: number,
    private readonly p90Ms: number,
  ) {
    this.startMs = startMs;
  }

  at(nowMs: number): OpenStretch {
    if (this.windows.length === 0) return { untilMs: Infinity, open: null };
    let [low, high] = [0, this.stretches.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.stretches[middle]!.untilMs > nowMs) high = middle;
      else low = middle + 1;
    }
    while (low >= this.stretches.length) {
      const fromMs = this.stretches.at(-1)?.untilMs ?? this.startMs;
      const zones = openZones(this.windows, this.zones, fromMs, this.p90Ms);
      const stretch = {
        // A change that is not later than now would never let time go on.
        untilMs: zones.validUntilMs === null ? Infinity : Math.max(fromMs + 1, zones.validUntilMs),
        open: new Set(zones.open.keys()),
      };
      this.stretches.push(stretch);
      if (stretch.untilMs <= nowMs) low += 1;
    }
    return this.stretches[low]!;
  }
}
