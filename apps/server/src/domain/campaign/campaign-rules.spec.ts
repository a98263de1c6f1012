import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CAMPAIGN_LIFECYCLE, mayMove, Policy, STAGE_LIFECYCLE, type ArtifactProof } from '@drydock/contracts';
import { judgeGate } from '../stage-gate/stage-gate.js';
import { sumsOf } from '../sums/sums.js';
import { checkPolicy, checkStageSizes, stageBounds } from './check-policy.js';
import { chooseGrants } from './choose-grants.js';
import { kinds, NOW, POLICY, snapshot, stage, sums, type Counts } from './campaign-snapshot.fixture.js';
import { decide, WAITS_FOR_APPROVAL, type CampaignSnapshot, type StageSnapshot } from './decide.js';
import { compareVersions } from './version-order.js';

const HASHED: ArtifactProof & { model: string } = {
  model: 'm',
  images: [{ image: 0, runningHash: 'aa' }],
  runningVersion: null,
  versionProves: false,
};

describe('the sums', () => {
  it('take unproven as known only where it is accepted by name', () => {
    const counts = { proven: 6, unproven: 2, failed: 1, reverted: 1, lost: 1, planned: 3, skipped: 4, cancelled: 5 };
    expect(sumsOf(counts, { suspect: 1 }, { acceptUnproven: false })).toMatchObject({
      total: 23,
      known: 8,
      suspect: 1,
      unresolved: 3,
      failureShare: 3 / 9,
      successRate: 6 / 8,
    });
    expect(sumsOf(counts, { suspect: 1 }, { acceptUnproven: true })).toMatchObject({ known: 10, failureShare: 3 / 11 });
  });

  it('say nothing while nothing is known', () => {
    expect(sums({ planned: 3, unproven: 1, lost: 1 })).toMatchObject({
      failureShare: null,
      successRate: null,
      unresolved: 4,
    });
  });
});

