/**
 * Whether a failed try is tried again, and when: keyed by the blame of its error code, which is the family of the error.
 *
 * The wait is drawn anew for every try, evenly from nothing to a ceiling that doubles with each failure of the family up to
 * a cap ("full jitter"; M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a hundred devices that
 * lost one radio at the same moment do not come back at the same moment. The draw is a hash of who waits for which try, so
 * that the same report always gives the same answer.
 */
import { ERROR_CODES, isErrorCode, type Blame, type Recovery, type RetryPolicy } from '@drydock/contracts';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** Blame and recovery of a code; a code of a newer agent that we do not know is the device's, and worth a retry. */
export function factsOfCode(code: string): { blame: Blame; recovery: Recovery } {
  return isErrorCode(code) ? ERROR_CODES[code] : { blame: 'device', recovery: 'retry' };
}

/** Tries of one device that failed, the last one included. */
export interface FailedTries {
  readonly all: number;
  /** Those of the family of the last; where it is not known, all count. */
  readonly ofFamily?: number;
}

/** However the families take turns: after so many a person has to look. */
export const MAX_TRIES = 20;

export type RetryDecision =
  | {
      readonly retry: true;
      /** When the next try may start. */
      readonly atMs: number;
      /** The longest that the wait could have been. */
      readonly ceilingMs: number;
      /** Tries that the family has left, the next one included. */
      readonly left: number;
    }
  | {
      readonly retry: false;
      /** The error cannot be mended by trying; the family, or the device, has used up its tries. */
      readonly because: 'recovery' | 'family' | 'device';
      readonly blame: Blame;
      readonly limit: number;
    };

/** @param seed who waits for which try, for instance `deploymentId:attempt`: another try must have another seed. */
export function decideRetry(
  code: string,
  failed: FailedTries,
  policy: RetryPolicy,
  seed: string,
  nowMs: number,
): RetryDecision {
  const { blame, recovery } = factsOfCode(code);
  const { maxAttempts, backOffMs } = policy[blame];
  const ofFamily = Math.max(1, failed.ofFamily ?? failed.all);
  if (recovery === 'none') return { retry: false, because: 'recovery', blame, limit: maxAttempts };
  if (ofFamily >= maxAttempts) return { retry: false, because: 'family', blame, limit: maxAttempts };
  if (failed.all >= MAX_TRIES) return { retry: false, because: 'device', blame, limit: MAX_TRIES };
  const ceilingMs = backOffCeiling(ofFamily, backOffMs, policy.backOffMaxMs);
  const waitMs = Math.floor(unitOf(seed) * (ceilingMs + 1));
  return { retry: true, atMs: nowMs + waitMs, ceilingMs, left: maxAttempts - ofFamily };
}

/** @param failures 1 for the first. */
export function backOffCeiling(failures: number, baseMs: number, maxMs: number): number {
  return Math.min(maxMs, baseMs * 2 ** Math.min(52, Math.max(0, failures - 1)));
}

/** @returns when the next may start, or undefined when there is none. */
export function nextTryAt(
  code: string,
  failed: FailedTries,
  policy: RetryPolicy,
  seed: string,
  nowMs: number,
): number | undefined {
  const decision = decideRetry(code, failed, policy, seed, nowMs);
  return decision.retry ? decision.atMs : undefined;
}

/** A number in [0, 1), evenly spread over seeds: the first 48 bits of their hash. */
export function unitOf(seed: string): number {
  const hash = sha256(utf8ToBytes(seed));
  let value = 0;
  for (const byte of hash.subarray(0, 6)) value = value * 256 + byte;
  return value / 2 ** 48;
}
