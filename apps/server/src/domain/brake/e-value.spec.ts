import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { timesOdds, effectiveLimit } from './baseline.js';
import { canarySize, detectableRate, devicesToSeeOne } from './canary-size.js';
import { CONTROL_ODDS, controlsLogE } from './controls.js';
import { largestMixedEvidence, logBar, logEValue, logEValueMixed } from './e-value.js';
import { holderLimit, othersUpperBound } from './sick-holder.js';
import { largestWithin, staircase } from './staircase.js';

/** The vectors were computed with exact rational arithmetic or 60 decimals, apart from this code. */
describe('the e-value', () => {
  it.each([
    [0, 3, 0.02, -0.508202],
    [1, 1, 0.02, 2.587018],
    [2, 2, 0.02, 6.026878],
    [3, 10, 0.02, 4.311466],
    [3, 8, 0.02, 4.980203],
    [4, 10, 0.02, 7.230495],
    [4, 200, 0.02, -2.051137],
    [13, 200, 0.02, 4.88873],
    [9, 50, 0.05, 4.092289],
    [10, 50, 0.05, 5.5263],
    [100, 5000, 0.02, -11.284585],
    [4000, 100_000, 0.02, 790.246551],
    [10_000, 1_000_000, 0.02, -5897.759214],
    [2.5, 10, 0.02, 3.091578],
  ])('of %d in %d against %d', (failures, trials, limit, expected) => {
    expect(logEValue(failures, trials, limit)).toBeCloseTo(expected, 6);
  });

  it.each([
    [0, 3, 0.02, 0.601576],
    [1, 1, 0.02, 13.2901],
    [2, 2, 0.02, 414.419],
    [3, 10, 0.02, 74.5497],
    [3, 8, 0.02, 145.504],
    [4, 200, 0.02, 0.128589],
    [13, 200, 0.02, 132.785],
    [100, 5000, 0.02, 1.25651e-5],
    [4, 60, 0.02, 2.89036],
    [1, 4, 0.02, 2.79069],
    [5, 15, 0.02, 3933.25],
    [3, 3, 0.039052, 2918.91],
    [3, 5, 0.039052, 148.481],
    [4, 5, 0.039052, 6437.79],
    [4, 7, 0.039052, 809.3],
  ])('itself, of %d in %d against %d', (failures, trials, limit, expected) => {
    expect(Math.exp(logEValue(failures, trials, limit)) / expected).toBeCloseTo(1, 4);
  });

  it('takes mixed limits', () => {
    const prefix = (failures: number, two: number, five: number, ten: number) => ({
      failures,
      groups: [
        { limit: 0.02, trials: two },
        { limit: 0.05, trials: five },
        { limit: 0.1, trials: ten },
      ],
    });
    expect(logEValueMixed(3, prefix(3, 2, 2, 1).groups)).toBeCloseTo(4.766372, 6);
    const prefixes = [prefix(1, 1, 0, 0), prefix(2, 2, 1, 0), prefix(3, 2, 2, 1)];
    expect(largestMixedEvidence(prefixes)).toBeCloseTo(
      Math.max(...prefixes.map((one) => logEValueMixed(one.failures, one.groups))),
      12,
    );
    expect(largestMixedEvidence([])).toBeUndefined();
  });

  it('is a fair bet at the limit: its mean over one more trial is what it was', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(400), fc.double({ min: 0.001, max: 0.5, noNaN: true }), (s, more, limit) => {
        const n = s + more;
        const mean =
          limit * Math.exp(logEValue(s + 1, n + 1, limit)) + (1 - limit) * Math.exp(logEValue(s, n + 1, limit));
        expect(mean / Math.exp(logEValue(s, n, limit))).toBeCloseTo(1, 9);
      }),
    );
  });

  it('refuses what is no number of trials, no limit, no alpha', () => {
    for (const limit of [0, 1, -1, NaN]) expect(() => logEValue(1, 2, limit)).toThrow(/limit/);
    for (const count of [NaN, -1, Infinity]) expect(() => logEValue(1, count, 0.1)).toThrow(/trials/);
    expect(() => logBar(2)).toThrow(/alpha/);
  });
});

describe('the staircase', () => {
  const columns = [3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50, 100];
  it.each([
    [0.005, [30, 74, 129, 194, 267, 345, 517, 708, 1026, 1607, 2889, 5738, 13564]],
    [0.01, [16, 38, 66, 98, 135, 174, 261, 356, 515, 807, 1448, 2875, 6790]],
    [0.02, [9, 20, 34, 50, 69, 89, 132, 180, 260, 406, 728, 1443, 3403]],
    [0.05, [4, 9, 15, 22, 29, 37, 55, 75, 107, 166, 296, 584, 1371]],
    [0.1, [3, 5, 8, 12, 16, 20, 30, 40, 56, 86, 152, 298, 694]],
  ])('at limit %d', (limit, row) => {
    expect(columns.map((failures) => largestWithin(failures, limit, 0.01))).toEqual(row);
  });

  it('starts at three failures and is what the statistic says on both sides of every step', () => {
    const steps = staircase(0.02, 0.01, 12);
    expect(steps.slice(0, 3)).toEqual([
      { failures: 3, within: 9 },
      { failures: 4, within: 20 },
      { failures: 5, within: 34 },
    ]);
    for (const { failures, within } of steps) {
      expect(logEValue(failures, within, 0.02)).toBeGreaterThanOrEqual(logBar(0.01));
      expect(logEValue(failures, within + 1, 0.02)).toBeLessThan(logBar(0.01));
    }
    expect(largestWithin(1, 0.02, 0.01)).toBeUndefined();
    // A strict test needs more failures for its first step.
    expect(staircase(0.3, 1e-6, 1)[0]!.failures).toBeGreaterThan(3);
    expect(staircase(0.02, 0, 3)).toEqual([]);
  });
});

