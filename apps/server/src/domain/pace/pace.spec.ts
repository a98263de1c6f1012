import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import { DEFAULT_EXPOSURE, inFlightForLoss, inFlightMax, mostOverdue } from './exposure.js';
import { grantsAhead, leaseMs, renewAtMs, type LeaseFacts } from './lease.js';
import { pauseNumber } from './pause-number.js';
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
import { grantsNow, redundancyRoom, spreadGrants, type GrantCandidate } from './spread-grants.js';

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

const candidate = fc.record({
  deploymentId: fc.uuid(),
  deviceId: fc.constantFrom(...'abcdefghijklmnop'),
  gatewayId: fc.constantFrom('g1', 'g2', 'g3', 'g4'),
  redundancyGroupId: fc.constantFrom(null, null, 'r1', 'r2'),
  position: fc.nat(50),
});
/** Sites hold gateways: the holders nest. */
const nested = (list: Omit<GrantCandidate, 'siteId'>[]): GrantCandidate[] =>
  list.map((one) => ({ ...one, siteId: one.gatewayId < 'g3' ? 's1' : 's2' }));

describe('spreading grants', () => {
  it('grants what tokens, flight and places allow, and nothing on a number that is none', () => {
    const room = { tokens: 7.9, inFlightMax: 20, running: 5, liveGrants: 4, placesLeft: 100 };
    expect(grantsNow(room)).toBe(7);
    expect(grantsNow({ ...room, tokens: 50 })).toBe(11);
    expect(grantsNow({ ...room, placesLeft: 3 })).toBe(3);
    expect(grantsNow({ ...room, running: 30 })).toBe(0);
    expect(grantsNow({ ...room, running: NaN })).toBe(0);
  });

  it('keeps every cap, never a device twice, and does not depend on the order of candidates', () => {
    fc.assert(
      fc.property(
        fc.array(candidate, { maxLength: 40 }),
        fc.nat(20),
        fc.record({ gateway: fc.nat(5), site: fc.nat(8), redundancyGroup: fc.nat(3) }),
        (list, most, caps) => {
          const candidates = nested(list);
          const rooms = {
            gateway: () => caps.gateway,
            site: () => caps.site,
            redundancyGroup: () => caps.redundancyGroup,
          };
          const chosen = spreadGrants(candidates, most, rooms);
          expect(chosen.length).toBeLessThanOrEqual(most);
          expect(new Set(chosen.map((one) => one.deviceId)).size).toBe(chosen.length);
          const largest = (of: (one: GrantCandidate) => string | null) => {
            const counts = new Map<string, number>();
            for (const one of chosen) counts.set(of(one) ?? '', (counts.get(of(one) ?? '') ?? 0) + (of(one) ? 1 : 0));
            return Math.max(0, ...counts.values());
          };
          expect(largest((one) => one.gatewayId)).toBeLessThanOrEqual(caps.gateway);
          expect(largest((one) => one.siteId)).toBeLessThanOrEqual(caps.site);
          expect(largest((one) => one.redundancyGroupId)).toBeLessThanOrEqual(caps.redundancyGroup);
          expect(spreadGrants([...candidates].reverse(), most, rooms)).toEqual(chosen);
        },
      ),
    );
  });

  it('grants as many as possible under nested caps', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(candidate, { maxLength: 16, selector: (one) => one.deviceId }),
        fc.nat(12),
        fc.nat(4),
        fc.nat(6),
        (list, most, each, site) => {
          const candidates = nested(list).map((one) => ({ ...one, redundancyGroupId: null }));
          const rooms = { gateway: () => each, site: () => site, redundancyGroup: () => 0 };
          const possible = ['s1', 's2'].reduce((sum, siteId) => {
            const gateways = ['g1', 'g2', 'g3', 'g4'].map((gatewayId) =>
              Math.min(each, candidates.filter((one) => one.siteId === siteId && one.gatewayId === gatewayId).length),
            );
            return (
              sum +
              Math.min(
                site,
                gateways.reduce((all, some) => all + some, 0),
              )
            );
          }, 0);
          expect(spreadGrants(candidates, most, rooms)).toHaveLength(Math.min(most, possible));
        },
      ),
    );
  });

  it('goes round the gateways', () => {
    const at = (gatewayId: string, position: number): GrantCandidate => ({
      deploymentId: `d${position}`,
      deviceId: `v${position}`,
      gatewayId,
      siteId: 's',
      redundancyGroupId: null,
      position,
    });
    const rooms = { gateway: () => 9, site: () => 9, redundancyGroup: () => 9 };
    const chosen = spreadGrants([at('a', 1), at('a', 2), at('a', 3), at('b', 4), at('c', 5)], 4, rooms);
    expect(chosen.map((one) => one.position)).toEqual([1, 4, 5, 2]);
    expect(spreadGrants([at('a', 1)], 1, { ...rooms, site: () => NaN })).toEqual([]);
  });

  it('leaves a redundancy group its members in service', () => {
    expect(redundancyRoom({ mostOut: 2, running: 1, liveGrants: 0, notInService: 0 })).toBe(1);
    expect(redundancyRoom({ mostOut: 3, running: 0, liveGrants: 1, notInService: 1 })).toBe(1);
    expect(redundancyRoom({ mostOut: 2, running: 1, liveGrants: 1, notInService: 3 })).toBe(0);
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
});

describe('the number of the pause', () => {
  const grant = fc.record({
    startByMs: fc.integer({ min: 0, max: 10_000 }),
    settled: fc.boolean(),
    withdrawnAcked: fc.boolean(),
  });
  it('counts the live ones, and names when the last of them ends', () => {
    const live = { startByMs: 5_000, settled: false, withdrawnAcked: false };
    expect(pauseNumber([], 1_000)).toEqual({ mayStillStart: 0, noneAfterMs: 1_000 });
    expect(
      pauseNumber([live, { ...live, startByMs: 7_000, settled: true }, { ...live, withdrawnAcked: true }], 1_000),
    ).toEqual({
      mayStillStart: 1,
      noneAfterMs: 5_000 + CLOCK_MARGIN_MS,
    });
    expect(pauseNumber([live], 5_000 + CLOCK_MARGIN_MS).mayStillStart).toBe(0);
    expect(pauseNumber([live], 4_999 + CLOCK_MARGIN_MS).mayStillStart).toBe(1);
    expect(pauseNumber([{ ...live, startByMs: NaN }], 1).mayStillStart).toBe(1);
  });

  it('only falls with time and reports, and is 0 at noneAfter (P2)', () => {
    fc.assert(
      fc.property(
        fc.array(grant, { maxLength: 20 }),
        fc.nat(9_000),
        fc.nat(9_000),
        fc.nat(20),
        (grants, now, later, known) => {
          const first = pauseNumber(grants, now);
          const after = pauseNumber(
            grants.map((one, index) => (index < known ? { ...one, settled: true } : one)),
            now + later,
          );
          expect(after.mayStillStart).toBeLessThanOrEqual(first.mayStillStart);
          expect(after.noneAfterMs).toBeLessThanOrEqual(Math.max(first.noneAfterMs, now + later));
          expect(pauseNumber(grants, first.noneAfterMs).mayStillStart).toBe(0);
        },
      ),
    );
  });
});
