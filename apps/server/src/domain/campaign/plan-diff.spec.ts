import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Policy } from '@drydock/contracts';
import { canonicalJson, isSameJson } from './canonical-json.js';
import { diffPlans, type Json } from './plan-diff.js';
import { planDigest } from './plan-digest.js';
import { planWarnings, type PlanFacts } from './plan-warnings.js';

const planOf = (policy: unknown): Json => JSON.parse(JSON.stringify({ policy: Policy.parse(policy) })) as Json;
const looserOf = (from: unknown, to: unknown): Record<string, boolean | null> =>
  Object.fromEntries(diffPlans(planOf(from), planOf(to)).map(({ path, looser }) => [path, looser]));

describe('the diff of two plans', () => {
  const stages = (gate: object, more = {}) => [
    { name: 'canary', percent: 5, gate, ...more },
    { name: 'all', percent: 95 },
  ];

  it('marks what lets more through or stops later', () => {
    expect(looserOf({ brake: { limit: 0.01 } }, { brake: { limit: 0.02, alpha: 0.001, baseline: false } })).toEqual({
      'policy.brake.limit': true,
      'policy.brake.alpha': true,
      'policy.brake.baseline': true,
    });
    expect(
      looserOf(
        { stages: stages({ minKnown: 9, soakMs: 60_000 }) },
        { stages: stages({ minKnown: 5, approval: true }) },
      ),
    ).toEqual({
      'policy.stages[0].gate.minKnown': true,
      'policy.stages[0].gate.soakMs': true,
      'policy.stages[0].gate.approval': false,
    });
    expect(looserOf({ limits: { perSite: 5 } }, {})).toEqual({ 'policy.limits.perSite': true });
    expect(looserOf({}, { limits: { perSite: 5 }, minBatteryPercent: 20, approvals: 1, acceptUnproven: true })).toEqual(
      {
        'policy.limits.perSite': false,
        'policy.minBatteryPercent': false,
        'policy.approvals': false,
        'policy.acceptUnproven': true,
      },
    );
    const window = { rule: 'FREQ=DAILY', from: '2026-01-01T22:00', durationMs: 3_600_000 };
    expect(looserOf({ windows: [window] }, {})).toEqual({ 'policy.windows[0]': true });
    expect(looserOf({}, { windows: [window] })).toEqual({ 'policy.windows[0]': false });
    expect(looserOf({}, { timeouts: { proveMs: 5_000 } })).toEqual({ 'policy.timeouts.proveMs': null });
    // One stage fewer is one look fewer; what became of the others is said as well.
    expect(looserOf({ stages: stages({}) }, { stages: [{ name: 'canary', percent: 100 }] })).toEqual({
      'policy.stages[0].percent': true,
      'policy.stages[1]': true,
    });
  });

  it('is empty exactly for equal plans, whichever way keys are written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const [x, y] = [a as Json, b as Json];
        expect(diffPlans(x, x)).toEqual([]);
        expect(diffPlans(x, y).length === 0).toBe(isSameJson(x, y));
      }),
    );
    expect(canonicalJson({ b: 1, a: [{ d: 2, c: undefined }] })).toBe('{"a":[{"d":2}],"b":1}');
    const plan = { artifactSha256: 'x', selector: { a: 1, b: 2 }, policy: {} };
    expect(planDigest(plan)).toBe(planDigest({ policy: {}, selector: { b: 2, a: 1 }, artifactSha256: 'x' }));
    expect(planDigest(plan)).not.toBe(planDigest({ ...plan, selector: { a: 1, b: 3 } }));
  });
});

describe('warnings of a plan', () => {
  const none: PlanFacts = {
    sizes: [100, 900],
    medianUpdateMs: null,
    past: { failed: 0, known: 0 },
    strataWithoutCanary: [],
    longUnseen: 0,
    approvals: { needed: 0, people: 0 },
  };
  const codes = (policy: unknown, facts: Partial<PlanFacts>): string[] =>
    planWarnings(Policy.parse(policy), { ...none, ...facts }).map(({ code }) => code);
  const gate = (minKnown: number) => ({
    stages: [
      { name: 'canary', percent: 10, gate: { minKnown } },
      { name: 'all', percent: 90 },
    ],
  });

  it('come where a lost device shuts a gate for ever, and not before', () => {
    expect(codes(gate(96), {})).toEqual(['gate.needs-nearly-all']);
    expect(codes(gate(95), {})).toEqual([]);
    const last = { stages: [{ name: 'all', percent: 100, gate: { minKnown: 100 } }] };
    expect(codes(last, { sizes: [100] })).toEqual([]);
  });

  it('come for windows, limits, strata and devices long unseen', () => {
    const windows = [{ rule: 'FREQ=DAILY', from: '2026-01-01T22:00', durationMs: 600_000 }];
    expect(codes({ windows }, { medianUpdateMs: 600_001 })).toEqual(['window.shorter-than-update']);
    expect(codes({ windows }, { medianUpdateMs: 600_000 })).toEqual([]);
    expect(codes({ brake: { limit: 0.01 } }, { past: { failed: 2, known: 100 } })).toEqual(['limit.below-usual-share']);
    expect(codes({ brake: { limit: 0.01 } }, { past: { failed: 2, known: 49 } })).toEqual([]);
    expect(codes({ brake: { limit: 0.02 } }, { past: { failed: 2, known: 100 } })).toEqual([]);
    expect(codes({}, { strataWithoutCanary: ['5.9', ''] })).toEqual(['canary.without-stratum']);
    expect(codes({}, { longUnseen: 3 })).toEqual(['devices.long-unseen']);
    expect(codes({}, { approvals: { needed: 2, people: 1 } })).toEqual(['approvals.more-than-people']);
    expect(codes({}, { approvals: { needed: 2, people: 2 } })).toEqual([]);
  });
});
