import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeTest, newBrakeTest, recordFailure, recordFrontier, recordNeverStarted, resumed } from './brake-test.js';
import { logEValue } from './e-value.js';
import {
  currentEvidence,
  floored,
  newLedger,
  peaksOf,
  withFailure,
  withFrontier,
  withNeverStarted,
  type TrialLedger,
} from './trial-ledger.js';

const fail = (ledger: TrialLedger, ordinal: number, gatewayId = `g${ordinal}`, weight = 1) =>
  withFailure(ledger, { ordinal, gatewayId, weight });
const failAll = (ledger: TrialLedger, ordinals: readonly number[]) =>
  ordinals.reduce((after, ordinal) => fail(after, ordinal), ledger);
const ledger = (gatewayCap: number | null = null) => newLedger({ limit: 0.02, gatewayCap });
const logE = (taken: TrialLedger) => peaksOf(taken).bare?.logE ?? -Infinity;

describe('the ledger', () => {
  it('counts in the order of granting', () => {
    let taken = failAll(ledger(), [4, 11, 12, 15]);
    const steps = [4, 11, 12, 15].map((_, j) => Math.exp(logE(failAll(ledger(), [4, 11, 12, 15].slice(0, j + 1)))));
    expect(steps[0]).toBeCloseTo(2.79069, 4);
    expect(steps[1]).toBeCloseTo(6.46893, 4);
    expect(steps[2]).toBeCloseTo(46.5813, 3);
    expect(peaksOf(taken).bare).toMatchObject({ failures: 4, trials: 15 });
    expect(Math.exp(logE(taken))).toBeCloseTo(274.288, 2);
    // A success that fell back later counts at its old place.
    taken = fail(taken, 2);
    expect(Math.exp(logE(taken))).toBeCloseTo(3933.25, 1);
    expect(Math.exp(currentEvidence(failAll(ledger(), [4, 11, 12, 15]), 60).logE)).toBeCloseTo(2.89036, 4);
  });

  it('takes the maximum on the way, not the last value', () => {
    expect(peaksOf(failAll(ledger(), [3, 7, 8, 400])).bare).toMatchObject({ failures: 3, trials: 8 });
    expect(Math.exp(logE(failAll(ledger(), [3, 7, 8])))).toBeCloseTo(145.504, 2);
  });

  it('rings only with three failures, on two gateways where two have tried', () => {
    const two = peaksOf(failAll(ledger(), [1, 2]));
    expect(two.bare!.logE).toBeCloseTo(6.026878, 6);
    expect(two.enough).toBeNull();
    const one = [1, 2, 3].reduce((taken, ordinal) => fail(taken, ordinal, 'same'), ledger());
    expect(floored(peaksOf(one), 1)).not.toBeNull();
    expect(floored(peaksOf(one), 2)).toBeNull();
    expect(floored(peaksOf(fail(one, 4, 'other')), 2)).toMatchObject({ failures: 4 });
  });

  it('lets one gateway speak only so often, by its first failures', () => {
    const taken = [5, 1, 3, 2, 4].reduce((after, ordinal) => fail(after, ordinal, 'sick'), ledger(2));
    expect(peaksOf(taken).bare).toEqual({ failures: 2, trials: 2, logE: logEValue(2, 2, 0.02) });
    expect(peaksOf(fail(taken, 9, 'other')).enough).toMatchObject({ failures: 3, trials: 9 });
    const settled = withFrontier(taken, 5);
    expect(currentEvidence(fail(settled, 6, 'sick'), 6).failures).toBe(2);
    expect(currentEvidence(fail(fail(settled, 2, 'late'), 7, 'late'), 7).failures).toBe(4);
  });

  it('subtracts grants that never started, and takes a started one back', () => {
    const taken = [2, 3, 9].reduce(withNeverStarted, failAll(ledger(), [1, 5, 6]));
    expect(peaksOf(taken).bare).toMatchObject({ failures: 3, trials: 4 });
    expect(currentEvidence(taken, 10).trials).toBe(7);
    expect(fail(taken, 9).neverStarted).toEqual([2, 3]);
    expect(withNeverStarted(taken, 5)).toBe(taken);
    expect(withFrontier(taken, 6)).toMatchObject({ below: { trials: 4, failures: 3 }, neverStarted: [9] });
  });

  it('weighs', () => {
    const taken = fail(fail(fail(ledger(), 1), 2), 10, 'c', 0.5);
    expect(currentEvidence(taken, 10)).toMatchObject({ failures: 2.5, trials: 10 });
    expect(currentEvidence(taken, 10).logE).toBeCloseTo(3.091578, 6);
    expect(fail(taken, 3, 'd', 0)).toBe(taken);
    expect(currentEvidence(fail(taken, 10, 'c', 1), 10).failures).toBe(3);
    expect(fail(taken, 1, 'a', 0.2)).toBe(taken);
    expect(() => fail(taken, 3, 'd', 1.5)).toThrow(/weight/);
    expect(() => fail(taken, 0)).toThrow(/ordinal/);
  });

  it('knows gateways of any name', () => {
    const taken = withFrontier(fail(fail(ledger(1), 1, '__proto__'), 2, '__proto__'), 2);
    expect(taken.below.failures).toBe(1);
    expect(fail(taken, 3, 'toString').failures).toHaveLength(1);
    const stored = JSON.parse(JSON.stringify(taken)) as TrialLedger;
    expect(currentEvidence(fail(stored, 3, '__proto__'), 3).failures).toBe(1);
  });
});

