/**
 * The engine: what a campaign does next, as a pure function over counts. It knows no clock, no database
 * and no randomness; devices are chosen afterwards among candidates (`choose-grants.ts`) within the room
 * that is decided here. Applying a decision twice, or on two servers, is harmless: one campaign = one lock.
 */
import type { CampaignState, Policy, StagePolicy, StageState } from '@drydock/contracts';
import { judgeGate } from '../stage-gate/stage-gate.js';
import { standstillOf } from './standstill.js';
import type { Sums } from '../sums/sums.js';

export interface StageSnapshot {
  readonly index: number;
  readonly state: StageState;
  readonly deadlineAtMs: number | null;
  readonly soakUntilMs: number | null;
  readonly forgiven: number;
  readonly sums: Sums;
  /** A person approved the gate. */
  readonly approved: boolean;
  /** Running versions that the gate wants tried and of which no result is known yet. */
  readonly untriedStrata: readonly string[];
}

/** What the brake found (domain/brake), as far as the engine acts on it. */
export interface BrakeFindings {
  /** The evidence is rising: pace does not grow, no stage opens. */
  readonly amber: boolean;
  /** What makes it amber. */
  readonly rising?: { readonly test: string; readonly sentence: string } | undefined;
  readonly halt: { readonly rule: string; readonly evidence: Readonly<Record<string, unknown>> } | null;
  readonly strata: readonly { readonly index: number; readonly note: string }[];
  readonly quarantine: readonly {
    readonly kind: 'gateway' | 'site';
    readonly refId: string;
    readonly note: string;
    readonly evidence: Readonly<Record<string, unknown>>;
  }[];
}

export interface CampaignSnapshot {
  readonly state: CampaignState;
  readonly policy: Policy;
  readonly deadlineAtMs: number | null;
  readonly stages: readonly StageSnapshot[];
  readonly startAtMs: number | null;
  /** Deployments that hold a grant. */
  readonly holding: number;
  /** Deployments that may hold one now: earned by proven results, up to the campaign's limit. */
  readonly inFlightMax: number;
  /** Starts that the pace allows now, and when the next one is due. */
  readonly startTokens: number;
  readonly nextTokenMs: number | null;
  /** Undefined: it cannot be computed, so nothing is started (P11). */
  readonly brakes: BrakeFindings | undefined;
  /** Nothing is granted before it: the server was restored and gateways have not all answered. */
  readonly settlingUntilMs: number | null;
  readonly blobPresent: boolean;
  /** When something next changes by itself: the end of a silence, a back-off. */
  readonly nextDueMs: number | null;
}

export type Decision =
  | { readonly kind: 'open-stage'; readonly stage: number; readonly deadlineAtMs: number }
  | { readonly kind: 'soak-stage'; readonly stage: number; readonly untilMs: number; readonly share: number }
  | { readonly kind: 'reopen-stage'; readonly stage: number }
  | { readonly kind: 'pass-stage'; readonly stage: number; readonly note: string | null }
  | { readonly kind: 'hold-stage'; readonly stage: number; readonly note: string }
  | { readonly kind: 'fail-stage'; readonly stage: number; readonly note: string }
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'halt'; readonly rule: string; readonly evidence?: Readonly<Record<string, unknown>> }
  | { readonly kind: 'begin' }
  | { readonly kind: 'stop-stratum'; readonly stratum: number; readonly note: string }
  | ({ readonly kind: 'quarantine' } & { readonly found: BrakeFindings['quarantine'][number] })
  | { readonly kind: 'restore-rescues'; readonly artifactId: string }
  | { readonly kind: 'complete' }
  | { readonly kind: 'cancel-planned' }
  | { readonly kind: 'give-up-rescues' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'grant'; readonly mode: 'update'; readonly room: number; readonly stages: readonly number[] }
  | { readonly kind: 'grant'; readonly mode: 'rescue'; readonly room: number; readonly stages: readonly number[] }
  | { readonly kind: 'renew' }
  | { readonly kind: 'wake'; readonly atMs: number };

/** A live campaign looks again this often although nobody told it to: wiped queues and lost flags heal by it. */
export const IDLE_WAKE_MS = 15_000;
/** Note of a stage that is held because a person has to approve its gate. */
export const WAITS_FOR_APPROVAL = 'waits for approval';
const BUSY_WAKE_MS = 3_000;

/** States of a campaign in which the engine looks at it. */
export const TICKING_STATES: readonly CampaignState[] = ['scheduled', 'running', 'paused', 'halted', 'aborting'];

