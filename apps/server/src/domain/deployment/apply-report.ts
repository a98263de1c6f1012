/**
 * What one report does to one deployment: the lifecycle table, the fences and the proof rules, without
 * any I/O. The ingest folds every report of a transaction through here; the wire model explores the same
 * function.
 */
import { type DeploymentState, type Report, type RunningImageFact } from '@drydock/contracts';
import { holdsGrant, isEnd, moveTo, type DeploymentFacts, type Params } from './deployment.js';
import {
  calledBack,
  judgeResult,
  OVER,
  readable,
  type Ended,
  type EndedFacts,
  type EndedReport,
  type LinkFacts,
  type ReportContext,
} from './judge-result.js';
import { factsOfCode } from './retry.js';

export type { ReportContext, Way } from './judge-result.js';

/** A report that names an attempt. */
export type AttemptReport = Exclude<Report, { kind: 'epoch-started' }>;
/** What to write into the row of the attempt. */
export interface AttemptPatch {
  readonly touchedAtMs?: number;
  readonly ended?: {
    readonly outcome: string;
    readonly code: string | null;
    readonly params: Params | null;
    readonly blame: string | null;
    readonly sentBytes: number | null;
    readonly durationMs: number | null;
  };
  /** What the gateway measured of the link; decides nothing. */
  readonly link?: LinkFacts;
}

/** What was read from the unit, for its row. */
export interface DevicePatch {
  readonly running?: readonly RunningImageFact[];
  readonly needsRescue?: boolean;
  /** Read in an attempt that was given up: says nothing once another campaign has tried the device. */
  readonly late?: boolean;
}

export type ReportEffect =
  | { readonly disposition: 'refused' | 'history'; readonly note: string; readonly ahead?: boolean }
  | {
      readonly disposition: 'applied';
      readonly note?: string;
      readonly next: DeploymentFacts;
      readonly attempt?: AttemptPatch;
      readonly device?: DevicePatch;
      /** The end of the attempt is known now: the device's fence falls. */
      readonly endKnown: boolean;
    };

const CHAIN: readonly DeploymentState[] = ['granted', 'downloading', 'transferring', 'activating', 'proving'];
/** Codes of an attempt that ended before anything was tried: a number, not a try. */
const UNUSED_CODES: ReadonlySet<string> = new Set([
  'fence.start-by',
  'order.withdrawn',
  'order.cancelled',
  'site.quiet-hours',
  'site.in-use',
  'site.battery',
]);

const refused = (note: string): ReportEffect => ({ disposition: 'refused', note });
const history = (note: string, ahead = false): ReportEffect => ({
  disposition: 'history',
  note,
  ...(ahead && { ahead }),
});

export function applyReport(facts: DeploymentFacts, report: AttemptReport, context: ReportContext): ReportEffect {
  if (facts.gatewayId !== null && facts.gatewayId !== context.gatewayId && sameAttempt(facts, report)) {
    return refused('not-your-attempt');
  }
  const { reign, attempt } = report.ref;
  if (reign > facts.reign || (reign === facts.reign && attempt > facts.attempt)) {
    return history('ahead', true);
  }
  if (!sameAttempt(facts, report)) return history('older-attempt');
  switch (report.kind) {
    case 'downloading':
      return step(facts, 'downloading', context, {});
    case 'touched':
      return step(facts, 'transferring', context, { before: report.before, ...linkOf(report) });
    case 'erased':
      return step(facts, 'transferring', context, { atRisk: true });
    case 'complete':
      return step(facts, 'transferring', context, {});
    case 'activating':
      return step(facts, 'activating', context, { atRisk: true });
    case 'proving':
      return step(facts, 'proving', context, {});
    case 'withdrawn':
      return withdraw(facts, report.why, context);
    case 'ended':
      return end(facts, report, context);
  }
}

function sameAttempt(facts: DeploymentFacts, report: AttemptReport): boolean {
  return report.ref.reign === facts.reign && report.ref.attempt === facts.attempt && facts.attempt > 0;
}

interface StepFacts {
  readonly atRisk?: boolean;
  readonly before?: readonly RunningImageFact[];
  readonly link?: LinkFacts;
}

