/** The limit that a campaign is judged by, tightened where the model's own history is better than the policy asks. */
import { InvariantError } from '@drydock/dfu-core';

export interface PastCampaign {
  readonly failed: number;
  readonly tried: number;
  readonly halted: boolean;
  /** For the order; larger is later. */
  readonly endedAtMs: number;
}

/** Campaigns needed before history speaks, so that a healthy one exceeds them all with probability 1/(m+1). */
export const LEAST_HISTORY = 9;
const MOST_HISTORY = 19;
const ODDS_FACTOR = 2;
const LOWEST_LIMIT = 0.005;

export interface EffectiveLimit {
  readonly limit: number;
  /** `policy`: too little history, or history is no better. */
  readonly source: 'policy' | 'history';
  /** Campaigns that it rests on. */
  readonly campaigns: number;
}

/**
 * The limit to freeze when the campaign starts: twice the odds of the worst of the model's latest campaigns that
 * completed without a halt, never above the policy's. With at least nine of them, all exchangeable, a further
 * healthy campaign exceeds their largest rate with probability at most 1/(m+1), whatever the distribution.
 * @throws InvariantError for a limit outside (0, 1).
 */
export function effectiveLimit(policyLimit: number, history: readonly PastCampaign[]): EffectiveLimit {
  if (!(policyLimit > 0 && policyLimit < 1)) throw new InvariantError(`the limit of the brake is ${policyLimit}`);
  const usable = history
    .filter((past) => !past.halted && past.tried > 0)
    .sort((a, b) => b.endedAtMs - a.endedAtMs)
    .slice(0, MOST_HISTORY);
  if (usable.length < LEAST_HISTORY) return { limit: policyLimit, source: 'policy', campaigns: usable.length };
  const largest = usable.reduce((max, past) => Math.max(max, Math.min(1, past.failed / past.tried)), 0);
  const tightened = Math.max(LOWEST_LIMIT, timesOdds(largest, ODDS_FACTOR));
  return tightened < policyLimit
    ? { limit: tightened, source: 'history', campaigns: usable.length }
    : { limit: policyLimit, source: 'policy', campaigns: usable.length };
}

/** The probability with `factor` times the odds. */
export function timesOdds(probability: number, factor: number): number {
  return (factor * probability) / (1 - probability + factor * probability);
}
