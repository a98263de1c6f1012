/**
 * How many of n places each coverage stratum (model x previous version) gets: Webster's divisor rule (Sainte-Laguë)
 * with one free first seat. Every stratum is in the canary while places last, proportional afterwards, and
 * house-monotone: a larger n never takes a place away (Balinski & Young 1982; largest remainders are not).
 *
 * The j-th place of stratum g has the key 0 if j = 1, else (j - 1/2)/N_g; the n smallest keys win, ties by the
 * larger stratum, then by name. In closed form q_g(t) = max(1, floor(t*N_g + 1/2)): t is bisected and the ties
 * settled, so the cost depends on the number of strata alone.
 */
import { InvariantError } from '@drydock/dfu-core';

export interface Stratum {
  readonly name: string;
  /** Devices in it, at least 0. An empty one gets no place. */
  readonly size: number;
  /** At most so many places, whatever its share; absent: all its devices. */
  readonly most?: number;
}

/**
 * @param places n >= 0; beyond the number of devices everybody is in.
 * @returns places by stratum name; names are unique. @throws InvariantError for sizes that are none.
 */
export function quotas(strata: readonly Stratum[], places: number): Map<string, number> {
  if (!(Number.isSafeInteger(places) && places >= 0)) throw new InvariantError(`${places} places to share out`);
  const result = new Map<string, number>();
  for (const { name, size } of strata) {
    if (!(Number.isSafeInteger(size) && size >= 0)) throw new InvariantError(`stratum ${name} holds ${size} devices`);
    if (result.has(name)) throw new InvariantError(`two strata are called ${name}`);
    result.set(name, 0);
  }
  const order = strata.filter((stratum) => mostOf(stratum) > 0).sort(largerFirst);
  const total = order.reduce((sum, stratum) => sum + mostOf(stratum), 0);
  if (places >= total) {
    for (const stratum of order) result.set(stratum.name, mostOf(stratum));
    return result;
  }
  if (places <= order.length) {
    for (const stratum of order.slice(0, places)) result.set(stratum.name, 1);
    return result;
  }
  // Invariant: at `low` the strata take no more than the places, at `high` more.
  let [low, high] = [0, 2];
  const sum = (t: number) => order.reduce((taken, stratum) => taken + takenAt(stratum, t), 0);
  for (let step = 0; step < 80 && high - low > Number.EPSILON * high; step++) {
    const middle = (low + high) / 2;
    if (sum(middle) <= places) low = middle;
    else high = middle;
  }
  // A little below the cut, so that rounding decides nothing: what lies in between is settled exactly.
  const base = low * (1 - 1e-12);
  let left = places;
  for (const stratum of order) {
    const taken = takenAt(stratum, base);
    result.set(stratum.name, taken);
    left -= taken;
  }
  // Keys that fall together at the cut: the next ones in order of key, size and name.
  while (left > 0) {
    let next: Stratum | undefined;
    for (const stratum of order) {
      const [mine, best] = [result.get(stratum.name)!, next && result.get(next.name)!];
      if (mine >= mostOf(stratum)) continue;
      if (next === undefined || keyBefore(mine + 1, stratum.size, best! + 1, next.size)) next = stratum;
    }
    if (!next) break;
    result.set(next.name, result.get(next.name)! + 1);
    left -= 1;
  }
  return result;
}

/** The places of a stratum at divisor t. */
function takenAt(stratum: Stratum, t: number): number {
  return Math.min(mostOf(stratum), Math.max(1, Math.floor(t * stratum.size + 0.5)));
}

function mostOf(stratum: Stratum): number {
  return Math.max(0, Math.min(stratum.size, stratum.most ?? stratum.size));
}

/** Whether (j - 1/2)/N comes before (k - 1/2)/M, exactly: products of safe integers, compared as big ones. */
function keyBefore(j: number, n: number, k: number, m: number): boolean {
  return BigInt(2 * j - 1) * BigInt(m) < BigInt(2 * k - 1) * BigInt(n);
}

function largerFirst(a: Stratum, b: Stratum): number {
  return b.size - a.size || (a.name < b.name ? -1 : 1);
}
