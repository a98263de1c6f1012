import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cumulativeIncidence, failureRate, hardBounds, maturedCohort, type AgedTrial } from './failure-rates.js';
import { differCredibly, differenceOf } from './difference.js';
import { ascending, quantile } from './quantiles.js';
import { wilsonInterval } from './wilson.js';

describe('the Wilson interval', () => {
  it.each([
    [0, 20, 0, 0.161125],
    [1, 50, 0.003539, 0.104954],
    [3, 200, 0.005114, 0.043166],
    [37, 1000, 0.026961, 0.050582],
  ])('of %d in %d', (bad, n, low, high) => {
    expect(wilsonInterval(bad, n).low).toBeCloseTo(low, 6);
    expect(wilsonInterval(bad, n).high).toBeCloseTo(high, 6);
  });

  it('lies in [0, 1] around the share, and mirrors', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (bad, good) => {
        const { low, high } = wilsonInterval(bad, bad + good);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        if (bad + good > 0) {
          expect(low).toBeLessThanOrEqual(bad / (bad + good));
          expect(high).toBeGreaterThanOrEqual(bad / (bad + good));
        }
        expect(wilsonInterval(good, bad + good).low).toBeCloseTo(1 - high, 9);
      }),
    );
    expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
    expect(() => wilsonInterval(3, 2)).toThrow(/share/);
  });
});

describe('the difference of two groups', () => {
  // Newcombe 1998, Table II, method 10.
  it.each([
    [[56, 70], [48, 80], 0.0524, 0.3339],
    [[9, 10], [3, 10], 0.1705, 0.809],
    [[5, 56], [0, 29], -0.0381, 0.1926],
    [[0, 10], [0, 20], -0.1611, 0.2775],
    [[10, 10], [0, 20], 0.6791, 1],
  ] as const)('%j against %j', ([n, of], [m, from], low, high) => {
    const found = differenceOf({ n, of }, { n: m, of: from })!;
    expect(found.low).toBeCloseTo(low, 4);
    expect(found.high).toBeCloseTo(high, 4);
  });

  it('mirrors, holds the difference, and is not said without a device or with fewer than three failures', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.nat(60), fc.nat(60), (a, b, c, d) => {
        const [first, second] = [
          { n: a, of: a + b },
          { n: c, of: c + d },
        ];
        const [there, back] = [differenceOf(first, second), differenceOf(second, first)];
        if (there === null || back === null) return;
        expect(there.low).toBeLessThanOrEqual(there.share);
        expect(there.high).toBeGreaterThanOrEqual(there.share);
        expect([-back.high, -back.low]).toEqual([expect.closeTo(there.low, 9), expect.closeTo(there.high, 9)]);
        expect(differCredibly(first, second)).toBe(differCredibly(second, first));
      }),
    );
    expect(differenceOf({ n: 0, of: 0 }, { n: 1, of: 2 })).toBeNull();
    expect(differCredibly({ n: 2, of: 2 }, { n: 0, of: 4000 })).toBe(false);
    expect(differCredibly({ n: 3, of: 3 }, { n: 17, of: 1792 })).toBe(true);
  });
});

describe('rates', () => {
  it('are of devices with a result', () => {
    expect(failureRate(3, 197)).toMatchObject({ of: 200, rate: 0.015 });
    expect(failureRate(0, 0)).toMatchObject({ rate: undefined, interval: { low: 0, high: 1 } });
    expect(hardBounds(2, 3, 10)).toEqual({ low: 0.2, high: 0.5 });
    expect(hardBounds(0, 0, 0)).toEqual({ low: 0, high: 1 });
    expect(() => hardBounds(5, 6, 10)).toThrow(/unresolved/);
  });

  it('take quantiles as order statistics', () => {
    const values = ascending([5, 1, 4, 2, 3]);
    expect([0, 0.2, 0.21, 0.5, 0.99, 1].map((p) => quantile(values, p))).toEqual([1, 1, 2, 3, 5, 5]);
    expect(quantile([], 0.5)).toBeUndefined();
    expect(
      quantile(
        Array.from({ length: 200 }, (_, i) => i + 1),
        0.9,
      ),
    ).toBe(180);
    expect(() => quantile(values, 1.2)).toThrow(/quantile/);
  });

  /** 10 % fail at once (age 1), the others succeed at age 10; one start a minute. */
  const fleet = (minutes: number): AgedTrial[] =>
    Array.from({ length: minutes }, (_, index) => {
      const failed = index % 10 === 0;
      const takes = failed ? 1 : 10;
      const age = minutes - index;
      return { age, resolvedAtAge: age >= takes ? takes : null, failed };
    });

  it('are not fooled by failures that come first', () => {
    const trials = fleet(20);
    const finished = trials.filter((one) => one.resolvedAtAge !== null);
    expect(finished.filter((one) => one.failed).length / finished.length).toBeGreaterThan(0.15);
    expect(maturedCohort(trials, 10)).toMatchObject({ bad: 2, of: 11, matured: 11, unresolved: 0 });
    expect(maturedCohort(fleet(1000), 10).rate).toBeCloseTo(0.1, 2);
    expect(cumulativeIncidence(fleet(1000)).at(-1)!.failed).toBeCloseTo(0.1, 3);
    expect(maturedCohort([{ age: 50, resolvedAtAge: null, failed: false }], 10)).toMatchObject({
      unresolved: 1,
      of: 0,
    });
  });

  it('the curve is the plain share without censoring, and never below what is sure', () => {
    const trial = fc
      .tuple(fc.nat(20), fc.nat(20), fc.boolean())
      .map(([age, takes, failed]): AgedTrial => ({ age, resolvedAtAge: takes <= age ? takes : null, failed }));
    fc.assert(
      fc.property(fc.array(trial, { minLength: 1, maxLength: 40 }), (trials) => {
        const curve = cumulativeIncidence(trials);
        const last = curve.at(-1)?.failed ?? 0;
        const resolved = trials.filter((one) => one.resolvedAtAge !== null);
        const bad = resolved.filter((one) => one.failed).length;
        const bounds = hardBounds(bad, trials.length - resolved.length, trials.length);
        expect(last).toBeGreaterThanOrEqual(bounds.low - 1e-12);
        expect(last).toBeLessThanOrEqual(1 + 1e-12);
        if (resolved.length === trials.length) expect(last).toBeCloseTo(bounds.low, 12);
        curve.forEach((point, index) => expect(point.failed).toBeGreaterThan(curve[index - 1]?.failed ?? 0));
      }),
    );
    // By hand: fail at 1 (of 4), censored at 2, good at 3 (of 2), fail at 4 (of 1).
    const curve = cumulativeIncidence([
      { age: 9, resolvedAtAge: 1, failed: true },
      { age: 2, resolvedAtAge: null, failed: false },
      { age: 9, resolvedAtAge: 3, failed: false },
      { age: 9, resolvedAtAge: 4, failed: true },
    ]);
    expect(curve.map((point) => point.failed)).toEqual([0.25, 0.25 + 0.75 * 0.5]);
    expect(() => cumulativeIncidence([{ age: 1, resolvedAtAge: 2, failed: true }])).toThrow(/age/);
  });
});
