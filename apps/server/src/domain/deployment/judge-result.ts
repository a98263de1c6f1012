/** What the end of an attempt means: the proof rules, retries, and steps that are not the campaign's artifact. */
import {
  type Blame,
  type CampaignState,
  type DeploymentState,
  type Epoch,
  type Policy,
  type Report,
  type RetryPolicy,
  type RunningImageFact,
  compareRunning,
  whyNotRunning,
  whyUnproven,
  type ArtifactProof,
} from '@drydock/contracts';
import type { DeploymentFacts, DeploymentStep, DeviceFacts, Params } from './deployment.js';
import { factsOfCode, nextTryAt } from './retry.js';
import { OVERDUE } from './state-timeouts.js';

export type Ended = Extract<Report, { kind: 'ended' }>;
export type EndedFacts = 'outcome' | 'code' | 'params' | 'touched' | 'needsRescue' | 'sentBytes' | 'durationMs';
/** What a gateway measured of the link of an attempt. */
export type LinkFacts = Partial<Pick<Ended, 'rssiDbm' | 'lowestRssiDbm' | 'bytesPerSecond'>>;
/** What is judged of the end of an attempt, and what is only kept of it. */
export type EndedReport = Pick<Ended, EndedFacts> &
  Partial<Pick<Ended, 'reason' | 'identity' | 'before' | 'after'>> &
  LinkFacts;

export interface ReportContext {
  readonly nowMs: number;
  /** The epoch whose numbers the report carries, and its number. */
  readonly epoch: Epoch | string;
  readonly seq: number;
  /** Who says it (from the signature). */
  readonly gatewayId: string;
  readonly campaignState: CampaignState;
  readonly retry: RetryPolicy;
  /** Failed tries of the device before this one, by blame; left out, all its tries count for every blame. */
  readonly failedBefore?: Readonly<Partial<Record<Blame, number>>>;
  readonly onAbort: Policy['onAbort'];
  /** What the attempt was given: the campaign's artifact, or that of the deployment's step. */
  readonly artifact: ArtifactProof;
  /** Needed where the attempt was a step on the way. */
  readonly way?: Way | undefined;
  readonly device: DeviceFacts;
}

/** How a campaign's artifact is reached. */
export interface Way {
  /** Running versions that it may follow; empty: any. */
  readonly requires: readonly string[];
  /** Running version to the artifact that comes next. */
  readonly next: ReadonlyMap<string, string>;
}

/** The campaign grants no update any more. */
export const OVER: ReadonlySet<CampaignState> = new Set(['aborting', 'aborted', 'completed']);

/** It was called back because a state took longer than the policy allows, and the campaign goes on. */
export const calledBack = (facts: DeploymentFacts, context: ReportContext): boolean =>
  facts.state === 'cancelling' && facts.outcomeReason === OVERDUE && !OVER.has(context.campaignState);

export interface Verdict {
  readonly state: DeploymentState;
  readonly outcome: string;
  readonly code: string | null;
  readonly reason: string | null;
  readonly notBeforeMs: number | null;
  readonly params?: Params;
  /** The unit runs what it was to run, though that is not the campaign's artifact; what is granted next. */
  readonly arrived?: { readonly step: DeploymentStep | null };
}

/** @param facts with what the report says of the attempt. */
export function judgeResult(
  facts: DeploymentFacts,
  report: EndedReport,
  context: ReportContext,
  evidence: boolean,
): Verdict {
  const judged = judge(facts, report, context, evidence);
  return facts.step ? judgeStep(facts, facts.step, judged, report, context, evidence) : judged;
}

/** The first list that says anything: a unit found in its bootloader cannot tell what ran before. */
export function readable(
  ...lists: readonly (readonly RunningImageFact[] | null | undefined)[]
): readonly RunningImageFact[] | null {
  return lists.find((list) => list !== null && list !== undefined && list.length > 0) ?? null;
}