const outcomes = fc.array(
  fc.record({
    failed: fc.boolean(),
    gateway: fc.constantFrom('a', 'b', 'c'),
    weight: fc.constantFrom(1, 1, 0.25),
    neverStarted: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);
type Trial = { ordinal: number; failed: boolean; gateway: string; weight: number; neverStarted: boolean };
const trials = outcomes.map((list) => list.map((one, index): Trial => ({ ...one, ordinal: index + 1 })));
const enter = (taken: TrialLedger, trial: Trial) => {
  if (trial.failed) return fail(taken, trial.ordinal, trial.gateway, trial.weight);
  return trial.neverStarted ? withNeverStarted(taken, trial.ordinal) : taken;
};
const caps = fc.constantFrom(null, 1, 2, 3);

describe('what is proved of the ledger', () => {
  it('any order of the same reports, duplicates with them, gives the same statistic', () => {
    fc.assert(
      fc.property(
        trials.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 })),
        ),
        caps,
        ([list, shuffled], cap) => {
          expect(shuffled.reduce(enter, ledger(cap))).toEqual(list.reduce(enter, ledger(cap)));
        },
      ),
    );
  });

  it('is never above the true one, whatever is known yet and wherever the frontier was', () => {
    const report = trials.chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray(list, { minLength: 0 }),
        fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 4 }),
      ),
    );
    fc.assert(
      fc.property(report, caps, ([list, known, moves], cap) => {
        // The true statistic, from its definition: every failure counts, every prefix is looked at.
        let [n, s, largest] = [0, 0, 0];
        for (const trial of list) {
          if (trial.neverStarted && !trial.failed) continue;
          n += 1;
          if (trial.failed) s += trial.weight;
          largest = Math.max(largest, logEValue(s, n, 0.02));
        }
        let taken = ledger(cap);
        known.forEach((trial, at) => {
          for (const [when, upTo] of moves) {
            if (when === at) taken = withFrontier(taken, Math.min(upTo, list.length));
          }
          // Below the frontier the caller enters each device once.
          taken = enter(taken, trial);
          expect(logE(taken)).toBeLessThanOrEqual(largest + 1e-9);
          expect(currentEvidence(taken, list.length).logE).toBeLessThanOrEqual(largest + 1e-9);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('never falls as reports come in', () => {
    fc.assert(
      fc.property(trials, fc.nat(40), (list, upTo) => {
        let taken = ledger();
        let before = -Infinity;
        list.forEach((trial, at) => {
          taken = enter(taken, trial);
          if (at === upTo) taken = withFrontier(taken, trial.ordinal);
          expect(logE(taken)).toBeGreaterThanOrEqual(before);
          before = logE(taken);
        });
      }),
    );
  });

  it('says the same after the frontier moved as before', () => {
    fc.assert(
      fc.property(trials, fc.array(fc.nat(40), { maxLength: 4 }), caps, (list, moves, cap) => {
        const whole = list.reduce(enter, ledger(cap));
        const moved = moves.reduce((taken, upTo) => withFrontier(taken, Math.min(upTo, list.length)), whole);
        expect(peaksOf(moved)).toEqual(peaksOf(whole));
        expect(currentEvidence(moved, list.length)).toEqual(currentEvidence(whole, list.length));
        expect(JSON.parse(JSON.stringify(moved))).toEqual(moved);
      }),
    );
  });
});

describe('false halts', () => {
  /** splitmix32 */
  const seeded = (seed: number) => () => {
    seed = (seed + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };

  it('stay below alpha exactly at the limit, with failures that come ten times sooner than successes', () => {
    const [campaigns, devices, inFlight, bar] = [250, 1_000, 200, Math.log(1 / 0.05)];
    const random = seeded(5);
    let [rang, rangByArrival] = [0, 0];
    for (let campaign = 0; campaign < campaigns; campaign++) {
      // Devices start whenever a slot is free; every failure is looked at as it comes.
      const failed = Array.from({ length: devices }, () => random() < 0.02);
      const free = Array.from({ length: inFlight }, () => 0);
      const results = failed.map((bad, index) => {
        const slot = free.indexOf(Math.min(...free));
        free[slot]! += bad ? 1 : 5 + 10 * random();
        return { ordinal: index + 1, bad, at: free[slot]! };
      });
      results.sort((a, b) => a.at - b.at);
      let taken = ledger();
      let [bad, byArrival] = [0, -Infinity];
      results.forEach((result, index) => {
        if (!result.bad) return;
        taken = fail(taken, result.ordinal);
        bad += 1;
        byArrival = Math.max(byArrival, logEValue(bad, index + 1, 0.02));
      });
      if (logE(taken) >= bar) rang += 1;
      if (byArrival >= bar) rangByArrival += 1;
    }
    expect(rang / campaigns).toBeLessThanOrEqual(0.05);
    // The same test in the order of reports does not keep its promise.
    expect(rangByArrival / campaigns).toBeGreaterThan(0.2);
  });
});

describe('brake epochs', () => {
  const rules = { limit: 0.02 };
  const at = (ordinal: number) => ({ ordinal, gatewayId: `g${ordinal}`, weight: 1 });
  const failed = (test: ReturnType<typeof newBrakeTest>, ...ordinals: number[]) =>
    ordinals.reduce((after, ordinal) => recordFailure(after, at(ordinal)), test);
  const judge = (test: ReturnType<typeof newBrakeTest>, granted: number) =>
    judgeTest({ test, granted, gatewaysTried: 9 }, 0.01);

  it('start empty after a resume, and hear the old one only when it grows tenfold', () => {
    const first = failed(newBrakeTest(rules), 4, 11, 12, 15);
    expect(judge(first, 60)).toMatchObject({ rings: true, oldEpoch: false, epoch: 0 });
    const second = resumed(first, 60, 9, { limit: 0.05 });
    expect(judge(second, 61)).toMatchObject({
      rings: false,
      limit: 0.05,
      epoch: 1,
      current: { failures: 0, trials: 1 },
    });
    // 15 of 60: the old evidence has grown less than tenfold by one failure, more by the next.
    const grown = failed(second, 16);
    expect(judge(grown, 61)).toMatchObject({ rings: true, oldEpoch: true, epoch: 0 });
    expect(judge(failed(second, 59), 61).rings).toBe(false);
    const again = resumed(grown, 61, 9, { limit: 0.05 });
    expect(judge(again, 61).rings).toBe(false);
    expect(judge(failed(again, 62, 63, 64), 64)).toMatchObject({ rings: true, epoch: 2, oldEpoch: false });
  });

  it('an old epoch that had not rung may still do so at its own bar', () => {
    const quiet = resumed(failed(newBrakeTest(rules), 2, 3), 10, 9, rules);
    expect(judge(failed(quiet, 4), 10)).toMatchObject({ rings: true, oldEpoch: true });
  });

  it('find the epoch by the ordinal, for grants that never started and frontiers, too', () => {
    let test = resumed(failed(newBrakeTest(rules), 4), 10, 9, rules);
    test = recordFrontier(recordNeverStarted(failed(test, 13), 12), 14);
    expect(test.epochs.map((epoch) => epoch.ledger.frontier)).toEqual([10, 4]);
    expect(test.epochs[1]!.ledger.below).toMatchObject({ trials: 3, failures: 1 });
    expect(() => resumed(test, 9, 9, rules)).toThrow(/epoch/);
  });
});
