/**
 * Partial pooling: a gateway (or model) with little history is believed little, and pulled towards its parent:
 * `mu_g = (h*mean_g + k*mu)/(h + k)` with k = variance inside / variance between, and drawn from
 * N(mu_g, variance inside/(h + k)). One with no history at all is drawn from what its likes show.
 */
import { InvariantError } from '@drydock/dfu-core';
import { drawNormal, type Random } from './draws.js';

/** What was seen of one gateway or model, on a scale on which a normal makes sense (log rate, log-odds). */
export interface GroupHistory {
  readonly id: string;
  /** h, observations. */
  readonly count: number;
  readonly mean: number;
  /** Sum of squares about its own mean. */
  readonly sumSquares: number;
}

/** What is taken where history is too thin. */
export interface Prior {
  readonly mean: number;
  /** Standard deviation inside a group. */
  readonly insideSd: number;
  /** Standard deviation between groups. */
  readonly betweenSd: number;
}

export interface Hierarchy {
  readonly mean: number;
  readonly insideVariance: number;
  readonly betweenVariance: number;
  readonly groups: ReadonlyMap<string, GroupHistory>;
  /** True where any of the numbers is the prior's: shown as "defaults". */
  readonly usesDefaults: boolean;
}

/** Degrees of freedom below which the prior's variance stands. */
const LEAST_DEGREES = 10;
const LEAST_GROUPS = 3;
/** So that no group is ever believed to be exactly like its parent. */
const LEAST_BETWEEN = 0.01;

/** Variances by analysis of variance (one way, unequal sizes). @throws InvariantError for numbers that are none. */
export function fitHierarchy(histories: readonly GroupHistory[], prior: Prior): Hierarchy {
  const groups = histories.filter((group) => group.count > 0);
  for (const { id, count, mean, sumSquares } of groups)
    if (!(Number.isFinite(count) && Number.isFinite(mean) && sumSquares >= 0 && Number.isFinite(sumSquares)))
      throw new InvariantError(`the history of ${id} holds numbers that are none`);
  const total = sum(groups, (group) => group.count);
  const degrees = total - groups.length;
  const inside = degrees >= LEAST_DEGREES ? sum(groups, (group) => group.sumSquares) / degrees : prior.insideSd ** 2;
  const insideVariance = Math.max(inside, 1e-12);
  const mean = total > 0 ? sum(groups, (group) => group.count * group.mean) / total : prior.mean;
  let betweenVariance = prior.betweenSd ** 2;
  if (groups.length >= LEAST_GROUPS) {
    const squares = sum(groups, (group) => group.count * (group.mean - mean) ** 2);
    const size = (total - sum(groups, (group) => group.count ** 2) / total) / (groups.length - 1);
    betweenVariance = (squares / (groups.length - 1) - insideVariance) / size;
  }
  // A parent's mean is better when the groups weigh alike, once they are known to differ.
  betweenVariance = Math.max(betweenVariance, LEAST_BETWEEN * insideVariance);
  const weights = (group: GroupHistory) => 1 / (betweenVariance + insideVariance / group.count);
  return {
    mean: total > 0 ? sum(groups, (group) => weights(group) * group.mean) / sum(groups, weights) : mean,
    insideVariance,
    betweenVariance,
    groups: new Map(groups.map((group) => [group.id, group])),
    usesDefaults: degrees < LEAST_DEGREES || groups.length < LEAST_GROUPS,
  };
}

export interface ShrunkMean {
  readonly mean: number;
  readonly variance: number;
}

/** What is believed of one group's mean. */
export function shrunk(hierarchy: Hierarchy, id: string): ShrunkMean {
  const { mean, insideVariance, betweenVariance } = hierarchy;
  const k = insideVariance / betweenVariance;
  const group = hierarchy.groups.get(id);
  const h = group?.count ?? 0;
  return { mean: (h * (group?.mean ?? 0) + k * mean) / (h + k), variance: insideVariance / (h + k) };
}

/** One draw of a group's mean; once a run. */
export function drawGroupMean(hierarchy: Hierarchy, id: string, random: Random): number {
  const { mean, variance } = shrunk(hierarchy, id);
  return mean + Math.sqrt(variance) * drawNormal(random);
}

function sum(groups: readonly GroupHistory[], of: (group: GroupHistory) => number): number {
  return groups.reduce((total, group) => total + of(group), 0);
}
