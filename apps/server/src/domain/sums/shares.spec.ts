import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEPLOYMENT_STATES, type DeploymentState, type Gate } from '@drydock/contracts';
import { gateLines, type GateStanding } from '../stage-gate/gate-lines.js';
import { judgeGate } from '../stage-gate/stage-gate.js';
import { addParts, partsOf, shareOf, sharesOf } from './shares.js';
import { sumsOf, type Counts } from './sums.js';

const counts = fc
  .array(fc.nat(50), { minLength: DEPLOYMENT_STATES.length, maxLength: DEPLOYMENT_STATES.length })
  .map((ns) => Object.fromEntries(DEPLOYMENT_STATES.map((state, at) => [state, ns[at]!])) as Counts);

describe('shares', () => {
  it('carry the Wilson range of the methods page, and say nothing of nothing', () => {
    expect(shareOf(3, 200)).toMatchObject({ n: 3, of: 200, share: 0.015 });
    expect(shareOf(3, 200).likely!.low).toBeCloseTo(0.005114, 6);
    expect(shareOf(3, 200).likely!.high).toBeCloseTo(0.043166, 6);
    expect(shareOf(0, 0)).toEqual({ n: 0, of: 0, share: null, likely: null });
  });

  it('of what ended add up to it, and the parts to all members', () => {
    fc.assert(
      fc.property(counts, fc.nat(30), (states, suspect) => {
        const sums = sumsOf(states, { suspect }, { acceptUnproven: false });
        const shares = sharesOf(sums);
        expect(shares.proven.n + shares.failedOrReverted.n + shares.notKnown.n).toBe(shares.ended);
        expect(shares.failure.share).toBe(sums.failureShare);
        const parts = partsOf(states);
        expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(sums.total);
        expect(addParts([parts, parts]).proven).toBe(2 * parts.proven);
        expect(parts.waiting).toBe(sums.planned);
        expect(parts.inFlight).toBe(sums.running + sums.rescue);
      }),
    );
  });
});

describe('gate lines', () => {
  const gate: Gate = { minKnown: 45, maxFailureShare: 0.04, soakMs: 7_200_000, approval: true };
  const standing = (
    states: Partial<Record<DeploymentState, number>>,
    over: Partial<GateStanding> = {},
  ): GateStanding => ({
    state: 'open',
    sums: sumsOf(states, { suspect: 0 }, { acceptUnproven: false }),
    forgiven: 0,
    untriedStrata: [],
    soakUntilMs: null,
    approvedBy: null,
    ...over,
  });
  const states = (one: GateStanding, nowMs = 1000): string[] =>
    gateLines(gate, one, nowMs).map(({ rule, state, missing }) => `${rule} ${state} ${missing}`);

  it('say what is missing', () => {
    expect(states(standing({ proven: 30, planned: 20 }))).toEqual([
      'known counting 15',
      'share counting 18',
      'soak not-begun 7200000',
      'approval not-begun 1',
    ]);
    expect(states(standing({ proven: 50 }, { state: 'soaking', soakUntilMs: 3_600_000 }), 0)).toEqual([
      'known met 0',
      'share met 0',
      'soak counting 3600000',
      'approval counting 1',
    ]);
    expect(states(standing({ proven: 50 }, { state: 'passed', approvedBy: 'R. Lind' }))).toEqual([
      'known met 0',
      'share met 0',
      'soak met 0',
      'approval met 0',
    ]);
    expect(states(standing({ proven: 47, failed: 3 }))[1]).toBe('share broken null');
    // P11: nothing more will come, and it is not enough.
    expect(states(standing({ proven: 40, unproven: 10 }))[0]).toBe('known cannot-judge 5');
    expect(states(standing({ planned: 50 }, { state: 'pending' }))[0]).toBe('known not-begun 45');
    const strata = gateLines({ ...gate, strata: 'all' }, standing({ planned: 9 }, { untriedStrata: ['5.9'] }), 0);
    expect(strata[1]).toMatchObject({ rule: 'strata', state: 'counting', missing: 1, names: ['5.9'] });
  });

  it('agree with the gate', () => {
    fc.assert(
      fc.property(
        counts,
        fc.nat(20),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(60),
        (n, suspect, max, min) => {
          const sums = sumsOf(n, { suspect }, { acceptUnproven: false });
          const rule: Gate = { minKnown: Math.max(1, min), maxFailureShare: max, soakMs: 0, approval: false };
          const verdict = judgeGate(sums, rule).kind;
          const lines = gateLines(rule, { ...standing({}), sums }, 0);
          const by = new Map(lines.map((one) => [one.rule, one.state]));
          if (verdict === 'holds') expect([...by.values()].every((state) => state === 'met')).toBe(true);
          if (verdict === 'fails') expect(by.get('share')).toBe('broken');
          if (verdict === 'cannot-tell') expect([...by.values()]).toContain('cannot-judge');
          if ([...by.values()].every((state) => state === 'met')) expect(verdict).toBe('holds');
        },
      ),
    );
  });
});
