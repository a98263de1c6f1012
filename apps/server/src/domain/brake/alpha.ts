/**
 * One error level shared by all tests that can ring: alpha is the probability that a campaign is *ever* halted
 * although every device tried stayed within its limit. Split in advance, a union bound holds whatever the
 * dependence. (Averaging running maxima over strata, or e-BH on them, would keep no promise: arXiv 2501.19360.)
 */
import { InvariantError } from '@drydock/dfu-core';

export const DEFAULT_ALPHA = 0.01;
/** Expected number of gateways (or sites) quarantined falsely in a campaign; a budget of its own. */
export const QUARANTINE_BUDGET = 0.05;

export const ALPHA_SHARES = { campaign: 0.6, model: 0.15, version: 0.15, overdue: 0.05, transport: 0.05 } as const;

export type AlphaTest = keyof typeof ALPHA_SHARES;
/** Tests of coverage strata: per model, and per previous version. */
export type StratumKind = 'model' | 'version';

/**
 * How the share of a kind of stratum is divided inside. `frozen`: all strata are known at the start, 1/G each.
 * `growing`: more may appear, 1/(j(j+1)) for the j-th in order of first grant, which sums to 1.
 */
export type StrataSplit =
  { readonly membership: 'frozen'; readonly strata: number } | { readonly membership: 'growing' };

/**
 * Weight of one stratum inside its kind. @param index place in the order of first grant, from 1.
 * @returns 0 for a stratum beyond those that a frozen split knew: it has no test of its own. @throws InvariantError
 */
export function stratumWeight(split: StrataSplit, index: number): number {
  if (!(Number.isSafeInteger(index) && index >= 1)) throw new InvariantError(`the index of a stratum is ${index}`);
  if (split.membership === 'growing') return 1 / (index * (index + 1));
  if (!(Number.isSafeInteger(split.strata) && split.strata >= 0))
    throw new InvariantError(`the number of strata is ${split.strata}`);
  return index <= split.strata ? 1 / split.strata : 0;
}

/** alpha of one test; `weight` only for strata. */
export function alphaOf(test: AlphaTest, alpha: number, weight = 1): number {
  return alpha * ALPHA_SHARES[test] * weight;
}

/** alpha of one gateway's (or site's) own test, of so many in the campaign. */
export function quarantineAlpha(holders: number, budget = QUARANTINE_BUDGET): number {
  if (!(holders >= 1)) throw new InvariantError(`a campaign over ${holders} gateways or sites`);
  return budget / holders;
}

/**
 * How many counted failures of one gateway enter the campaign's tests, so that one gateway cannot halt it.
 * @param gateways planned in the campaign. @returns null for no cap.
 */
export function gatewayCap(gateways: number): number | null {
  if (gateways >= 20) return 2;
  return gateways >= 5 ? 3 : null;
}