const linkOf = ({ rssiDbm, lowestRssiDbm, bytesPerSecond }: LinkFacts): { link?: LinkFacts } =>
  rssiDbm === undefined && lowestRssiDbm === undefined && bytesPerSecond === undefined
    ? {}
    : {
        link: {
          ...(rssiDbm !== undefined && { rssiDbm }),
          ...(lowestRssiDbm !== undefined && { lowestRssiDbm }),
          ...(bytesPerSecond !== undefined && { bytesPerSecond }),
        },
      };

/** Moves forward along the chain, never back: reports of one attempt arrive in order, but states may be ahead. */
function step(facts: DeploymentFacts, to: DeploymentState, context: ReportContext, said: StepFacts): ReportEffect {
  const touches = to !== 'downloading';
  const known: DeploymentFacts = {
    ...facts,
    heard: true,
    touchedAtMs: touches ? (facts.touchedAtMs ?? context.nowMs) : facts.touchedAtMs,
    atRisk: facts.atRisk || (said.atRisk ?? false),
    atRiskAtMs: facts.atRiskAtMs ?? (said.atRisk ? context.nowMs : null),
    beforeRunning: readable(facts.beforeRunning, said.before),
  };
  const attempt: AttemptPatch | undefined =
    touches && facts.touchedAtMs === null
      ? { touchedAtMs: context.nowMs, ...(said.link && { link: said.link }) }
      : undefined;
  if (facts.state === 'lost') {
    // Late news of an attempt given up: kept as facts (it may be at risk), but only its end can correct the state.
    return { disposition: 'applied', note: 'after-lost', next: known, ...(attempt && { attempt }), endKnown: false };
  }
  if (isEnd(facts.state) || facts.state === 'planned' || facts.state === 'rescue') return history('after-end');
  if (facts.state === 'cancelling') {
    return { disposition: 'applied', next: known, ...(attempt && { attempt }), endKnown: false };
  }
  const target = CHAIN.indexOf(to);
  let moved = known;
  for (let at = CHAIN.indexOf(facts.state); at < target; at++) {
    const next = CHAIN[at + 1]!;
    // `granted` may go straight to `transferring`: a cached artifact is not downloaded.
    if (next === 'downloading' && target > at + 1) continue;
    moved = moveTo(moved, next, context.nowMs) ?? moved;
  }
  return { disposition: 'applied', next: moved, ...(attempt && { attempt }), endKnown: false };
}

/** The attempt never started and never will: a number, not a try. */
function withdraw(facts: DeploymentFacts, why: string, context: ReportContext): ReportEffect {
  if (facts.touchedAtMs !== null) return refused('withdrawn-after-touched');
  // The gateway has reported the attempt: who says that it never came is a copy of the card.
  if (why === 'never-arrived' && facts.heard) return refused('heard-of-already');
  if (calledBack(facts, context)) return settle(facts, NEVER_FETCHED, context);
  const evidence = facts.state === 'lost';
  if (!evidence && !holdsGrant(facts.state)) return history('after-end');
  if (evidence && facts.corrected) return history('corrected-already');
  const over = facts.cancelMode !== null || OVER.has(context.campaignState);
  const to: DeploymentState = over ? 'cancelled' : facts.needsRescue && !evidence ? 'rescue' : 'planned';
  // A device without an application stays in rescue even when the campaign is over, unless it is to be left.
  const target = over && facts.needsRescue && !evidence && context.onAbort !== 'leave' ? 'rescue' : to;
  const next = moveTo(facts, target, context.nowMs, evidence);
  if (!next) return history('after-end');
  return {
    disposition: 'applied',
    next: {
      ...next,
      unusedGrants: facts.unusedGrants + 1,
      startByMs: null,
      finishByMs: null,
      notBeforeMs: null,
      outcomeCode: isEnd(next.state) ? 'order.cancelled' : null,
      outcomeReason: isEnd(next.state) ? why : null,
      outcomeParams: null,
    },
    attempt: {
      ended: { outcome: 'withdrawn', code: null, params: null, blame: null, sentBytes: null, durationMs: null },
    },
    // The fence of an attempt that was given up has passed; one that stands now is another attempt's.
    endKnown: !evidence,
  };
}

