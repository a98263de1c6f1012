/** For the engine's model test: P11, of every gate, at the moment it opens and while it is kept open. */
import type { EngineWorld } from './engine-world.fixture.js';

export interface GatesSeen {
  /** Stages seen passed; seen open after that they are judged again. */
  readonly passed: Set<string>;
  /** Since when a stage soaks, and how many of it had fallen back by then. */
  readonly soaking: Map<string, { readonly sinceMs: number; readonly reverted: number }>;
  /** Stages that were seen to have soaked to the end; they are held for a person. */
  readonly soaked: Set<string>;
  /** Stages that were seen to have opened. */
  readonly opened: Set<string>;
  /** What stands at the first look was not seen to come. */
  looked: boolean;
}

export const noGates = (): GatesSeen => ({
  passed: new Set(),
  soaking: new Map(),
  soaked: new Set(),
  opened: new Set(),
  looked: false,
});

interface Stage {
  readonly key: string;
  readonly campaign: string;
  readonly idx: number;
  readonly state: string;
  readonly note: string | null;
  readonly approved: boolean;
  readonly forgiven: number;
  readonly gate: { minKnown: number; maxFailureShare: number; approval: boolean; soakMs: number };
  /** Members that the policy wants in it; null: the rest. */
  readonly wanted: number | null;
  readonly members: number;
  readonly known: number;
  readonly bad: number;
  readonly reverted: number;
  readonly unresolved: number;
  readonly begun: number;
  readonly overdue: boolean;
  /** The engine has looked since the last report, and the campaign goes on. */
  readonly settled: boolean;
}

const STAGES = /* sql */ `
  select s.campaign_id || '/' || s.idx as key, s.campaign_id as campaign, s.idx, s.state, s.state_note as note,
    s.approved_by is not null as approved, s.forgiven::int as forgiven,
    c.policy->'stages'->s.idx->'gate' as gate, (c.policy->'stages'->s.idx->>'count')::int as wanted,
    coalesce(c.state = 'running' and not c.dirty and c.wake_at > clock_timestamp() and c.rate_at > (
      select max(l.state_at) from deployments l where l.campaign_id = c.id), false) as settled,
    coalesce(s.state in ('open', 'soaking') and s.deadline_at <= clock_timestamp(), false) as overdue,
    count(*) filter (where d.state not in ('planned', 'skipped', 'cancelled') or d.attempt > 0)::int as begun,
    count(*) filter (where d.state not in ('skipped', 'cancelled'))::int as members,
    count(*) filter (where d.state in ('proven', 'failed', 'reverted'))::int as known,
    count(*) filter (where d.state in ('failed', 'reverted'))::int as bad,
    count(*) filter (where d.state = 'reverted')::int as reverted,
    count(*) filter (where d.state not in ('proven', 'failed', 'reverted', 'unproven', 'skipped', 'cancelled'))::int as unresolved
  from campaign_stages s join campaigns c on c.id = s.campaign_id
    left join deployments d on d.campaign_id = s.campaign_id and d.stage_idx = s.idx
  group by s.campaign_id, s.idx, c.id order by 2, 3`;

/** @returns every gate that should not stand as it does, as sentences. */
export async function judgeGates(world: EngineWorld): Promise<string[]> {
  const stages = await world.database.query<Stage>(STAGES);
  const { seen } = world;
  if (!seen.looked) {
    seen.looked = true;
    for (const { key, state } of stages) {
      if (state !== 'pending') seen.opened.add(key);
      if (state === 'passed') seen.passed.add(key);
      if (state === 'held') seen.soaked.add(key);
      if (state === 'soaking') seen.soaking.set(key, { sinceMs: -Infinity, reverted: Infinity });
    }
  }
  return stages.flatMap((stage) => [
    ...judgeOpening(world, stage, stages),
    ...judgeSoak(world, stage),
    ...judgePass(world, stage),
  ]);
}

/** A stage opens only behind stages that have passed, with the members that the policy gives it. */
function judgeOpening(world: EngineWorld, stage: Stage, all: readonly Stage[]): string[] {
  const { seen } = world;
  if (stage.state === 'pending') {
    return stage.begun > 0 ? [`P11: somebody of stage ${stage.key} was granted before it opened`] : [];
  }
  const broken: string[] = [];
  if (!seen.opened.has(stage.key)) {
    seen.opened.add(stage.key);
    const shut = all.filter(
      (each) => each.campaign === stage.campaign && each.idx < stage.idx && each.state !== 'passed',
    );
    broken.push(...shut.map((each) => `P11: stage ${stage.key} opened while ${each.key} is ${each.state}`));
    if (stage.wanted !== null && stage.members > stage.wanted) {
      broken.push(`canary: stage ${stage.key} has ${stage.members} members instead of ${stage.wanted}`);
    }
  }
  if (stage.settled && stage.overdue) broken.push(`P8: stage ${stage.key} is ${stage.state} past its deadline`);
  return broken;
}

/** A soak lasts as long as it should, without anybody falling back in it. */
function judgeSoak(world: EngineWorld, stage: Stage): string[] {
  const { soaking } = world.seen;
  const nowMs = world.database.nowMs;
  const before = soaking.get(stage.key);
  if (stage.state === 'soaking') {
    if (!before) soaking.set(stage.key, { sinceMs: nowMs, reverted: stage.reverted });
    else if (stage.reverted > before.reverted) return [`P11: ${stage.key} soaks on although a device fell back`];
    return [];
  }
  soaking.delete(stage.key);
  if (stage.state === 'open') world.seen.soaked.delete(stage.key);
  const leaves = stage.state === 'passed' || (stage.state === 'held' && stage.note === 'waits for approval');
  const isNew = leaves && !world.seen.passed.has(stage.key) && stage.gate.soakMs > 0 && stage.members > 0;
  // Held for its approval it has soaked already, and a person's word passes it.
  if (!isNew || (stage.state === 'passed' && stage.approved) || world.seen.soaked.has(stage.key)) return [];
  world.seen.soaked.add(stage.key);
  const soakedMs = before ? nowMs - before.sinceMs : 0;
  return soakedMs < stage.gate.soakMs && !world.wentBack
    ? [`P11: ${stage.key} left its soak after ${soakedMs} ms of ${stage.gate.soakMs}`]
    : [];
}

function judgePass(world: EngineWorld, stage: Stage): string[] {
  const { passed } = world.seen;
  const broken: string[] = [];
  if (stage.state !== 'passed') {
    passed.delete(stage.key);
    return broken;
  }
  const share = stage.known === 0 ? 0 : stage.bad / stage.known;
  if (stage.settled && stage.reverted > 0 && stage.forgiven === 0 && share > stage.gate.maxFailureShare) {
    broken.push(`P11: the gate of ${stage.key} stays open although ${stage.reverted} fell back`);
  }
  if (passed.has(stage.key)) return broken;
  passed.add(stage.key);
  if (stage.members === 0 || stage.note === 'no devices') return broken;
  if (stage.known < Math.min(stage.gate.minKnown, stage.members)) {
    broken.push(`P11: the gate of ${stage.key} opened at ${stage.known} known results of ${stage.gate.minKnown}`);
  }
  const worst = (stage.bad + stage.unresolved) / Math.max(1, stage.known + stage.unresolved);
  if (stage.forgiven === 0 && worst > stage.gate.maxFailureShare) {
    broken.push(`P11: the gate of ${stage.key} opened with ${stage.unresolved} of which nothing is known`);
  }
  if (stage.gate.approval && !stage.approved) broken.push(`P11: the gate of ${stage.key} opened without its approval`);
  return broken;
}
