/**
 * Failure rates that do not mislead while results are still coming in: fast ones finish first, so "failed of
 * finished" says too little (when failures are timeouts) or too much (when they come at once).
 */
import { InvariantError } from '@drydock/dfu-core';
import { wilsonInterval, type Interval } from './wilson.js';

export interface RateWithInterval {
  readonly bad: number;
  readonly of: number;
  /** undefined without trials. */
  readonly rate: number | undefined;
  readonly interval: Interval;
}

/** bad / (good + bad), by device. Unproven, unknown and in flight are numbers beside it. */
export function failureRate(bad: number, good: number): RateWithInterval {
  const of = bad + good;
  return { bad, of, rate: of === 0 ? undefined : bad / of, interval: wilsonInterval(bad, of) };
}

/** A device by its age (since the grant) and how its result came; times in any one unit. */
export interface AgedTrial {
  readonly age: number;
  /** Age at the result; null while unresolved. */
  readonly resolvedAtAge: number | null;
  /** Only looked at where it is resolved. */
  readonly failed: boolean;
}

/** What a screen shows: the devices granted longer ago than T, the 99th percentile of time to a result. */
export interface MaturedCohort extends RateWithInterval {
  readonly matured: number;
  /** Matured, and still without a result: of the 1 % that take longer, or lost. */
  readonly unresolved: number;
}

export function maturedCohort(trials: Iterable<AgedTrial>, maturityAge: number): MaturedCohort {
  let [bad, good, unresolved] = [0, 0, 0];
  for (const trial of trials) {
    if (!(trial.age >= maturityAge)) continue;
    if (trial.resolvedAtAge === null) unresolved += 1;
    else if (trial.failed) bad += 1;
    else good += 1;
  }
  return { ...failureRate(bad, good), matured: bad + good + unresolved, unresolved };
}

export interface IncidencePoint {
  readonly age: number;
  /** Estimated share that has failed by this age. */
  readonly failed: number;
  readonly atRisk: number;
}

/**
 * The Aalen-Johansen curve of failure by age (Aalen & Johansen 1978), with success as the competing end: the sum
 * over ages of *still unresolved share* x *failures at that age / at risk*. Blind to failures older than any device.
 * @returns a point for each age at which something failed, ascending. @throws InvariantError for ages that are none.
 */
export function cumulativeIncidence(trials: readonly AgedTrial[]): IncidencePoint[] {
  const exits = trials.map(({ age, resolvedAtAge, failed }) => {
    const at = resolvedAtAge ?? age;
    if (!(at >= 0 && at <= age)) throw new InvariantError(`a result at age ${at} of a device aged ${age}`);
    return { at, kind: resolvedAtAge === null ? 'censored' : failed ? 'failed' : 'good' } as const;
  });
  exits.sort((a, b) => a.at - b.at);
  const points: IncidencePoint[] = [];
  let [unresolvedShare, incidence, index] = [1, 0, 0];
  while (index < exits.length) {
    const age = exits[index]!.at;
    const atRisk = exits.length - index;
    let [failed, ended] = [0, 0];
    for (; index < exits.length && exits[index]!.at === age; index++) {
      if (exits[index]!.kind === 'failed') failed += 1;
      if (exits[index]!.kind !== 'censored') ended += 1;
    }
    incidence += (unresolvedShare * failed) / atRisk;
    unresolvedShare *= 1 - ended / atRisk;
    if (failed > 0) points.push({ age, failed: incidence, atRisk });
  }
  return points;
}

/** `bad/tried .. (bad + unresolved)/tried`: always true. All of [0, 1] before anything is tried. */
export function hardBounds(bad: number, unresolved: number, tried: number): Interval {
  if (!(bad >= 0 && unresolved >= 0 && tried >= bad + unresolved))
    throw new InvariantError(`${bad} bad and ${unresolved} unresolved of ${tried} tried`);
  return tried === 0 ? { low: 0, high: 1 } : { low: bad / tried, high: (bad + unresolved) / tried };
}
