/**
 * The overdue test: bricks speak late. A device that is not proven within T of starting to activate counts as 1 in
 * a test of its own, so that "silent until the deadline" halts about T after the third brick. Suspects reach the
 * brake through it. A late success does not undo the 1.
 */

/** The overdue test's limit lies so much above the campaign's: T is itself a 99th percentile. */
export const OVERDUE_ALLOWANCE = 0.01;
export const TRANSPORT_LIMIT = 0.1;

/** @param limit the campaign's. */
export function overdueLimit(limit: number): number {
  return Math.min(limit + OVERDUE_ALLOWANCE, (1 + limit) / 2);
}

/** Past proofs needed before their 99th percentile is used. */
export const LEAST_PROOFS = 100;

/**
 * T: the 99th percentile of past proofs of the model (start of activation to proof), frozen when the campaign starts.
 * @param sortedMs ascending. @param coldStartMs where fewer than 100 proofs are known: the policy's prove timeout.
 */
export function overdueAfterMs(sortedMs: readonly number[], coldStartMs: number): number {
  if (sortedMs.length < LEAST_PROOFS) return coldStartMs;
  return sortedMs[Math.ceil(0.99 * sortedMs.length) - 1]!;
}

/**
 * Whether an activation counts as overdue by now.
 * @param provenAtMs null while it is not proven. @param activatedAtMs null while it has not begun.
 */
export function isOverdue(
  activatedAtMs: number | null,
  provenAtMs: number | null,
  overdueMs: number,
  nowMs: number,
): boolean {
  if (activatedAtMs === null) return false;
  return (provenAtMs ?? nowMs) - activatedAtMs > overdueMs;
}