describe('limits and controls', () => {
  it('hold a gateway to what the others show', () => {
    expect(othersUpperBound(12, 800)).toBeCloseTo(0.0260347, 6);
    expect(holderLimit(0.02, 0.0260347)).toBeCloseTo(0.039052, 6);
    expect(othersUpperBound(0, 0)).toBe(1);
    expect(holderLimit(0.02, 1)).toBe(0.5);
    expect(holderLimit(0.02, 0.001)).toBe(0.02);
  });

  it('compare with concurrent controls', () => {
    const block = (treatedBad: number, controlBad: number) => ({ treated: 5, treatedBad, control: 5, controlBad });
    const blocks = [...Array.from({ length: 8 }, () => block(1, 0)), block(0, 1), block(0, 0)];
    expect(Math.exp(controlsLogE(blocks, 0.02))).toBeCloseTo(19.5958, 4);
    expect(controlsLogE([], 0.02)).toBeCloseTo(0, 12);
    expect(() => controlsLogE([{ ...block(0, 0), treatedBad: 6 }], 0.02)).toThrow(/controls/);
  });

  it('never bet on equal rates with gain: the mean over a block is at most 1', () => {
    const choose = (n: number, k: number) => {
      let value = 1;
      for (let i = 1; i <= k; i++) value = (value * (n - k + i)) / i;
      return value;
    };
    const chance = (n: number, k: number, p: number) => choose(n, k) * p ** k * (1 - p) ** (n - k);
    for (const rate of [0.005, 0.02, 0.1, 0.4, 0.9]) {
      let mean = 0;
      for (let ya = 0; ya <= 5; ya++)
        for (let yb = 0; yb <= 5; yb++)
          mean +=
            chance(5, ya, rate) *
            chance(5, yb, rate) *
            Math.exp(controlsLogE([{ treated: 5, treatedBad: ya, control: 5, controlBad: yb }], 0.02));
      expect(mean).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(CONTROL_ODDS).toHaveLength(4);
  });

  it('tighten the limit only with nine healthy campaigns of history', () => {
    const past = (rate: number, fields = {}) => ({
      failed: rate * 1000,
      tried: 1000,
      halted: false,
      endedAtMs: 1,
      ...fields,
    });
    const history = [...Array.from({ length: 8 }, () => past(0.002)), past(0.004)];
    expect(effectiveLimit(0.02, history.slice(1))).toEqual({ limit: 0.02, source: 'policy', campaigns: 8 });
    const tightened = effectiveLimit(0.02, history);
    expect(tightened).toMatchObject({ source: 'history', campaigns: 9 });
    expect(tightened.limit).toBeCloseTo(timesOdds(0.004, 2), 12);
    expect(
      effectiveLimit(
        0.02,
        history.map(() => past(0)),
      ).limit,
    ).toBe(0.005);
    expect(
      effectiveLimit(
        0.02,
        history.map(() => past(0.03)),
      ).limit,
    ).toBe(0.02);
    expect(effectiveLimit(0.02, [...history.slice(1), past(0.001, { halted: true })]).source).toBe('policy');
  });
});

describe('canary sizes', () => {
  it.each([
    [0.02, 0.05, 145, 0],
    [0.2, 0.02, 32, 49],
    [0.5, 0.02, 8, 13],
    [0.2, 0.05, 65, 100],
    [1, 0.02, 3, 3],
  ])('rate %d against %d', (rate, limit, n80, n95) => {
    if (rate < limit) return expect(() => canarySize(rate, limit)).toThrow(/canary/);
    const size = canarySize(rate, limit);
    // The rule is a fit to exact figures.
    expect(size.n80 / n80).toBeGreaterThan(0.7);
    expect(size.n80 / n80).toBeLessThan(1.4);
    expect(size.n95 / n95).toBeGreaterThan(0.7);
    expect(size.n95 / n95).toBeLessThan(1.6);
    return undefined;
  });

  it('say what a canary finds', () => {
    expect(detectableRate(50, 0.02)).toBeLessThanOrEqual(0.2);
    expect(detectableRate(50, 0.02)).toBeGreaterThan(0.05);
    expect(detectableRate(1, 0.02)).toBeUndefined();
    expect(devicesToSeeOne(0.2)).toBe(14);
    expect(devicesToSeeOne(1)).toBe(1);
  });
});
