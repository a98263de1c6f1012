import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isGivenUp, MAX_ATTEMPTS, nextTryMs } from './retry-plan.js';

const HOUR = 3_600_000;

describe('when a delivery is tried again', () => {
  it('waits longer each time, up to six hours, and about a day in all', () => {
    const waits = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, n) => nextTryMs(n + 1, 0.5)!);
    expect(waits.slice(0, 4)).toEqual([5_000, 15_000, 45_000, 135_000]);
    expect(Math.max(...waits)).toBe(6 * HOUR);
    const total = waits.reduce((sum, wait) => sum + wait, 0);
    expect(total).toBeGreaterThan(12 * HOUR);
    expect(total).toBeLessThan(36 * HOUR);
    expect(nextTryMs(MAX_ATTEMPTS, 0.5)).toBeUndefined();
  });

  it('never comes back sooner than asked within an hour, nor waits for ever because of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX_ATTEMPTS - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 10 ** 9 }),
        (attempts, spread, askedMs) => {
          const wait = nextTryMs(attempts, spread, askedMs)!;
          expect(wait).toBeGreaterThanOrEqual(Math.min(askedMs, HOUR));
          expect(wait).toBeLessThanOrEqual(7.2 * HOUR);
          expect(wait).toBeGreaterThanOrEqual(4_000);
        },
      ),
    );
  });
});

describe('when an endpoint is given up', () => {
  const DAY = 24 * HOUR;
  it.each([
    [10, 0, 5 * DAY, true],
    [10, 0, 5 * DAY - 1, false],
    [9, 0, 50 * DAY, false],
    [100, null, 50 * DAY, false],
  ])('%i failures since %s, now %i: %s', (failures, failingSinceMs, nowMs, expected) => {
    expect(isGivenUp({ failures, failingSinceMs }, nowMs, 5)).toBe(expected);
  });
});
