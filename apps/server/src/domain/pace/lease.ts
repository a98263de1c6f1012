/**
 * How long a grant lives (Gray & Cheriton 1989: leases). Longer means fewer messages, and a pause whose number is
 * larger and reaches zero later.
 */
export const SHORTEST_LEASE_MS = 60_000;
export const LONGEST_LEASE_MS = 15 * 60_000;
export const LONGEST_URGENT_LEASE_MS = 2 * 60_000;
/** Uplink gap that a gateway rides out. */
export const DEFAULT_GAP_MS = 60_000;

export interface LeaseFacts {
  /** 90th percentile and median of a session on this gateway. */
  readonly session90Ms: number;
  readonly session50Ms: number;
  /** c, sessions at once. */
  readonly parallelSlots: number;
  readonly gapMs: number;
  /** 99th percentile of an order's way there and back. */
  readonly roundTrip99Ms: number;
  readonly urgent: boolean;
}

/** q: grants to keep with a gateway that have not started, so that it never waits for the next. */
export function grantsAhead(facts: Pick<LeaseFacts, 'parallelSlots' | 'gapMs' | 'session50Ms'>): number {
  const slots = Math.max(1, Math.floor(orElse(facts.parallelSlots, 1)));
  const median = orElse(facts.session50Ms, DEFAULT_GAP_MS);
  return slots * (1 + Math.ceil(orElse(facts.gapMs, DEFAULT_GAP_MS) / Math.max(1, median)));
}

/** L: `clamp(D90*q/c + g + RTT99, 1 min, 15 min)`; urgent ones 2 min at most. Unknown numbers give the longest. */
export function leaseMs(facts: LeaseFacts): number {
  const slots = Math.max(1, Math.floor(orElse(facts.parallelSlots, 1)));
  const wanted = (facts.session90Ms * grantsAhead(facts)) / slots + facts.gapMs + facts.roundTrip99Ms;
  const longest = facts.urgent ? LONGEST_URGENT_LEASE_MS : LONGEST_LEASE_MS;
  return Math.min(longest, Math.max(SHORTEST_LEASE_MS, Math.ceil(orElse(wanted, longest))));
}

/**
 * From a grant to its last moment to start: what the policy allows at most, less where the sessions of the campaign are
 * known, and never more than two minutes for an urgent one.
 * @param facts undefined while too few sessions have been seen.
 */
export function startWithinMs(
  policyMs: number,
  urgent: boolean,
  facts: Omit<LeaseFacts, 'urgent'> | undefined,
): number {
  const longest = urgent ? Math.min(policyMs, LONGEST_URGENT_LEASE_MS) : policyMs;
  return facts ? Math.min(longest, leaseMs({ ...facts, urgent })) : longest;
}

/** When an unstarted grant is renewed: at half of its life. */
export function renewAtMs(grantedAtMs: number, lengthMs: number): number {
  return grantedAtMs + Math.floor(lengthMs / 2);
}

function orElse(value: number, instead: number): number {
  return Number.isFinite(value) && value >= 0 ? value : instead;
}