export function decide(snapshot: CampaignSnapshot, nowMs: number): Decision[] {
  switch (snapshot.state) {
    case 'running':
      return decideRunning(snapshot, nowMs);
    case 'paused':
    case 'halted':
      return [...rescues(snapshot, nowMs), wake(snapshot, nowMs, [])];
    case 'aborting':
      return decideAborting(snapshot, nowMs);
    case 'aborted':
    case 'completed':
      // A late "never started" may have put a device back into the plan of a campaign that is over.
      return total(snapshot, (sums) => sums.planned) > 0 ? [{ kind: 'cancel-planned' }] : [];
    case 'scheduled':
      return snapshot.startAtMs === null || nowMs >= snapshot.startAtMs
        ? [{ kind: 'begin' }]
        : [{ kind: 'wake', atMs: snapshot.startAtMs }];
    case 'draft':
    case 'awaiting-approval':
      return [];
  }
}

function decideRunning(snapshot: CampaignSnapshot, nowMs: number): Decision[] {
  const decisions: Decision[] = [];
  const granting: number[] = [];
  const deadlines: (number | null)[] = [snapshot.deadlineAtMs];
  const finished = snapshot.stages.every((stage) => stage.sums.unfinished === 0);
  // Devices may still join: nobody is left to be updated now, yet the campaign is not over.
  const stays = staysOpen(snapshot.policy);
  if (snapshot.deadlineAtMs !== null && nowMs >= snapshot.deadlineAtMs) {
    if (stays && finished && allButLast(snapshot, (stage) => stage.state === 'passed')) return [{ kind: 'complete' }];
    return [{ kind: 'pause', reason: 'The campaign is past its deadline.' }, { kind: 'give-up-rescues' }];
  }
  decisions.push(...brakeDecisions(snapshot));
  if (snapshot.brakes?.halt && (stays || !finished)) return [...decisions, { kind: 'halt', ...snapshot.brakes.halt }];
  // An amber brake keeps what is pending shut; one that cannot be computed does too.
  const mayOpen = snapshot.brakes?.amber === false;
  let earlierPassed = true;
  let shut: StageSnapshot | undefined;
  for (const stage of snapshot.stages) {
    const last = stage.index === snapshot.stages.length - 1;
    // Nothing is started by opening a stage that nobody is in.
    const free = mayOpen || stage.index === 0 || (isEmpty(stage) && !(last && stays));
    const outcome = advanceStage(stage, earlierPassed && free, last, snapshot, nowMs);
    decisions.push(...outcome.decisions);
    if (outcome.grants) granting.push(stage.index);
    deadlines.push(outcome.deadlineAtMs, outcome.soakUntilMs);
    if (outcome.failed !== undefined && (stays || !(last && finished))) {
      decisions.push({ kind: 'halt', rule: outcome.failed });
      return decisions;
    }
    if (stage.state === 'pending' && earlierPassed && !free) shut = stage;
    earlierPassed = outcome.passed;
  }
  if (!stays && finished && allButLast(snapshot, (stage) => stageAfter(stage, decisions) === 'passed')) {
    decisions.push({ kind: 'complete' });
    return decisions;
  }
  const still = standstillOf(snapshot, granting, shut, nowMs);
  if (still) return [...decisions, still];
  decisions.push(...rescues(snapshot, nowMs));
  const grant = updates(snapshot, granting, nowMs);
  if (grant) decisions.push(grant);
  // A renewal lets something start that could not otherwise: what forbids grants forbids it.
  if (snapshot.brakes && canGrant(snapshot, nowMs)) decisions.push({ kind: 'renew' });
  decisions.push(wake(snapshot, nowMs, deadlines));
  return decisions;
}

/** Membership `dynamic`: open for those who match later, until its deadline or until a person completes it. */
function staysOpen(policy: Policy): boolean {
  return policy.membership === 'dynamic';
}

function allButLast(snapshot: CampaignSnapshot, holds: (stage: StageSnapshot) => boolean): boolean {
  return snapshot.stages.slice(0, -1).every(holds);
}

/** What the brake does to parts of the campaign. */
function brakeDecisions(snapshot: CampaignSnapshot): Decision[] {
  return [
    ...(snapshot.brakes?.strata ?? []).map((stratum): Decision => ({
      kind: 'stop-stratum',
      stratum: stratum.index,
      note: stratum.note,
    })),
    ...(snapshot.brakes?.quarantine ?? []).map((found): Decision => ({ kind: 'quarantine', found })),
  ];
}

interface StageOutcome {
  readonly decisions: Decision[];
  readonly grants: boolean;
  readonly passed: boolean;
  readonly failed?: string;
  readonly deadlineAtMs: number | null;
  readonly soakUntilMs: number | null;
}

