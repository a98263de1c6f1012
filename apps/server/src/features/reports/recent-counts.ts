/** Reports of the last seconds, for people who watch: a ring of seconds, so that memory never grows. */

export interface RecentReports {
  readonly perSecond: number;
  /** Longest from arrival to commit in the last minute, milliseconds; null without a report. */
  readonly lagMs: number | null;
  /** Since the newest commit; null before the first. */
  readonly newestAgeMs: number | null;
  readonly waiting: number;
}

const SECONDS = 60;
/** The rate is of so many whole seconds. */
const RATE_SECONDS = 10;

export class RecentCounts {
  private readonly seconds = Array.from({ length: SECONDS }, () => ({ second: -1, n: 0, lagMs: 0 }));
  private newestMs: number | undefined;

  /** @param nowMs of a clock that only grows. */
  committed(nowMs: number, n: number): void {
    this.at(nowMs).n += n;
    if (n > 0) this.newestMs = nowMs;
  }

  lag(nowMs: number, lagMs: number): void {
    const slot = this.at(nowMs);
    slot.lagMs = Math.max(slot.lagMs, lagMs);
  }

  read(nowMs: number): Omit<RecentReports, 'waiting'> {
    const second = Math.floor(nowMs / 1000);
    const whole = this.seconds.filter((slot) => slot.second < second && slot.second >= second - RATE_SECONDS);
    const minute = this.seconds.filter((slot) => slot.second > second - SECONDS && slot.n > 0);
    return {
      perSecond: whole.reduce((sum, slot) => sum + slot.n, 0) / RATE_SECONDS,
      lagMs: minute.length === 0 ? null : Math.max(...minute.map((slot) => slot.lagMs)),
      newestAgeMs: this.newestMs === undefined ? null : Math.max(0, nowMs - this.newestMs),
    };
  }

  private at(nowMs: number): { second: number; n: number; lagMs: number } {
    const second = Math.floor(nowMs / 1000);
    const slot = this.seconds[second % SECONDS]!;
    if (slot.second !== second) Object.assign(slot, { second, n: 0, lagMs: 0 });
    return slot;
  }
}
