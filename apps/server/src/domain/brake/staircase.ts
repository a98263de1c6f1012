/** The brake as a table for people: s failures among the first `within` trials ring it. */
import { logBar, logEvidence } from './e-value.js';

/** Fewer counted failures than this never ring (a judgement, it only lowers false halts). */
export const LEAST_FAILURES = 3;
/** Where two gateways or more have tried, failures on fewer than this never ring. */
export const LEAST_GATEWAYS = 2;

export interface Step {
  readonly failures: number;
  /** Largest number of trials among which that many failures ring. */
  readonly within: number;
}

/** Beyond this nobody asks, and the search ends. */
const MOST_TRIALS = 2 ** 40;

/**
 * The largest n with E(s, n) >= 1/alpha, or undefined where even s failures in s trials do not ring.
 * @param failures s > 0; may be a sum of weights. @throws InvariantError for a limit or alpha out of range.
 */
export function largestWithin(failures: number, limit: number, alpha: number): number | undefined {
  const evidence = logEvidence(limit);
  const bar = logBar(alpha);
  const rings = (trials: number) => evidence(failures, trials) >= bar;
  let low = Math.ceil(failures);
  if (!rings(low)) return undefined;
  let high = Math.max(1, low) * 2;
  while (high < MOST_TRIALS && rings(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (rings(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The first `rows` steps at which a test rings, from the fewest failures that can. */
export function staircase(limit: number, alpha: number, rows = 50): Step[] {
  const steps: Step[] = [];
  // E(s, s) grows with s, so a step that cannot ring is followed by one that can within a few.
  for (let failures = LEAST_FAILURES; steps.length < rows && failures < LEAST_FAILURES + rows + 2_000; failures++) {
    const within = largestWithin(failures, limit, alpha);
    if (within !== undefined) steps.push({ failures, within });
  }
  return steps;
}