function advanceStage(
  stage: StageSnapshot,
  earlierPassed: boolean,
  last: boolean,
  { policy, deadlineAtMs: campaignDeadlineAtMs }: Pick<CampaignSnapshot, 'policy' | 'deadlineAtMs'>,
  nowMs: number,
): StageOutcome {
  const rules = policy.stages[stage.index]!;
  const shut: StageOutcome = { decisions: [], grants: false, passed: false, deadlineAtMs: null, soakUntilMs: null };
  if (stage.state === 'passed') return keepPassed(stage, rules, shut);
  if (stage.state === 'failed' || stage.state === 'held') return shut;
  if (stage.state === 'pending' && !earlierPassed) return shut;

  const decisions: Decision[] = [];
  let deadlineAtMs = stage.deadlineAtMs;
  const endless = last && staysOpen(policy);
  if (stage.state === 'pending') {
    deadlineAtMs = endless && campaignDeadlineAtMs !== null ? campaignDeadlineAtMs : nowMs + rules.deadlineMs;
    decisions.push({ kind: 'open-stage', stage: stage.index, deadlineAtMs });
  }
  if (!endless && isEmpty(stage)) {
    // Nobody in it to judge: the gate of the stage before it is the one that counts.
    decisions.push({ kind: 'pass-stage', stage: stage.index, note: 'no devices' });
    return { ...shut, decisions, passed: true };
  }
  const verdict = judgeGate(stage.sums, rules.gate, stage.forgiven, stage.untriedStrata);
  if (verdict.kind === 'fails') {
    const note = gateFailed(rules, verdict.share);
    decisions.push({ kind: 'fail-stage', stage: stage.index, note });
    return { ...shut, decisions, failed: note };
  }
  // Whatever is known now, those who join later go through the same gate: it may fail, and passes with the campaign.
  if (endless) return { decisions, grants: true, passed: false, deadlineAtMs, soakUntilMs: null };
  if (verdict.kind === 'cannot-tell') {
    const note = whyShut(stage, rules, verdict.known, policy);
    decisions.push({ kind: last ? 'fail-stage' : 'hold-stage', stage: stage.index, note });
    return { ...shut, decisions };
  }
  if (verdict.kind === 'holds') {
    // An open stage with an end of soak was held for an approval: it has soaked.
    const soakUntilMs = stage.soakUntilMs ?? nowMs + rules.gate.soakMs;
    if (nowMs >= soakUntilMs) {
      if (rules.gate.approval && !stage.approved) {
        decisions.push({ kind: 'hold-stage', stage: stage.index, note: WAITS_FOR_APPROVAL });
        return { ...shut, decisions };
      }
      decisions.push({ kind: 'pass-stage', stage: stage.index, note: null });
      return { ...shut, decisions, grants: true, passed: true };
    }
    if (stage.state !== 'soaking') {
      decisions.push({ kind: 'soak-stage', stage: stage.index, untilMs: soakUntilMs, share: verdict.share });
    }
    return { decisions, grants: true, passed: false, deadlineAtMs, soakUntilMs };
  }
  if (deadlineAtMs !== null && nowMs >= deadlineAtMs) {
    decisions.push({ kind: 'hold-stage', stage: stage.index, note: pastDeadline(stage, policy) });
    return { ...shut, decisions };
  }
  if (stage.state === 'soaking') decisions.push({ kind: 'reopen-stage', stage: stage.index });
  return { decisions, grants: true, passed: false, deadlineAtMs, soakUntilMs: null };
}

function isEmpty({ sums }: StageSnapshot): boolean {
  return sums.total - sums.skipped - sums.cancelled === 0;
}

/** What a person has to know where the gate can never be evaluated: what is missing, and what can be done (P11). */
function whyShut(stage: StageSnapshot, rules: StagePolicy, known: number, policy: Policy): string {
  const missing =
    known < rules.gate.minKnown
      ? `too few results are known: ${known} of ${rules.gate.minKnown}`
      : `no result is known of devices that ran ${stage.untriedStrata.join(', ')}`;
  return `${missing}${unprovenSaid(stage, policy)}`;
}

function pastDeadline({ sums, ...stage }: StageSnapshot, policy: Policy): string {
  const waits = sums.unresolved + sums.suspect;
  const left = waits > 0 ? `: ${sums.known} known, ${waits} without a result` : '';
  return `past its deadline${left}${unprovenSaid({ sums, ...stage }, policy)}`;
}

function unprovenSaid({ sums }: StageSnapshot, policy: Policy): string {
  if (sums.unproven === 0 || policy.acceptUnproven) return '';
  return (
    `; ${sums.unproven} ended unproven, which is no result unless a person says so: ` +
    'resume with acceptUnproven to take unproven as known and not failed, or abort'
  );
}

