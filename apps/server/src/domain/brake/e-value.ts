/**
 * The brake's one statistic: how strongly s failures in n trials speak against "each trial fails with
 * probability at most the limit".
 *
 * Eight simple bets at fixed odds ratios share the stake equally: a finite mixture of Wald's likelihood ratios
 * (Wald 1945; Robbins 1970), a test martingale under the limit, so that by Ville's inequality (1939) it ever
 * reaches 1/alpha with probability at most alpha, however often somebody looks. Logarithms are natural
 * throughout: E itself overflows.
 */
import { InvariantError } from '@drydock/dfu-core';

/** Odds ratios that are bet on. Fixed: changing them changes every stored figure. */
export const BET_ODDS = [1.5, 2, 3, 5, 8, 16, 64, 1024] as const;

/** Trials of one limit, where the devices of a prefix have several. */
export interface LimitedTrials {
  readonly limit: number;
  readonly trials: number;
}

/** ln E for s failures (weights in [0,1] may be summed: the betting form, arXiv 2010.09686) in n trials. */
export type LogEvidence = (failures: number, trials: number) => number;

/**
 * ln E against one limit, prepared once: cheap to ask for many prefixes.
 * @param limit probability of failure that is still allowed, in (0, 1).
 * @throws InvariantError for a limit outside (0, 1); an answer asked with numbers that are none, too.
 */
export function logEvidence(limit: number): LogEvidence {
  checkLimit(limit);
  const losses = BET_ODDS.map((odds) => Math.log1p((odds - 1) * limit));
  return (failures, trials) => {
    checkCounts(failures, trials);
    return mixture(failures, (bet) => trials * losses[bet]!);
  };
}

/** ln E for s failures in n trials against one limit. @throws InvariantError as {@link logEvidence}. */
export function logEValue(failures: number, trials: number, limit: number): number {
  return logEvidence(limit)(failures, trials);
}

/** ln E where the trials of the prefix have different limits (one entry a limit). @throws InvariantError */
export function logEValueMixed(failures: number, groups: readonly LimitedTrials[]): number {
  let trials = 0;
  for (const group of groups) {
    checkLimit(group.limit);
    checkCounts(0, group.trials);
    trials += group.trials;
  }
  checkCounts(failures, trials);
  return mixture(failures, (bet) =>
    groups.reduce((sum, group) => sum + group.trials * Math.log1p((BET_ODDS[bet]! - 1) * group.limit), 0),
  );
}

/** Where failures, in the order of granting, are known with the trials of each limit up to them. */
export interface MixedPrefix {
  /** Sum of the weights of the counted failures up to here. */
  readonly failures: number;
  readonly groups: readonly LimitedTrials[];
}

/** The largest ln E over prefixes with mixed limits; undefined without prefixes. @throws InvariantError */
export function largestMixedEvidence(prefixes: readonly MixedPrefix[]): number | undefined {
  let largest: number | undefined;
  for (const prefix of prefixes) {
    const value = logEValueMixed(prefix.failures, prefix.groups);
    if (largest === undefined || value > largest) largest = value;
  }
  return largest;
}

/** ln of the bar 1/alpha. Infinite for alpha 0: a test without a share never rings. */
export function logBar(alpha: number): number {
  if (!(alpha >= 0 && alpha <= 1)) throw new InvariantError(`alpha is ${alpha}, not in [0, 1]`);
  return -Math.log(alpha);
}

function mixture(failures: number, loss: (bet: number) => number): number {
  const exponents = BET_ODDS.map((odds, bet) => failures * Math.log(odds) - loss(bet) - Math.log(BET_ODDS.length));
  return logSumExp(exponents);
}

/** ln of the sum of exponentials, stable for exponents of any size. */
export function logSumExp(exponents: readonly number[]): number {
  const largest = exponents.reduce((max, value) => Math.max(max, value), -Infinity);
  if (!Number.isFinite(largest)) return largest;
  return largest + Math.log(exponents.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

function checkLimit(limit: number): void {
  if (!(limit > 0 && limit < 1)) throw new InvariantError(`the limit of the brake is ${limit}, not in (0, 1)`);
}

function checkCounts(failures: number, trials: number): void {
  if (!(failures >= 0 && trials >= 0 && Number.isFinite(failures) && Number.isFinite(trials)))
    throw new InvariantError(`the brake counts ${failures} failures in ${trials} trials`);
}
