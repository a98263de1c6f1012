/**
 * The Wilson score interval of a share (Wilson 1927; recommended by Brown, Cai & DasGupta 2001, Statist. Sci. 16).
 * A picture for people, not a rule: it does not survive repeated looking; the brake does.
 */
import { InvariantError } from '@drydock/dfu-core';

export const Z_95 = 1.959964;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** @param z standard normal quantile of the two-sided level. @returns all of [0, 1] for n = 0. @throws InvariantError */
export function wilsonInterval(bad: number, n: number, z = Z_95): Interval {
  if (!(bad >= 0 && n >= bad && Number.isFinite(n))) throw new InvariantError(`${bad} of ${n} is no share`);
  if (n === 0) return { low: 0, high: 1 };
  const middle = bad + (z * z) / 2;
  const spread = z * Math.sqrt((bad * (n - bad)) / n + (z * z) / 4);
  const low = bad === 0 ? 0 : Math.max(0, (middle - spread) / (n + z * z));
  const high = bad === n ? 1 : Math.min(1, (middle + spread) / (n + z * z));
  return { low, high };
}
