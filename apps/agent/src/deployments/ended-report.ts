/** The last report of an attempt, from what its session came to. */
import type { EndedReport } from '@drydock/contracts';
import { DrydockError, type UpdateOutcome } from '@drydock/dfu-core';
import type { Attempt } from './attempt.js';

type EndedDraft = Omit<EndedReport, 'seq'>;

const MAX_PARAM_CHARS = 512;
const MAX_PARAMS = 32;

/** @param durationMs since the attempt took the link. */
export function endedReport(
  attempt: Attempt,
  outcome: UpdateOutcome,
  facts: { readonly atMs: number | null; readonly durationMs: number; readonly overdue: boolean },
): EndedDraft {
  const { before, after } = outcome;
  const told = truthful(outcome, facts.overdue);
  return {
    kind: 'ended',
    ref: attempt.ref,
    atMs: facts.atMs,
    ...told,
    ...((after ?? before) && { identity: (after ?? before)!.identity, hardware: { ...(after ?? before)!.hardware } }),
    ...(before && { before: [...before.running].slice(0, 8) }),
    ...(after && { after: [...after.running].slice(0, 8) }),
    ...(attempt.alsoFailed.length > 0 && {
      alsoFailed: attempt.alsoFailed.map(({ code, detail }) => ({ code, detail })),
    }),
    touched: attempt.started,
    needsRescue: outcome.needsRescue,
    sentBytes: Math.max(0, Math.round(outcome.sentBytes)),
    durationMs: Math.max(0, Math.round(facts.durationMs)),
    ...attempt.measures.facts,
  };
}

/** An end without a session's outcome: an error, or the time after a restart ran out. */
export function failedOutcome(attempt: Attempt, error: unknown): UpdateOutcome {
  const said =
    error instanceof DrydockError
      ? error
      : new DrydockError('internal.invariant', { detail: error instanceof Error ? error.message : String(error) });
  return {
    outcome: 'failed',
    code: said.code,
    params: said.params,
    ...(attempt.before && { before: attempt.before }),
    sentBytes: attempt.sentBytes,
    needsRescue: isWithoutApplication(attempt),
  };
}

/**
 * Its application was erased, was not there when the attempt found it, or was told to leave (which units do whether or not
 * anybody stays to see it); nothing seen since says that one runs. A rescue that never looked knows what its grant says.
 */
export function isWithoutApplication(attempt: Attempt): boolean {
  if (attempt.steps.has('erased')) return true;
  if (attempt.sight) return attempt.sight === 'bootloader';
  if (attempt.wasLedOut) return true;
  return attempt.before ? attempt.before.mode === 'bootloader' : attempt.grant.mode === 'rescue';
}

function truthful(
  outcome: UpdateOutcome,
  overdue: boolean,
): Pick<EndedDraft, 'outcome' | 'code' | 'params' | 'reason'> {
  switch (outcome.outcome) {
    case 'proven':
      // Only an application that answered is proof, whatever a session says (P1).
      return outcome.after?.mode === 'application'
        ? { outcome: 'proven' }
        : { outcome: 'unproven', reason: 'image-not-readable' };
    case 'unproven':
    case 'skipped':
      return { outcome: outcome.outcome, reason: outcome.reason };
    case 'failed':
      return { outcome: 'failed', code: outcome.code, params: boundParams(outcome.params) };
    case 'cancelled':
      return overdue ? { outcome: 'failed', code: 'fence.phase', params: {} } : { outcome: 'cancelled' };
    case 'reverted':
      return { outcome: 'reverted' };
  }
}

function boundParams(
  params: Readonly<Record<string, string | number | boolean | null>>,
): NonNullable<EndedDraft['params']> {
  return Object.fromEntries(
    Object.entries(params)
      .slice(0, MAX_PARAMS)
      .map(([name, value]) => [
        name.slice(0, 64),
        typeof value === 'string' ? value.slice(0, MAX_PARAM_CHARS) : Number.isNaN(value) ? null : value,
      ]),
  );
}