function judge(facts: DeploymentFacts, report: EndedReport, context: ReportContext, evidence: boolean): Verdict {
  const plain = (state: DeploymentState, reason: string | null = report.reason ?? null): Verdict => ({
    state,
    outcome: state,
    code: null,
    reason,
    notBeforeMs: null,
  });
  switch (report.outcome) {
    case 'proven': {
      const claim = {
        touched: report.touched,
        identity: report.identity,
        before: readable(report.before, facts.beforeRunning),
        after: report.after,
      };
      const why = whyUnproven(claim, context.artifact, context.device.identity);
      return why === undefined ? plain('proven', null) : plain('unproven', why);
    }
    case 'skipped': {
      // An earlier attempt of this deployment activated the image and did not hear back; it runs now.
      if (facts.atRisk && report.reason === 'already-running') {
        const sameUnit =
          report.identity?.kind === context.device.identity.kind &&
          report.identity.value === context.device.identity.value;
        const runs = whyNotRunning(facts.beforeRunning ?? [], report.after ?? report.before ?? [], context.artifact);
        return sameUnit && runs === undefined
          ? plain('proven', 'seen-on-retry')
          : plain('unproven', runs ?? 'identity-not-readable');
      }
      return plain('skipped', report.reason ?? 'unknown');
    }
    case 'unproven':
      return plain('unproven', report.reason ?? 'unknown');
    case 'cancelled':
      // A device that was cancelled without an application left is no finished device.
      if (facts.needsRescue) return afterFailure(facts, report.code ?? 'order.cancelled', context, evidence);
      return plain('cancelled');
    case 'reverted':
      return { ...plain('reverted'), code: report.code ?? 'target.reverted' };
    case 'failed':
      return afterFailure(facts, report.code ?? 'target.malformed-answer', context, evidence);
  }
}

/**
 * The same result where the attempt was given another artifact than the campaign's. A stone that runs leads to the next
 * step; what an abort restored is a device that went back. Neither may end as `unproven`: that would speak of the
 * campaign's artifact, so it counts as a try that did not succeed.
 */
function judgeStep(
  facts: DeploymentFacts,
  step: DeploymentStep,
  judged: Verdict,
  report: EndedReport,
  context: ReportContext,
  evidence: boolean,
): Verdict {
  const read = report.after ?? report.before ?? [];
  const already = judged.state === 'skipped' && judged.reason === 'already-running';
  const runs = judged.state === 'proven' || (already && compareRunning(read, context.artifact).startsWith('same'));
  if (runs && step.kind === 'restore') {
    return { ...judged, state: 'reverted', outcome: 'restored', code: null, reason: 'restored', arrived: { step } };
  }
  if (runs) return afterStone(facts, read, context);
  if (judged.state !== 'unproven' && !(judged.state === 'skipped' && (already || step.kind === 'restore')))
    return judged;
  const failed = afterFailure(facts, 'target.not-confirmed', context, evidence);
  return { ...failed, params: { detail: judged.reason ?? 'it was not read' } };
}

function afterStone(facts: DeploymentFacts, read: readonly RunningImageFact[], context: ReportContext): Verdict {
  const stepped = { outcome: 'stepped', code: null, reason: null, notBeforeMs: null };
  if (OVER.has(context.campaignState) || facts.state === 'cancelling') {
    return { ...stepped, state: 'cancelled', reason: 'campaign-ended', arrived: { step: null } };
  }
  const { requires, next } = context.way ?? { requires: [], next: new Map<string, string>() };
  const running = read.find((image) => image.image === 0)?.version ?? context.artifact.runningVersion ?? '';
  if (requires.length === 0 || requires.includes(running)) {
    return { ...stepped, state: 'planned', arrived: { step: null } };
  }
  const artifactId = next.get(running);
  if (artifactId !== undefined) {
    return { ...stepped, state: 'planned', arrived: { step: { kind: 'stone', artifactId } } };
  }
  const params = { running, wanted: requires.join(', ') };
  return { ...stepped, state: 'skipped', reason: 'requires', params, arrived: { step: null } };
}

/** Another try, a rescue, or the end. */
function afterFailure(facts: DeploymentFacts, code: string, context: ReportContext, evidence: boolean): Verdict {
  const failed: Verdict = { state: 'failed', outcome: 'failed', code, reason: null, notBeforeMs: null };
  if (evidence) return failed;
  const over = OVER.has(context.campaignState);
  const earlier = context.failedBefore?.[factsOfCode(code).blame];
  const tries = { all: facts.tries, ...(context.failedBefore && { ofFamily: (earlier ?? 0) + 1 }) };
  const seed = `${facts.id}:${facts.reign}:${facts.attempt}`;
  if (facts.needsRescue) {
    if (over && context.onAbort === 'leave') return failed;
    const at = nextTryAt(code, tries, context.retry, seed, context.nowMs);
    return at === undefined ? failed : { ...failed, state: 'rescue', notBeforeMs: at };
  }
  if (over || (facts.state === 'cancelling' && !calledBack(facts, context))) return failed;
  const at = nextTryAt(code, tries, context.retry, seed, context.nowMs);
  return at === undefined ? failed : { ...failed, state: 'planned', notBeforeMs: at };
}
