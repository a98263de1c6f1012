import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_EXPOSURE, inFlightForLoss, inFlightMax, mostOverdue } from './exposure.js';
import { grantsAhead, leaseMs, renewAtMs, startWithinMs, type LeaseFacts } from './lease.js';
import {
  allowance,
  DEFAULT_PACE,
  minutesToFull,
  minutesToToken,
  newPace,
  rateAt,
  refill,
  refillStepwise,
  spend,
  stepwiseRate,
} from './rate.js';

describe('the pace', () => {
  it.each([
    [30, 432.809],
    [60, 1298.426],
    [120, 6492.128],
    [180, 18291.79],
    [0, 0],
  ])('allows in %d minutes', (minutes, expected) => {
    expect(allowance(DEFAULT_PACE, minutes)).toBeCloseTo(expected, minutes > 120 ? 2 : 3);
  });

  it('is full after u1, and the rate is the slope of the allowance', () => {
    expect(minutesToFull(DEFAULT_PACE)).toBeCloseTo(129.658, 3);
    for (const minutes of [0, 17, 100, 140]) {
      const slope = (allowance(DEFAULT_PACE, minutes + 1e-4) - allowance(DEFAULT_PACE, minutes)) / 1e-4;
      expect(slope / rateAt(DEFAULT_PACE, minutes)).toBeCloseTo(1, 4);
    }
    expect(() => allowance({ ...DEFAULT_PACE, maxPerMinute: 5 }, 1)).toThrow(/pace/);
    expect(() => allowance(DEFAULT_PACE, NaN)).toThrow(/open/);
  });

  it('does not drift with the length of a tick, and never bursts beyond a minute', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { maxLength: 60 }), (ticks) => {
        let state = spend(newPace(DEFAULT_PACE), 10);
        let started = 10;
        for (const minutes of ticks) {
          state = refill(DEFAULT_PACE, state, minutes);
          expect(state.tokens).toBeLessThanOrEqual(rateAt(DEFAULT_PACE, state.openMinutes) + 1e-9);
          const grants = Math.floor(state.tokens);
          started += grants;
          state = spend(state, grants);
        }
        const open = ticks.reduce((sum, minutes) => sum + minutes, 0);
        expect(started).toBeLessThanOrEqual(10 + allowance(DEFAULT_PACE, open) + 1e-6);
        // Ticks shorter than a minute lose nothing.
        if (ticks.every((minutes) => minutes < 0.8))
          expect(started + state.tokens).toBeCloseTo(10 + allowance(DEFAULT_PACE, open), 6);
      }),
    );
  });

  it('stands still when the clock went back, and does not grow while amber', () => {
    const state = { tokens: 0, openMinutes: 60 };
    expect(refill(DEFAULT_PACE, state, -5)).toEqual(state);
    const amber = refill(DEFAULT_PACE, state, 0.5, true);
    expect(amber).toEqual({ tokens: 20, openMinutes: 60 });
  });

  it('says when the next start comes', () => {
    for (const openMinutes of [0, 50, 129.6, 200]) {
      const state = { tokens: 0.25, openMinutes };
      const minutes = minutesToToken(DEFAULT_PACE, state);
      expect(refill(DEFAULT_PACE, state, minutes).tokens).toBeCloseTo(1, 6);
    }
    expect(minutesToToken(DEFAULT_PACE, { tokens: 1, openMinutes: 3 })).toBe(0);
  });

  it('may go by steps of proven devices instead', () => {
    const rule = { basePerMinute: 50, factor: 2, provenPerStep: 500, maxPerMinute: 300 };
    expect([0, 499, 500, 1000, 9000].map((proven) => stepwiseRate(rule, proven))).toEqual([50, 50, 100, 200, 300]);
    expect(refillStepwise(rule, { tokens: 10, openMinutes: 0 }, 0.5, 500)).toEqual({ tokens: 60, openMinutes: 0.5 });
    expect(refillStepwise(rule, { tokens: 10, openMinutes: 0 }, 9, 0).tokens).toBe(50);
    expect(() => stepwiseRate({ ...rule, factor: 0.5 }, 1)).toThrow(/stepwise/);
  });
});

describe('exposure', () => {
  it('is earned', () => {
    expect([0, 5, 190, 9000].map((proven) => inFlightMax(DEFAULT_EXPOSURE, proven))).toEqual([10, 15, 200, 200]);
    expect(inFlightMax({ first: 20, perProven: 0.5, limit: 15 }, 3)).toBe(15);
    expect(() => inFlightMax(DEFAULT_EXPOSURE, NaN)).toThrow(/exposure/);
    expect([1, 10, 200].map(mostOverdue)).toEqual([2, 2, 20]);
    expect(inFlightForLoss(25, 0.2)).toBe(100);
    expect(inFlightForLoss(2, 0.2)).toBe(0);
  });
});

describe('the lease', () => {
  const facts: LeaseFacts = {
    session90Ms: 120_000,
    session50Ms: 60_000,
    parallelSlots: 2,
    gapMs: 60_000,
    roundTrip99Ms: 2_000,
    urgent: false,
  };
  it('covers the work ahead and a gap, between a minute and a quarter of an hour', () => {
    expect(grantsAhead(facts)).toBe(4);
    expect(leaseMs(facts)).toBe(302_000);
    expect(leaseMs({ ...facts, session90Ms: 3_600_000 })).toBe(900_000);
    expect(leaseMs({ ...facts, session90Ms: 1, session50Ms: 1e9, gapMs: 0 })).toBe(60_000);
    expect(leaseMs({ ...facts, urgent: true })).toBe(120_000);
    expect(leaseMs({ ...facts, session90Ms: NaN })).toBe(900_000);
    expect(renewAtMs(1_000, 600_000)).toBe(301_000);
  });

  it('is never longer than the policy says, and two minutes at most where it is urgent', () => {
    expect(startWithinMs(300_000, false, undefined)).toBe(300_000);
    expect(startWithinMs(300_000, true, undefined)).toBe(120_000);
    expect(startWithinMs(30_000, true, undefined)).toBe(30_000);
    expect(startWithinMs(900_000, false, facts)).toBe(302_000);
    expect(startWithinMs(200_000, false, facts)).toBe(200_000);
    expect(startWithinMs(900_000, true, facts)).toBe(120_000);
  });
});
