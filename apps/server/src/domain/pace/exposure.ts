/**
 * How many may be in flight. The loss at a halt is what is known to have failed plus p times what is in flight;
 * nothing statistical touches the second term, so exposure is *earned*: a brick release costs a dozen devices.
 */
import { InvariantError } from '@drydock/dfu-core';

export interface ExposureRule {
  /** I0: in flight before anything is proven. */
  readonly first: number;
  /** gamma: more in flight for each proven success. */
  readonly perProven: number;
  /** Never more than this. */
  readonly limit: number;
}

export const DEFAULT_EXPOSURE: ExposureRule = { first: 10, perProven: 1, limit: 200 };

/** @param proven successes of this brake epoch: a resume earns its exposure anew. @throws InvariantError */
export function inFlightMax(rule: ExposureRule, proven: number): number {
  if (!(rule.first >= 1 && rule.perProven >= 0 && rule.limit >= 1 && proven >= 0))
    throw new InvariantError(`an exposure of ${rule.first} + ${rule.perProven} * ${proven}, at most ${rule.limit}`);
  return Math.floor(Math.min(rule.limit, rule.first + rule.perProven * proven));
}

/**
 * Of the started devices, so many may be past their state's deadline before the campaign is halted: a tenth of what
 * may be in flight, but never fewer than two, as one gateway without power must not stop a canary.
 */
export function mostOverdue(inFlightMost: number): number {
  return Math.max(2, Math.floor(inFlightMost * 0.1));
}

/**
 * The most in flight for which a loss stays within a budget at a feared failure rate.
 * @param knownAtHalt failures known when the brake rings: 3 to 5 while exposure is earned.
 */
export function inFlightForLoss(budget: number, fearedRate: number, knownAtHalt = 5): number {
  if (!(fearedRate > 0 && fearedRate <= 1)) throw new InvariantError(`a feared failure rate of ${fearedRate}`);
  return Math.max(0, Math.floor((budget - knownAtHalt) / fearedRate));
}
