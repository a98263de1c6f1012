/** Quantiles of what was seen. */
import { InvariantError } from '@drydock/dfu-core';

/**
 * The smallest value with at least a share p of all values at or below it (the order statistic, no interpolation).
 * @param sorted ascending. @returns undefined without values. @throws InvariantError for a share outside [0, 1].
 */
export function quantile(sorted: readonly number[], p: number): number | undefined {
  if (!(p >= 0 && p <= 1)) throw new InvariantError(`a quantile of ${p}`);
  if (sorted.length === 0) return undefined;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length - 1e-9) - 1))];
}

export function ascending(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b);
}
