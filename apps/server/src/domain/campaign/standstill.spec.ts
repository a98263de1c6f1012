/** No running campaign stands for ever without somebody who is told: a world in virtual time around `decide`. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Policy, type DeploymentState } from '@drydock/contracts';
import { AMBER_LOG_E, judgeTest, newBrakeTest, recordFailure, type BrakeTest } from '../brake/index.js';
import { inFlightMax } from '../pace/index.js';
import { kinds, NOW, snapshot, stage, sums, type Counts } from './campaign-snapshot.fixture.js';
import { decide, type BrakeFindings, type CampaignSnapshot, type StageSnapshot } from './decide.js';
import { standingOf, standingSentence } from './standstill.js';

const AMBER: BrakeFindings = {
  amber: true,
  rising: { test: 'campaign', sentence: '2 of 10 started failed; the limit is 2 %' },
  halt: null,
  strata: [],
  quarantine: [],
};
const rest = stage(1, 'pending', { planned: 45 });
const tried = (counts: Counts) => stage(0, 'passed', counts, { deadlineAtMs: NOW + 60_000 });

describe('a stage that rising evidence keeps shut', () => {
  it('halts with the evidence once nothing is left that could lower it', () => {
    const taken = snapshot([tried({ proven: 8, failed: 2 }), rest], { brakes: AMBER });
    expect(decide(taken, NOW)).toEqual([
      {
        kind: 'halt',
        rule:
          'the evidence is rising (2 of 10 started failed; the limit is 2 %), and nothing is left to start that could ' +
          'lower it: stage rest stays shut until a person resumes or aborts',
        evidence: { kind: 'amber', stage: 'rest', ...AMBER.rising },
      },
    ]);
  });

  it('waits for what is under way, and until the deadline for devices that are tried again', () => {
    const flying = snapshot([tried({ proven: 8, failed: 2, transferring: 1 }), rest], { brakes: AMBER, holding: 1 });
    expect(kinds(flying)).not.toContain('halt');
    const again = snapshot([tried({ proven: 8, failed: 2, planned: 1 }), rest], { brakes: AMBER });
    expect(kinds(again)).toContain('grant');
    const late = snapshot([{ ...tried({ proven: 8, failed: 2, planned: 1 }), deadlineAtMs: NOW }, rest], {
      brakes: AMBER,
    });
    expect(kinds(late)).toEqual(['halt']);
  });

  it('is not waited for by a campaign that has nobody behind it', () => {
    const nobody = stage(1, 'pending', { skipped: 3 });
    expect(kinds(snapshot([tried({ proven: 8, failed: 2 }), nobody], { brakes: AMBER }))).toContain('complete');
    expect(kinds(snapshot([tried({ proven: 8 }), nobody], { brakes: undefined }))).toContain('complete');
  });
});

it('results that stand unproven up to their number pause it, with what a person can do', () => {
  const policy = Policy.parse({
    stages: [{ name: 'all', percent: 100 }],
    acceptUnproven: true,
    limits: { unproven: 3 },
  });
  const stages = [stage(0, 'open', { unproven: 3, planned: 4 })];
  expect(decide(snapshot(stages, { policy }), NOW)).toEqual([
    {
      kind: 'pause',
      reason: '3 results stand unproven, the limit is 3: look at those devices; resume to let 3 more stand, or abort',
    },
  ]);
  expect(kinds(snapshot(stages, { policy, holding: 1 }))).not.toContain('pause');
});

it('what a person has to mend is said with the next step', () => {
  const stages = [stage(0, 'open', { planned: 4 })];
  const code = (fields: Partial<CampaignSnapshot>) => standingOf(snapshot(stages, fields))?.code;
  expect(code({})).toBeUndefined();
  expect(code({ blobPresent: false })).toBe('artifact.blob-missing');
  expect(code({ brakes: undefined })).toBe('stopped.brake');
  expect(code({ brakes: undefined, state: 'paused' })).toBeUndefined();
  expect(standingSentence('artifact.blob-missing')).toBe(
    'The bytes of the artifact are missing in the store. Put the file back into the store, or abort.',
  );
});

type Outcome = 'proven' | 'failed' | 'unproven' | 'lost';
interface Fate {
  readonly outcome: Outcome;
  readonly takesMs: number;
}

/** Every device is allowed by every rule about single devices; what is decided is done at once. */
class World {
  nowMs = NOW;
  readonly told: string[] = [];
  private readonly counts: Partial<Record<DeploymentState, number>>[];
  private readonly flying: { stage: number; ordinal: number; endsAtMs: number; outcome: Outcome }[] = [];
  private ordinal = 0;
  private brake: BrakeTest = newBrakeTest({ limit: 0.02 });
  private stages: StageSnapshot[];

  constructor(
    sizes: readonly number[],
    private readonly policy: Policy,
    private readonly fates: readonly Fate[],
    private readonly faults: { readonly blobPresent: boolean; readonly brakeUnknown: boolean },
  ) {
    this.counts = sizes.map((size) => ({ planned: size }));
    this.stages = sizes.map((size, index) => stage(index, 'pending', { planned: size }));
  }