function end(facts: DeploymentFacts, report: Ended, context: ReportContext): ReportEffect {
  if (isEnd(facts.state) && facts.corrected) return history('corrected-already');
  if (facts.state === 'planned' || facts.state === 'rescue') return history('after-end');
  const unused =
    report.outcome === 'failed' && !report.touched && facts.touchedAtMs === null && UNUSED_CODES.has(report.code ?? '');
  if (unused) return withdraw(facts, report.code ?? 'fence.start-by', context);
  const overdue = calledBack(facts, context) && (report.outcome === 'cancelled' || report.code === 'order.cancelled');
  return settle(facts, overdue ? { ...report, outcome: 'failed', code: 'fence.finish-by' } : report, context);
}

/** What stands for the end of an attempt whose download was called back. */
const NEVER_FETCHED: Pick<Ended, EndedFacts> = {
  outcome: 'failed',
  code: 'gateway.download',
  params: { detail: 'it took longer than downloadMs' },
  touched: false,
  needsRescue: false,
  sentBytes: 0,
  durationMs: 0,
};

/** The result of an attempt that was tried. */
function settle(facts: DeploymentFacts, report: EndedReport, context: ReportContext): ReportEffect {
  const evidence = isEnd(facts.state);
  const needsRescue = report.needsRescue || (facts.needsRescue && !report.touched);
  const tries = facts.tries + (evidence ? 0 : 1);
  const tried: DeploymentFacts = {
    ...facts,
    tries: evidence ? Math.max(1, facts.tries) : tries,
    touchedAtMs: facts.touchedAtMs ?? (report.touched ? context.nowMs : null),
    needsRescue,
    beforeRunning: readable(facts.beforeRunning, report.before),
    afterRunning: report.after ?? facts.afterRunning,
  };
  const verdict = judgeResult(tried, report, context, evidence);
  const moved = moveTo(tried, verdict.state, context.nowMs, evidence);
  if (!moved) return history('after-end');
  const settled = moved.state === 'proven' || moved.state === 'skipped' || verdict.arrived !== undefined;
  const rescue = needsRescue && verdict.arrived === undefined;
  return {
    disposition: 'applied',
    ...(verdict.outcome !== report.outcome && { note: `taken-as-${verdict.outcome}` }),
    next: {
      ...moved,
      needsRescue: rescue,
      // A step that was taken is no try of the next.
      tries: verdict.arrived && !isEnd(moved.state) ? 0 : moved.tries,
      step: verdict.arrived ? verdict.arrived.step : moved.step,
      atRisk: settled ? false : moved.atRisk || needsRescue,
      atRiskAtMs: settled ? null : (moved.atRiskAtMs ?? (needsRescue ? context.nowMs : null)),
      notBeforeMs: verdict.notBeforeMs,
      startByMs: null,
      finishByMs: null,
      cancelMode: isEnd(moved.state) ? moved.cancelMode : null,
      // A retry starts clean: what was touched belongs to the attempt that ended.
      touchedAtMs: isEnd(moved.state) ? moved.touchedAtMs : null,
      outcomeCode: verdict.code,
      outcomeReason: verdict.reason,
      outcomeParams: verdict.params ?? report.params ?? null,
      resultEpoch: context.epoch,
      resultSeq: context.seq,
    },
    attempt: {
      ...(tried.touchedAtMs !== null && facts.touchedAtMs === null && { touchedAtMs: tried.touchedAtMs }),
      ended: {
        outcome: verdict.outcome,
        code: verdict.code,
        params: verdict.params ?? report.params ?? null,
        blame:
          verdict.outcome === 'failed' || verdict.outcome === 'reverted' ? factsOfCode(verdict.code ?? '').blame : null,
        sentBytes: report.sentBytes,
        durationMs: report.durationMs,
      },
      ...linkOf(report),
    },
    device: {
      ...(report.after?.length
        ? { running: report.after }
        : !report.touched && report.before?.length
          ? { running: report.before }
          : {}),
      ...(report.touched || report.needsRescue || verdict.arrived ? { needsRescue: rescue } : {}),
      ...(evidence && { late: true }),
    },
    endKnown: !evidence,
  };
}
