import { describe, expect, it } from '@jest/globals';
import { RecentCounts } from './recent-counts.js';

describe('recent reports', () => {
  it('are counted over whole seconds, and forgotten', () => {
    const counts = new RecentCounts();
    expect(counts.read(5_000)).toEqual({ perSecond: 0, lagMs: null, newestAgeMs: null });
    for (let second = 100; second < 110; second += 1) counts.committed(second * 1000 + 1, 50);
    counts.lag(109_500, 300);
    counts.lag(109_600, 20);
    expect(counts.read(110_400)).toEqual({ perSecond: 50, lagMs: 300, newestAgeMs: 1_399 });
    // The running second is not whole yet.
    counts.committed(110_500, 9_000);
    expect(counts.read(110_900)).toMatchObject({ perSecond: 50, newestAgeMs: 400 });
    expect(counts.read(115_000)).toMatchObject({ perSecond: (5 * 50 + 9_000) / 10 });
    expect(counts.read(300_000)).toEqual({ perSecond: 0, lagMs: null, newestAgeMs: 189_500 });
    counts.committed(300_000, 0);
    expect(counts.read(300_100).newestAgeMs).toBe(189_600);
  });
});
