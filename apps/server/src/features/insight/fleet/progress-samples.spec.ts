import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MOST_SAMPLES, withSample, type Sample } from './progress-samples.js';

describe('bytes over time', () => {
  it('stay few and in order, and keep both ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), (n) => {
        let samples: readonly Sample[] = [];
        for (let at = 0; at < n; at++) samples = withSample(samples, { atMs: at, sentBytes: at * 10 });
        const times = samples.map(({ atMs }) => atMs);
        expect(samples.length).toBeLessThanOrEqual(MOST_SAMPLES);
        expect([times[0], times.at(-1)]).toEqual([0, n - 1]);
        expect(times).toEqual([...times].sort((a, b) => a - b));
      }),
      { numRuns: 30 },
    );
  });

  it('begin anew where bytes went back', () => {
    const samples = withSample([{ atMs: 1, sentBytes: 900 }], { atMs: 2, sentBytes: 0 });
    expect(samples).toEqual([{ atMs: 2, sentBytes: 0 }]);
  });
});