describe('the gate (P11)', () => {
  const gate = { minKnown: 2, maxFailureShare: 0.2, soakMs: 0, approval: false };
  it.each<[string, Counts, number, number, string]>([
    ['nothing known', { planned: 5 }, 0, 0, 'waits'],
    ['enough known, the rest could spoil it', { proven: 3, granted: 1 }, 0, 0, 'waits'],
    ['holds even in the worst case', { proven: 9, granted: 1 }, 0, 0, 'holds'],
    ['cannot hold any more', { failed: 2, proven: 3 }, 0, 0, 'fails'],
    ['could still hold', { failed: 1, granted: 9 }, 0, 0, 'waits'],
    ['a suspect keeps it shut', { proven: 3, planned: 1 }, 1, 0, 'waits'],
    ['a lost suspect decides', { proven: 2, lost: 1 }, 1, 0, 'fails'],
    ['out of reach: waits', { proven: 2, lost: 1 }, 0, 0, 'waits'],
    ['nothing left and too little known', { proven: 1, skipped: 3 }, 0, 0, 'cannot-tell'],
    ['unproven is not known', { unproven: 5 }, 0, 0, 'cannot-tell'],
    ['a person answered for the failure', { failed: 1, proven: 1 }, 0, 1, 'holds'],
  ])('%s', (_, counts, suspect, forgiven, verdict) => {
    expect(judgeGate(sums(counts, suspect), gate, forgiven).kind).toBe(verdict);
  });

  it('never opens on what is unknown: an unresolved device that turns out bad cannot surprise it', () => {
    const n = fc.nat(30);
    fc.assert(
      fc.property(
        fc.record({ proven: n, failed: n, planned: n, granted: n, lost: n, reverted: n }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (counts, share) => {
          const rule = { minKnown: 1, maxFailureShare: share, soakMs: 0, approval: false };
          if (judgeGate(sums(counts), rule).kind !== 'holds') return;
          const { planned, granted, lost, ...known } = counts;
          const worst = sums({ ...known, failed: known.failed + planned + granted + lost });
          expect(worst.failureShare!).toBeLessThanOrEqual(share + 1e-12);
        },
      ),
    );
  });
});

describe('decide', () => {
  it('opens the canary, grants within the room, and nothing of the next stage', () => {
    const taken = snapshot([stage(0, 'pending', { planned: 5 }), stage(1, 'pending', { planned: 45 })], {
      holding: 198,
    });
    const decisions = decide(taken, NOW);
    expect(decisions[0]).toMatchObject({ kind: 'open-stage', stage: 0 });
    expect(decisions).toContainEqual({ kind: 'grant', mode: 'update', room: 2, stages: [0] });
    expect(decisions.some((decision) => decision.kind === 'open-stage' && decision.stage === 1)).toBe(false);
  });

  it('soaks, passes, and opens the next in the same look', () => {
    const rest = stage(1, 'pending', { planned: 45 });
    expect(kinds(snapshot([stage(0, 'open', { proven: 5 }), rest]))).toContain('soak-stage');
    const soaked = stage(0, 'soaking', { proven: 5 }, { soakUntilMs: NOW });
    expect(kinds(snapshot([soaked, rest]))).toEqual(expect.arrayContaining(['pass-stage', 'open-stage', 'grant']));
    const worse = stage(0, 'soaking', { proven: 4, planned: 1 }, { soakUntilMs: NOW });
    expect(kinds(snapshot([{ ...worse, sums: sums({ proven: 3, planned: 2 }) }, rest]))).toContain('reopen-stage');
  });

  it('halts on a failed gate, holds a stage past its deadline, pauses past the campaign\u2019s', () => {
    const rest = stage(1, 'pending', { planned: 45 });
    expect(kinds(snapshot([stage(0, 'open', { failed: 3, planned: 2 }), rest]))).toEqual(['fail-stage', 'halt']);
    const late = stage(0, 'open', { planned: 5 }, { deadlineAtMs: NOW });
    expect(kinds(snapshot([late, rest]))).toContain('hold-stage');
    expect(kinds(snapshot([late, rest]))).not.toContain('grant');
    expect(kinds(snapshot([late, rest], { deadlineAtMs: NOW }))).toEqual(['pause', 'give-up-rescues']);
  });

  it('grants nothing while the bytes are missing or the server settles', () => {
    const stages = [stage(0, 'open', { planned: 5 }), stage(1, 'pending', { planned: 45 })];
    expect(kinds(snapshot(stages, { blobPresent: false }))).not.toContain('grant');
    expect(kinds(snapshot(stages, { settlingUntilMs: NOW + 1 }))).not.toContain('grant');
    expect(kinds(snapshot(stages, { settlingUntilMs: NOW + 1 }))).not.toContain('renew');
    expect(kinds(snapshot(stages))).toContain('renew');
    expect(kinds(snapshot(stages, { startTokens: 0.9 }))).not.toContain('grant');
    // P11: a brake that cannot be computed lets nothing start.
    expect(kinds(snapshot(stages, { brakes: undefined }))).not.toContain('grant');
  });

  it('waits for approvals and for strata; amber opens nothing; what rings halts with its evidence', () => {
    const policy = Policy.parse({
      stages: [
        { name: 'canary', percent: 10, gate: { approval: true, strata: 'all' } },
        { name: 'all', percent: 90 },
      ],
    });
    const rest = stage(1, 'pending', { planned: 45 });
    const soaked = stage(0, 'soaking', { proven: 5 }, { soakUntilMs: NOW });
    expect(decide(snapshot([soaked, rest], { policy }), NOW)[0]).toEqual({
      kind: 'hold-stage',
      stage: 0,
      note: WAITS_FOR_APPROVAL,
    });
    const approved = stage(0, 'open', { proven: 5 }, { soakUntilMs: NOW, approved: true });
    expect(kinds(snapshot([approved, rest], { policy })).slice(0, 2)).toEqual(['pass-stage', 'open-stage']);
    const untried = stage(0, 'soaking', { proven: 4, planned: 1 }, { soakUntilMs: NOW, untriedStrata: ['1.0.0'] });
    expect(kinds(snapshot([untried, rest], { policy }))).not.toContain('pass-stage');
    const over = stage(0, 'open', { proven: 5 }, { untriedStrata: ['1.0.0'] });
    expect(kinds(snapshot([over, rest], { policy }))[0]).toBe('hold-stage');

    const passed = stage(0, 'passed', { proven: 5 });
    const amber = { amber: true, halt: null, strata: [], quarantine: [] };
    expect(kinds(snapshot([passed, rest], { brakes: amber }))).not.toContain('open-stage');
    const halt = { rule: '4 of the first 15', evidence: { failures: 4 } };
    const rung = { amber: true, halt, strata: [{ index: 0, note: 'n' }], quarantine: [] };
    expect(decide(snapshot([passed, rest], { brakes: rung }), NOW)).toEqual([
      { kind: 'stop-stratum', stratum: 0, note: 'n' },
      { kind: 'halt', ...halt },
    ]);
  });

  it('re-arms the gate of a stage that has passed when its devices fall back', () => {
    const rest = stage(1, 'open', { planned: 45 });
    expect(kinds(snapshot([stage(0, 'passed', { proven: 3, reverted: 2 }), rest]))).toEqual([
      'reopen-stage',
      'fail-stage',
      'halt',
    ]);
  });

  it('begins at its time', () => {
    const later = snapshot([], { state: 'scheduled', startAtMs: NOW + 10 });
    expect(decide(later, NOW)).toEqual([{ kind: 'wake', atMs: NOW + 10 }]);
    expect(kinds(snapshot([], { state: 'scheduled', startAtMs: NOW }))).toContain('begin');
  });

  it('keeps results that stand unproven below their number', () => {
    const policy = Policy.parse({
      stages: [{ name: 'all', percent: 100 }],
      acceptUnproven: true,
      limits: { unproven: 6 },
    });
    const decisions = decide(
      snapshot([stage(0, 'open', { planned: 50, unproven: 3, granted: 2 })], { policy, holding: 2 }),
      NOW,
    );
    expect(decisions).toContainEqual({ kind: 'grant', mode: 'update', room: 1, stages: [0] });
  });

  it('grants only rescues while paused', () => {
    const stages = [stage(0, 'open', { planned: 5, rescue: 1 }), stage(1, 'pending', { planned: 45 })];
    const decisions = decide(snapshot(stages, { state: 'paused' }), NOW);
    expect(decisions.filter((decision) => decision.kind === 'grant')).toEqual([
      { kind: 'grant', mode: 'rescue', room: 200, stages: [0, 1] },
    ]);
  });

  it('ends an abort when nothing is out, and a campaign when all have ended', () => {
    const aborting = (counts: Counts, holding: number) =>
      kinds(snapshot([stage(0, 'open', counts), stage(1, 'pending', {})], { state: 'aborting', holding }));
    expect(aborting({ planned: 2, transferring: 1 }, 1)).toEqual(['cancel-planned', 'wake']);
    expect(aborting({ proven: 2, cancelled: 2 }, 0)).toEqual(['aborted']);
    const done = [stage(0, 'passed', { proven: 5 }), stage(1, 'open', { proven: 40, failed: 1 })];
    expect(kinds(snapshot(done))).toContain('complete');
  });

  it('only moves along the lifecycles, and always looks again while it is live (P8)', () => {
    const n = fc.nat(4);
    const counts = fc.record({
      planned: n,
      granted: n,
      transferring: n,
      rescue: n,
      proven: n,
      failed: n,
      lost: n,
      unproven: n,
    });
    const arbitrary = fc.record({
      state: fc.constantFrom(...(Object.keys(CAMPAIGN_LIFECYCLE.moves) as CampaignSnapshot['state'][])),
      stages: fc.tuple(
        fc.tuple(fc.constantFrom('pending', 'open', 'soaking', 'passed', 'held', 'failed'), counts),
        fc.tuple(fc.constantFrom('pending', 'open', 'soaking', 'passed', 'held', 'failed'), counts),
      ),
      deadlineAtMs: fc.constantFrom(null, NOW - 1, NOW + 1000),
    });
    fc.assert(
      fc.property(arbitrary, ({ state, stages, deadlineAtMs }) => {
        const taken = snapshot(
          stages.map(([stageState, of], index) =>
            stage(index, stageState as StageSnapshot['state'], of, { soakUntilMs: NOW - 1 }),
          ),
          { state, deadlineAtMs, holding: 3 },
        );
        const states = taken.stages.map((one) => one.state);
        const decisions = decide(taken, NOW);
        const to = {
          'soak-stage': 'soaking',
          'reopen-stage': 'open',
          'pass-stage': 'passed',
          'hold-stage': 'held',
          'fail-stage': 'failed',
          'open-stage': 'open',
        } as const;
        for (const decision of decisions) {
          if (!(decision.kind in to)) continue;
          const move = decision as { kind: keyof typeof to; stage: number };
          expect(mayMove(STAGE_LIFECYCLE, states[move.stage]!, to[move.kind])).toBe(true);
          states[move.stage] = to[move.kind];
        }
        const moves = { pause: 'paused', halt: 'halted', complete: 'completed', aborted: 'aborted' } as const;
        const moved = decisions.filter((decision) => decision.kind in moves);
        expect(moved.length).toBeLessThanOrEqual(1);
        for (const decision of moved)
          expect(mayMove(CAMPAIGN_LIFECYCLE, state, moves[decision.kind as keyof typeof moves])).toBe(true);
        const live = ['running', 'paused', 'halted', 'aborting'].includes(state) && moved.length === 0;
        const wake = decisions.find((decision) => decision.kind === 'wake');
        expect(wake !== undefined).toBe(live);
        if (wake?.kind === 'wake') expect(wake.atMs).toBeGreaterThan(NOW);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a policy is refused with place and mend', () => {
  const draft = (policy: Record<string, unknown>) => Policy.parse(policy);
  const paths = (policy: Policy, selector = {}, artifact = HASHED) =>
    checkPolicy(policy, selector, artifact).map((fault) => fault.path);
  it('takes the default', () => expect(paths(draft({}))).toEqual([]));
  it('wants percents that add up', () =>
    expect(
      paths(
        draft({
          stages: [
            { name: 'a', percent: 5 },
            { name: 'b', percent: 90 },
          ],
        }),
      ),
    ).toEqual(['policy.stages']));
  it('wants names apart and soaks that can end', () => {
    const gate = { soakMs: 5_000, approval: false };
    const stages = [
      { name: 'a', percent: 5, gate, deadlineMs: 5_000 },
      { name: 'a', percent: 95 },
    ];
    expect(paths(draft({ stages }))).toEqual(['policy.stages[0].gate.soakMs', 'policy.stages[1].name']);
  });
  it('wants acceptUnproven where nothing can be proven', () => {
    const artifact = { ...HASHED, images: [{ image: 0 }], runningVersion: '2', versionProves: false };
    expect(paths(draft({}), {}, artifact)).toEqual(['policy.acceptUnproven']);
    expect(paths(draft({ acceptUnproven: true }), {}, artifact)).toEqual([]);
    expect(paths(draft({}), {}, { ...artifact, versionProves: true })).toEqual([]);
  });
  it('wants the artifact\u2019s model', () => expect(paths(draft({}), { models: ['x'] })).toEqual(['selector.models']));
  it('wants gates that the size of the stage allows', () =>
    expect(checkStageSizes(POLICY, [1, 9]).map((fault) => fault.path)).toEqual(['policy.stages[0].gate.minKnown']));
});

describe('stage bounds', () => {
  it('cover everybody once, canary never empty', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 10_000 }),
        (weights, members) => {
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const bounds = stageBounds(
            weights.map((weight) => (weight / total) * 100),
            members,
          );
          expect(bounds.at(-1)).toBe(members);
          expect(bounds[0]).toBeGreaterThan(0);
          bounds.forEach((bound, index) => expect(bound).toBeGreaterThanOrEqual(bounds[index - 1] ?? 0));
        },
      ),
    );
  });
});

describe('choosing grants', () => {
  it('keeps the room of campaign and gateways, by position', () => {
    const candidate = fc.record({
      deploymentId: fc.uuid(),
      deviceId: fc.uuid(),
      gatewayId: fc.constantFrom('a', 'b', 'c'),
      stage: fc.constantFrom(0, 1),
      position: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 40 }), fc.nat(20), fc.nat(5), (plain, room, each) => {
        const candidates = plain.map((one) => ({ ...one, holders: [one.gatewayId] }));
        const chosen = chooseGrants(candidates, room, () => each);
        expect(chosen.length).toBeLessThanOrEqual(room);
        for (const id of ['a', 'b', 'c'])
          expect(chosen.filter((one) => one.gatewayId === id).length).toBeLessThanOrEqual(each);
        const possible = ['a', 'b', 'c'].reduce(
          (sum, id) => sum + Math.min(each, candidates.filter((one) => one.gatewayId === id).length),
          0,
        );
        expect(chosen.length).toBe(Math.min(room, possible));
        expect(chooseGrants([...candidates].reverse(), room, () => each)).toEqual(chosen);
      }),
    );
  });
});

describe('version order', () => {
  it.each([
    ['1.2.3', '1.2.3', 0],
    ['1.2.3', '1.2.4', -1],
    ['1.10.0', '1.9.9', 1],
    ['v2', '1.9', 1],
    ['1.2.3+4', '1.2.3.4', 0],
    ['1.2.3-rc1', '1.2.3', -1],
    ['51', '7', 1],
    ['abc', '1', undefined],
  ])('%s against %s', (a, b, expected) => {
    const order = compareVersions(a, b);
    expect(order === undefined ? undefined : Math.sign(order)).toBe(expected);
  });
});
