/**
 * P8: how long a deployment may stay in each state, and what comes then.
 *
 * Two times count. *Overdue*: the state took longer than the policy allows; what still can be called back is cancelled,
 * the rest is watched (it is "suspect" in the sums). *Over*: the end of the attempt is known without hearing of it (P3),
 * so the state ends. A timeout never ends an attempt that could still touch the device.
 */
import type { DeploymentState } from '@drydock/contracts';
import { CLOCK_MARGIN_MS } from '../clock-margin.js';
import type { DeploymentFacts } from './deployment.js';
import { overAt } from './silence.js';

export interface StateTimeouts {
  readonly downloadMs: number;
  readonly transferMs: number;
  readonly activateMs: number;
  readonly proveMs: number;
}

/** Reason of a cancellation that a timeout caused: the try counts as failed, and may be made again. */
export const OVERDUE = 'overdue';

type TimedFacts = Pick<DeploymentFacts, 'state' | 'stateAtMs' | 'startByMs' | 'finishByMs' | 'touchedAtMs'>;

export interface StateTimeout {
  /** The policy's time for the state, the clock margin included; null: it has none of its own. */
  readonly overdueAtMs: number | null;
  /** What is done when it is overdue: a cancellation of this kind, or nothing but watching. */
  readonly onOverdue: 'before-start' | 'safe-point' | 'watch';
  /** The state ends then, whatever is heard; null: the campaign has no deadline yet. */
  readonly overAtMs: number | null;
  readonly next: DeploymentState;
  /** Code of the result. */
  readonly code: 'deployment.lost' | 'order.cancelled' | 'fence.finish-by';
}

/**
 * @param campaignDeadlineMs when the campaign must be over; null before it starts.
 * @returns undefined for a state that is an end.
 */
export function timeoutOf(
  facts: TimedFacts,
  timeouts: StateTimeouts,
  campaignDeadlineMs: number | null,
): StateTimeout | undefined {
  const { state, stateAtMs, startByMs, touchedAtMs } = facts;
  const lost = { overAtMs: overAt(facts), next: 'lost', code: 'deployment.lost' } as const;
  const after = (limitMs: number, fromMs = stateAtMs): number => fromMs + limitMs + CLOCK_MARGIN_MS;
  switch (state) {
    case 'planned':
      return {
        overdueAtMs: null,
        onOverdue: 'watch',
        overAtMs: campaignDeadlineMs,
        next: 'cancelled',
        code: 'order.cancelled',
      };
    case 'rescue':
      return {
        overdueAtMs: null,
        onOverdue: 'watch',
        overAtMs: campaignDeadlineMs,
        next: 'failed',
        code: 'fence.finish-by',
      };
    case 'granted':
      // It cannot start any more, but whether it has is not known until the gateway says so.
      return { ...lost, overdueAtMs: (startByMs ?? stateAtMs) + CLOCK_MARGIN_MS, onOverdue: 'watch' };
    case 'downloading':
      return { ...lost, overdueAtMs: after(timeouts.downloadMs), onOverdue: 'before-start' };
    case 'transferring':
      return { ...lost, overdueAtMs: after(timeouts.transferMs, touchedAtMs ?? stateAtMs), onOverdue: 'safe-point' };
    case 'activating':
      // Behind the point of no return there is nothing to call back.
      return { ...lost, overdueAtMs: after(timeouts.activateMs), onOverdue: 'watch' };
    case 'proving':
      return { ...lost, overdueAtMs: after(timeouts.proveMs), onOverdue: 'watch' };
    case 'cancelling':
      return { ...lost, overdueAtMs: null, onOverdue: 'watch' };
    default:
      return undefined;
  }
}

export type TimeoutAction =
  | { readonly do: 'cancel'; readonly mode: 'before-start' | 'safe-point' }
  | { readonly do: 'end'; readonly next: DeploymentState; readonly code: StateTimeout['code'] };

/** What a timeout asks for now; undefined: nothing yet. Asking again after it was done asks for nothing. */
export function actionDue(
  facts: TimedFacts,
  timeouts: StateTimeouts,
  campaignDeadlineMs: number | null,
  nowMs: number,
): TimeoutAction | undefined {
  const timeout = timeoutOf(facts, timeouts, campaignDeadlineMs);
  if (!timeout) return undefined;
  const { overAtMs, overdueAtMs, onOverdue, next, code } = timeout;
  if (overAtMs !== null && nowMs >= overAtMs) return { do: 'end', next, code };
  if (onOverdue === 'watch' || overdueAtMs === null || nowMs < overdueAtMs) return undefined;
  return { do: 'cancel', mode: onOverdue };
}

/** Longer in its state than the policy allows. */
export function isOverdue(facts: TimedFacts, timeouts: StateTimeouts, nowMs: number): boolean {
  const overdueAtMs = timeoutOf(facts, timeouts, null)?.overdueAtMs ?? null;
  return overdueAtMs !== null && nowMs >= overdueAtMs;
}
