/** Whether a failed try is tried again, and when: keyed by the blame of its error code. */
import { ERROR_CODES, isErrorCode, type Blame, type Recovery, type RetryPolicy } from '@drydock/contracts';

/** Blame and recovery of a code; a code of a newer agent that we do not know is the device's, and worth a retry. */
export function factsOfCode(code: string): { blame: Blame; recovery: Recovery } {
  return isErrorCode(code) ? ERROR_CODES[code] : { blame: 'device', recovery: 'retry' };
}

/**
 * @param tries tries made so far, the failed one included.
 * @returns when the next may start, or undefined when there is none.
 */
export function nextTryAt(code: string, tries: number, policy: RetryPolicy, nowMs: number): number | undefined {
  const { blame, recovery } = factsOfCode(code);
  if (recovery === 'none') return undefined;
  const rule = policy[blame];
  if (tries >= rule.maxAttempts) return undefined;
  return nowMs + Math.min(policy.backOffMaxMs, rule.backOffMs * 2 ** Math.max(0, tries - 1));
}
