/** When a delivery that failed is tried again, and when an endpoint is given up. */

/** First wait; each next is three times the one before, up to {@link LONGEST_MS}. */
const FIRST_MS = 5_000;
const LONGEST_MS = 6 * 3_600_000;
/** With these waits the last try comes about a day after the first. */
export const MAX_ATTEMPTS = 12;
/** A server that names a time itself (`Retry-After`) is believed up to here. */
const LONGEST_ASKED_MS = 3_600_000;
/** So many failures in a row at least, however many days they are apart. */
const MIN_FAILURES = 10;

/**
 * @param attempts tries so far, this one included.
 * @param spread a number from 0 to 1: waits differ by up to a fifth either way, so that many do not come back at once.
 * @param askedMs what the receiver asked for, when it did.
 * @returns milliseconds until the next try; undefined when there is none.
 */
export function nextTryMs(attempts: number, spread: number, askedMs?: number): number | undefined {
  if (attempts >= MAX_ATTEMPTS) return undefined;
  const wait = Math.min(FIRST_MS * 3 ** Math.max(0, attempts - 1), LONGEST_MS);
  const own = Math.round(wait * (0.8 + 0.4 * spread));
  return askedMs === undefined ? own : Math.max(own, Math.min(askedMs, LONGEST_ASKED_MS));
}

/** Whether an endpoint has failed for so long that it is disabled. */
export function isGivenUp(
  endpoint: { readonly failures: number; readonly failingSinceMs: number | null },
  nowMs: number,
  afterDays: number,
): boolean {
  if (endpoint.failingSinceMs === null || endpoint.failures < MIN_FAILURES) return false;
  return nowMs - endpoint.failingSinceMs >= afterDays * 86_400_000;
}