/** Reverts count against a stage that has passed already: its gate is armed again. */
function keepPassed(stage: StageSnapshot, rules: StagePolicy, shut: StageOutcome): StageOutcome {
  const verdict = judgeGate(stage.sums, rules.gate, stage.forgiven, []);
  if (stage.sums.reverted === 0 || verdict.kind !== 'fails') return { ...shut, grants: true, passed: true };
  const note = gateFailed(rules, verdict.share);
  const decisions: Decision[] = [
    { kind: 'reopen-stage', stage: stage.index },
    { kind: 'fail-stage', stage: stage.index, note },
  ];
  return { ...shut, decisions, failed: note };
}

function gateFailed(rules: StagePolicy, share: number): string {
  return `stage ${rules.name}: failure share ${percent(share)} is over ${percent(rules.gate.maxFailureShare)}`;
}

function stageAfter(stage: StageSnapshot, decisions: readonly Decision[]): StageState {
  return decisions.some((decision) => decision.kind === 'pass-stage' && decision.stage === stage.index)
    ? 'passed'
    : stage.state;
}

function decideAborting(snapshot: CampaignSnapshot, nowMs: number): Decision[] {
  const decisions: Decision[] = [];
  const planned = total(snapshot, (sums) => sums.planned);
  const rescue = total(snapshot, (sums) => sums.rescue);
  if (planned > 0) decisions.push({ kind: 'cancel-planned' });
  const leave =
    snapshot.policy.onAbort === 'leave' || (snapshot.deadlineAtMs !== null && nowMs >= snapshot.deadlineAtMs);
  if (rescue > 0 && leave) decisions.push({ kind: 'give-up-rescues' });
  const { onAbort } = snapshot.policy;
  if (rescue > 0 && !leave && typeof onAbort === 'object') {
    decisions.push({ kind: 'restore-rescues', artifactId: onAbort.restore });
  }
  if (snapshot.holding === 0 && (rescue === 0 || leave)) return [...decisions, { kind: 'aborted' }];
  if (!leave) decisions.push(...rescues(snapshot, nowMs));
  return [...decisions, wake(snapshot, nowMs, [])];
}

/** Rescues are granted even while paused: a device without an application gets nothing from waiting. */
function rescues(snapshot: CampaignSnapshot, nowMs: number): Decision[] {
  if (total(snapshot, (sums) => sums.rescue) === 0 || !canGrant(snapshot, nowMs)) return [];
  const room = snapshot.policy.limits.inFlight - snapshot.holding;
  if (room <= 0) return [];
  return [{ kind: 'grant', mode: 'rescue', room, stages: snapshot.stages.map((stage) => stage.index) }];
}

function updates(snapshot: CampaignSnapshot, stages: readonly number[], nowMs: number): Decision | undefined {
  if (stages.length === 0 || !snapshot.brakes || !canGrant(snapshot, nowMs)) return undefined;
  const planned = snapshot.stages.reduce(
    (sum, stage) => sum + (stages.includes(stage.index) ? stage.sums.planned : 0),
    0,
  );
  const room = Math.min(roomInFlight(snapshot), Math.floor(snapshot.startTokens), planned, roomUnproven(snapshot));
  return room > 0 ? { kind: 'grant', mode: 'update', room, stages } : undefined;
}

export function roomInFlight(snapshot: Pick<CampaignSnapshot, 'inFlightMax' | 'holding'>): number {
  return Math.max(0, snapshot.inFlightMax - snapshot.holding);
}

/** Results that stand unproven, and those under way that may become so, stay below the policy's number. */
function roomUnproven(snapshot: CampaignSnapshot): number {
  const { unproven } = snapshot.policy.limits;
  if (unproven === undefined) return Number.MAX_SAFE_INTEGER;
  return Math.max(0, unproven - total(snapshot, (sums) => sums.unproven) - snapshot.holding);
}

function canGrant(snapshot: CampaignSnapshot, nowMs: number): boolean {
  return snapshot.blobPresent && (snapshot.settlingUntilMs === null || snapshot.settlingUntilMs <= nowMs);
}

function wake(snapshot: CampaignSnapshot, nowMs: number, deadlines: readonly (number | null)[]): Decision {
  const planned = total(snapshot, (sums) => sums.planned + sums.rescue);
  const times = [nowMs + (planned > 0 ? BUSY_WAKE_MS : IDLE_WAKE_MS), snapshot.nextDueMs, snapshot.settlingUntilMs];
  if (snapshot.startTokens < 1) times.push(snapshot.nextTokenMs);
  const due = [...times, ...deadlines].filter((time): time is number => time !== null && time > nowMs);
  return { kind: 'wake', atMs: Math.min(...due) };
}

function total(snapshot: CampaignSnapshot, of: (sums: Sums) => number): number {
  return snapshot.stages.reduce((sum, stage) => sum + of(stage.sums), 0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
