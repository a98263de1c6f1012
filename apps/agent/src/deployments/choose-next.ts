/**
 * Which device next. A pure rule over what waits and what the links have room for:
 *
 * 1. devices without an application, under a rescue grant;
 * 2. devices that were left on the way, which a restart found;
 * 3. those whose time to begin is running out, or who have waited too long, the earliest end first;
 * 4. whoever finishes most for the time it needs: the highest ratio of (waited + expected) to expected. A short transfer
 *    goes before a long one, and waiting makes up for length, so nobody waits for ever.
 *
 * A device that is heard weakly waits for a better moment, in the third and fourth group only as long as its grant
 * leaves it time enough to be tried all the same.
 *
 * The ratio is Highest Response Ratio Next (P. Brinch Hansen, 1971).
 */

export interface Signal {
  /** As last heard. */
  readonly rssiDbm: number;
  /** As it is heard on the whole. */
  readonly usualDbm: number;
}

/** An attempt that waits for its turn. All times are milliseconds of one clock, that of `now`. */
export interface Candidate {
  readonly key: string;
  readonly rank: 'rescue' | 'left' | 'update';
  readonly lanes: readonly string[];
  /** Since when it waits. */
  readonly readyAtMs: number;
  /** Not before this. */
  readonly notBeforeMs: number;
  /** It must not begin at this time or later. */
  readonly endsAtMs: number;
  /** What it is expected to take, from opening its link to the proof. */
  readonly expectedMs: number;
  /** Undefined: not known, or not of a radio. */
  readonly signal?: Signal | undefined;
}

export interface LinkRoom {
  /** Whether these lanes, and those behind them, would take one more. */
  hasRoom(lanes: readonly string[]): boolean;
}

/** Below this a transfer loses more packets than it sends at a good moment. */
export const WEAK_DBM = -88;
/** This much louder than usual is as good as it gets there. */
const BETTER_DB = 4;
/** A weak device waits so long for a better moment, at most. */
export const PATIENCE_MS = 15 * 60_000;
/** Who has waited so long is no longer passed by others. */
export const OVERDUE_MS = 30 * 60_000;
/** Before its first write a session finds, opens and asks the device; added to what the rest is expected to take. */
const BEFORE_TOUCH_MS = 15_000;

const RANKS = ['rescue', 'left', 'update'] as const;

/**
 * @returns the candidate that begins now; undefined when there is none that may, for which the links have room and
 *   whose moment it is.
 */
export function chooseNext(candidates: readonly Candidate[], links: LinkRoom, now: number): Candidate | undefined {
  let best: Candidate | undefined;
  for (const each of candidates) {
    if (each.notBeforeMs > now || each.endsAtMs <= now) continue;
    if (waitsForSignal(each, now) || !links.hasRoom(each.lanes)) continue;
    if (!best || isBefore(each, best, now)) best = each;
  }
  return best;
}

/** Whether the device is heard too weakly now, and there is time to wait for better. */
export function waitsForSignal(candidate: Candidate, now: number): boolean {
  const { signal, rank } = candidate;
  if (!signal || rank !== 'update') return false;
  if (signal.rssiDbm >= WEAK_DBM || signal.rssiDbm >= signal.usualDbm + BETTER_DB) return false;
  return now < Math.min(candidate.readyAtMs + PATIENCE_MS, latestMs(candidate));
}

/** After this its grant may end before it has begun. */
function latestMs({ endsAtMs, expectedMs }: Candidate): number {
  return endsAtMs - expectedMs - BEFORE_TOUCH_MS;
}

function isBefore(left: Candidate, right: Candidate, now: number): boolean {
  const rank = RANKS.indexOf(left.rank) - RANKS.indexOf(right.rank);
  if (rank !== 0) return rank < 0;
  const [leftPresses, rightPresses] = [presses(left, now), presses(right, now)];
  if (leftPresses !== rightPresses) return leftPresses;
  if (leftPresses && left.endsAtMs !== right.endsAtMs) return left.endsAtMs < right.endsAtMs;
  const difference = ratio(left, now) - ratio(right, now);
  if (difference !== 0) return difference > 0;
  return left.key < right.key;
}

function presses(candidate: Candidate, now: number): boolean {
  return now >= Math.min(latestMs(candidate), candidate.readyAtMs + OVERDUE_MS);
}

function ratio({ readyAtMs, expectedMs }: Candidate, now: number): number {
  const needMs = Math.max(1, expectedMs);
  return (Math.max(0, now - readyAtMs) + needMs) / needMs;
}
