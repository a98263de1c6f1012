/** What screens show of the sums: shares with their likely range, and every member in one part of a bar. Computed here alone. */
import type { PartsBody, Share, SharesBody } from '@drydock/contracts';
import { wilsonInterval } from '../rates/wilson.js';
import type { Counts, Sums } from './sums.js';

/** A share of a whole; without a whole there is neither share nor range. */
export function shareOf(n: number, of: number): Share {
  if (of === 0) return { n, of, share: null, likely: null };
  return { n, of, share: n / of, likely: wilsonInterval(n, of) };
}

/** The three shares of what ended, and the failure share (design, section 3). */
export function sharesOf(
  sums: Pick<Sums, 'proven' | 'failed' | 'reverted' | 'unproven' | 'lost' | 'suspect' | 'known'>,
): SharesBody {
  const bad = sums.failed + sums.reverted;
  const notKnown = sums.unproven + sums.lost;
  const ended = sums.proven + bad + notKnown;
  return {
    ended,
    proven: shareOf(sums.proven, ended),
    failedOrReverted: shareOf(bad, ended),
    notKnown: shareOf(notKnown, ended),
    failure: shareOf(bad + sums.suspect, sums.known + sums.suspect),
  };
}

/** Every member in exactly one part. */
export function partsOf(counts: Counts): PartsBody {
  const n = (state: keyof Counts): number => counts[state] ?? 0;
  return {
    proven: n('proven'),
    unproven: n('unproven'),
    failed: n('failed'),
    reverted: n('reverted'),
    lost: n('lost'),
    inFlight: n('transferring') + n('activating') + n('proving') + n('cancelling') + n('rescue'),
    mayStillStart: n('granted') + n('downloading'),
    waiting: n('planned'),
    setAside: n('skipped') + n('cancelled'),
  };
}

/** Parts of several stages together. */
export function addParts(parts: readonly PartsBody[]): PartsBody {
  const whole = { ...partsOf({}) };
  for (const part of parts) for (const key of Object.keys(whole) as (keyof PartsBody)[]) whole[key] += part[key];
  return whole;
}