  private look(): CampaignSnapshot {
    const stages = this.stages.map((one, index) => ({ ...one, sums: sums(this.counts[index]!) }));
    const proven = stages.reduce((sum, one) => sum + one.sums.proven, 0);
    const { rings, current } = judgeTest({ test: this.brake, granted: this.ordinal, gatewaysTried: 1 }, 0.006);
    const brakes: BrakeFindings = {
      ...AMBER,
      amber: current.logE >= AMBER_LOG_E,
      halt: rings ? { rule: 'rang', evidence: {} } : null,
    };
    const { limits } = this.policy;
    return snapshot(stages, {
      policy: this.policy,
      holding: this.flying.length,
      inFlightMax: inFlightMax(
        { first: limits.firstInFlight, perProven: limits.earnedPerProven, limit: limits.inFlight },
        proven,
      ),
      brakes: this.faults.brakeUnknown ? undefined : brakes,
      blobPresent: this.faults.blobPresent,
    });
  }

  private move(from: DeploymentState, to: DeploymentState, index: number): void {
    const counts = this.counts[index]!;
    counts[from] = (counts[from] ?? 0) - 1;
    counts[to] = (counts[to] ?? 0) + 1;
  }

  private start(room: number, open: readonly number[]): void {
    for (let given = 0; given < room; given++) {
      const index = open.find((one) => (this.counts[one]!.planned ?? 0) > 0);
      if (index === undefined) return;
      this.ordinal += 1;
      const { outcome, takesMs } = this.fates[this.ordinal % this.fates.length]!;
      this.move('planned', 'transferring', index);
      this.flying.push({ stage: index, ordinal: this.ordinal, endsAtMs: this.nowMs + takesMs, outcome });
    }
  }

  private arrive(): void {
    for (const [at, flight] of [...this.flying.entries()].reverse()) {
      if (flight.endsAtMs > this.nowMs) continue;
      this.flying.splice(at, 1);
      this.move('transferring', flight.outcome, flight.stage);
      if (flight.outcome !== 'failed') continue;
      this.brake = recordFailure(this.brake, { ordinal: flight.ordinal, gatewayId: 'g', weight: 1 });
    }
  }

  /** @returns who or what has to act next; undefined: the campaign goes on by itself. */
  step(): string | undefined {
    this.arrive();
    const looked = this.look();
    for (const decision of decide(looked, this.nowMs)) {
      if ('stage' in decision) this.moveStage(decision);
      else if (decision.kind === 'grant') this.start(decision.room, decision.stages);
      else if (['halt', 'pause', 'complete'].includes(decision.kind)) return decision.kind;
      else if (decision.kind === 'wake') {
        const next = Math.min(decision.atMs, ...this.flying.map(({ endsAtMs }) => endsAtMs));
        this.nowMs = Math.max(this.nowMs + 1_000, next);
      }
    }
    const named = this.stages.find((one) => one.state === 'held' || one.state === 'failed');
    return named?.state ?? standingOf(looked)?.code;
  }

  private moveStage(decision: { kind: string; stage: number; deadlineAtMs?: number; untilMs?: number }): void {
    const to: Record<string, StageSnapshot['state']> = {
      'open-stage': 'open',
      'soak-stage': 'soaking',
      'reopen-stage': 'open',
      'pass-stage': 'passed',
      'hold-stage': 'held',
      'fail-stage': 'failed',
    };
    this.stages = this.stages.map((one) =>
      one.index === decision.stage
        ? {
            ...one,
            state: to[decision.kind]!,
            deadlineAtMs: decision.deadlineAtMs ?? one.deadlineAtMs,
            soakUntilMs: decision.kind === 'soak-stage' ? decision.untilMs! : null,
          }
        : one,
    );
  }
}

const STAGE_MS = 600_000;
/** In which the campaign of the world has come to an end or to a person: four stages of ten minutes. */
const MOST_STEPS = 1_500;

it('every campaign in virtual time comes to its end or to a person (P8)', () => {
  const outcome = fc.oneof(
    { weight: 12, arbitrary: fc.constant<Outcome>('proven') },
    { weight: 3, arbitrary: fc.constant<Outcome>('failed') },
    { weight: 1, arbitrary: fc.constantFrom<Outcome>('unproven', 'lost') },
  );
  const arbitrary = fc.record({
    sizes: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 }),
    share: fc.constantFrom(0.1, 0.3, 1),
    unproven: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    first: fc.integer({ min: 1, max: 5 }),
    fates: fc.array(fc.record({ outcome, takesMs: fc.integer({ min: 1_000, max: 100_000 }) }), {
      minLength: 1,
      maxLength: 30,
    }),
    faults: fc.record({
      blobPresent: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
      brakeUnknown: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
  });
  const ends = new Map<string, number>();
  fc.assert(
    fc.property(arbitrary, ({ sizes, share, unproven, first, fates, faults }) => {
      const policy = Policy.parse({
        stages: sizes.map((_, index) => ({
          name: `stage-${index}`,
          deadlineMs: STAGE_MS,
          gate: { minKnown: 1, maxFailureShare: share, soakMs: 1_000 },
        })),
        acceptUnproven: unproven !== undefined,
        limits: { firstInFlight: first, inFlight: 8, ...(unproven !== undefined && { unproven }) },
      });
      const world = new World(sizes, policy, fates, faults);
      let end: string | undefined;
      for (let step = 0; step < MOST_STEPS && end === undefined; step++) end = world.step();
      expect(end).toBeDefined();
      ends.set(end!, (ends.get(end!) ?? 0) + 1);
    }),
    { numRuns: 300 },
  );
  // The arbitrary leads to every kind of end.
  for (const end of ['halt', 'pause', 'complete', 'held', 'stopped.brake', 'artifact.blob-missing']) {
    expect([end, ends.get(end) ?? 0]).toEqual([end, expect.any(Number)]);
    expect(ends.get(end) ?? 0).toBeGreaterThan(0);
  }
});
