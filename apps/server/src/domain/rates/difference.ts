/**
 * Two groups against each other: the difference of their failure shares with a 95 % interval. Newcombe, "Interval estimation for
 * the difference between independent proportions", Statistics in Medicine 17 (1998), method 10: the square-and-add of the two
 * Wilson intervals, which keeps its level also with few failures. A description, not the brake's test.
 */
import { wilsonInterval } from './wilson.js';

export interface Difference {
  /** Share of the first less the share of the second. */
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

interface Group {
  readonly n: number;
  readonly of: number;
}

/** @returns null where one of them is empty. */
export function differenceOf(a: Group, b: Group): Difference | null {
  if (a.of === 0 || b.of === 0) return null;
  const [p, q] = [a.n / a.of, b.n / b.of];
  const [first, second] = [wilsonInterval(a.n, a.of), wilsonInterval(b.n, b.of)];
  return {
    share: p - q,
    low: Math.max(-1, p - q - Math.hypot(p - first.low, second.high - q)),
    high: Math.min(1, p - q + Math.hypot(first.high - p, q - second.low)),
  };
}

/** Fewer failures in both together say nothing about a difference, whatever an interval says. */
export const LEAST_FAILED = 3;

/** Whether they credibly differ; null where it cannot be said. */
export function differCredibly(a: Group, b: Group): boolean | null {
  const difference = differenceOf(a, b);
  if (difference === null) return null;
  return a.n + b.n >= LEAST_FAILED && (difference.low > 0 || difference.high < 0);
}
