/**
 * How fast a campaign may start devices: `r(u) = min(rmax, r0 * 2^(u/d))`, u = minutes the campaign was open, not
 * paused, not held and not amber. The allowance is integrated exactly, so that no length of a tick makes it drift.
 */
import { InvariantError } from '@drydock/dfu-core';

export interface PaceRule {
  /** r0, starts a minute at the beginning; > 0. */
  readonly startPerMinute: number;
  /** d, minutes in which the rate doubles; > 0. */
  readonly doublingMinutes: number;
  /** rmax; at least r0. */
  readonly maxPerMinute: number;
}

export const DEFAULT_PACE: PaceRule = { startPerMinute: 10, doublingMinutes: 30, maxPerMinute: 200 };

/** r(u), starts a minute. @throws InvariantError for a rule or time that is none. */
export function rateAt(rule: PaceRule, minutes: number): number {
  const fullAt = minutesToFull(rule);
  checkMinutes(minutes);
  return minutes >= fullAt ? rule.maxPerMinute : rule.startPerMinute * 2 ** (minutes / rule.doublingMinutes);
}

/** u1: minutes until the rate is at its most. */
export function minutesToFull(rule: PaceRule): number {
  const { startPerMinute: r0, doublingMinutes: d, maxPerMinute: rmax } = rule;
  if (!(r0 > 0 && d > 0 && rmax >= r0 && Number.isFinite(rmax) && Number.isFinite(d)))
    throw new InvariantError(`a pace of ${r0} doubling each ${d} min up to ${rmax}`);
  return d * Math.log2(rmax / r0);
}

/** A(u): starts allowed in the first u minutes, cumulative. */
export function allowance(rule: PaceRule, minutes: number): number {
  const fullAt = minutesToFull(rule);
  checkMinutes(minutes);
  const { startPerMinute: r0, doublingMinutes: d, maxPerMinute: rmax } = rule;
  const growing = ((r0 * d) / Math.LN2) * Math.expm1((Math.min(minutes, fullAt) / d) * Math.LN2);
  return growing + rmax * Math.max(0, minutes - fullAt);
}

/** What is stored between ticks. */
export interface PaceState {
  /** Starts that may happen now; a fraction is kept. */
  readonly tokens: number;
  /** u, minutes open so far. */
  readonly openMinutes: number;
}

/** Full: one minute's rate may start at once. */
export function newPace(rule: PaceRule): PaceState {
  return { tokens: rateAt(rule, 0), openMinutes: 0 };
}

/**
 * The bucket after some time open. Its size is one minute's rate (at least one start).
 * @param elapsedMinutes since the last tick in which the campaign was open; a clock that went back counts as 0.
 * @param amber the rate does not grow: tokens come at the present rate, and u stands still.
 */
export function refill(rule: PaceRule, state: PaceState, elapsedMinutes: number, amber = false): PaceState {
  const elapsed = Math.max(0, elapsedMinutes);
  const before = state.openMinutes;
  const after = amber ? before : before + elapsed;
  const more = amber ? rateAt(rule, before) * elapsed : allowance(rule, after) - allowance(rule, before);
  const burst = Math.max(1, rateAt(rule, after));
  return { tokens: Math.min(burst, state.tokens + more), openMinutes: after };
}

/** Takes started grants out of the bucket; rescues and renewals take none. */
export function spend(state: PaceState, grants: number): PaceState {
  return { ...state, tokens: Math.max(0, state.tokens - grants) };
}

/**
 * The alternative that AWS IoT Jobs has (exponentialRate): a base rate, times a factor for every B results.
 */
export interface StepwisePace {
  readonly basePerMinute: number;
  readonly factor: number;
  /** B proven successes a step. */
  readonly provenPerStep: number;
  readonly maxPerMinute: number;
}

/** Starts a minute after so many proven. @throws InvariantError for a rule that is none. */
export function stepwiseRate(rule: StepwisePace, proven: number): number {
  const { basePerMinute, factor, provenPerStep, maxPerMinute } = rule;
  if (!(basePerMinute > 0 && factor >= 1 && provenPerStep >= 1 && maxPerMinute >= basePerMinute && proven >= 0))
    throw new InvariantError(`a stepwise pace of ${basePerMinute} times ${factor} each ${provenPerStep}`);
  return Math.min(maxPerMinute, basePerMinute * factor ** Math.floor(proven / provenPerStep));
}

/** As {@link refill}, at the stepwise rate; amber holds the step where it was (`proven` of the last quiet tick). */
export function refillStepwise(
  rule: StepwisePace,
  state: PaceState,
  elapsedMinutes: number,
  proven: number,
): PaceState {
  const elapsed = Math.max(0, elapsedMinutes);
  const rate = stepwiseRate(rule, proven);
  return {
    tokens: Math.min(Math.max(1, rate), state.tokens + rate * elapsed),
    openMinutes: state.openMinutes + elapsed,
  };
}

/** Minutes until a whole token is there, for the time at which "the pace" stops being the reason. 0: now. */
export function minutesToToken(rule: PaceRule, state: PaceState): number {
  if (state.tokens >= 1) return 0;
  const wanted = allowance(rule, state.openMinutes) + 1 - state.tokens;
  const fullAt = minutesToFull(rule);
  const atFull = allowance(rule, fullAt);
  const { startPerMinute: r0, doublingMinutes: d, maxPerMinute: rmax } = rule;
  const open = wanted <= atFull ? d * Math.log2(1 + (wanted * Math.LN2) / (r0 * d)) : fullAt + (wanted - atFull) / rmax;
  return Math.max(0, open - state.openMinutes);
}

function checkMinutes(minutes: number): void {
  if (!(minutes >= 0 && Number.isFinite(minutes))) throw new InvariantError(`a campaign open for ${minutes} min`);
}
