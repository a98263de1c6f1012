/**
 * The sick gateway, and the sick site: its own failures, of whatever blame but the server's, against what the others show. As the
 * others' share is estimated, the level is nominal (simulated, not proved). Because the limit follows the others,
 * bad firmware does not look like sick gateways.
 */
import { InvariantError } from '@drydock/dfu-core';
import { wilsonInterval } from '../rates/wilson.js';
import { quarantineAlpha } from './alpha.js';
import { logBar } from './e-value.js';
import { LEAST_FAILURES } from './staircase.js';
import { newLedger, peaksOf, withFailure, type Peak } from './trial-ledger.js';

/** How far above the others' upper bound a holder must lie. */
const ABOVE_OTHERS = 1.5;
const LARGEST_LIMIT = 0.5;

/** A gateway or site. Only those with three failures or more need to be listed: fewer never ring. */
export interface HolderFacts {
  readonly id: string;
  /**
   * Places of failed trials in this holder's own order of first grants, from 1, in any order. After a quarantine has
   * ended the order begins anew, as the evidence of before never falls; the campaign's totals keep everything.
   */
  readonly failedOrdinals: readonly number[];
  /** Own ordinals proven never to have started. */
  readonly neverStarted: readonly number[];
  /** Trials with a known end, and how many of them failed, whatever the family. */
  readonly finished: number;
  readonly failed: number;
  readonly quarantined: boolean;
}

/** All gateways (or all sites) of a campaign. */
export interface HoldersFacts {
  /** In the campaign. */
  readonly total: number;
  /** At least one grant went out to it. */
  readonly tried: number;
  readonly quarantined: number;
  /** Over all of them. */
  readonly finished: number;
  readonly failed: number;
  readonly listed: readonly HolderFacts[];
}

export interface SickVerdict {
  readonly id: string;
  readonly sick: boolean;
  readonly peak: Peak | null;
  /** What the others allow. */
  readonly limit: number;
  /** Upper bound of the others' failure share; 1 when none of them has a result. */
  readonly othersUpper: number;
  readonly alpha: number;
}

/** @param limit the campaign's. @throws InvariantError for counts that are none. */
export function judgeHolder(holder: HolderFacts, all: HoldersFacts, limit: number): SickVerdict {
  const othersFinished = all.finished - holder.finished;
  const othersFailed = all.failed - holder.failed;
  if (othersFinished < 0 || othersFailed < 0 || othersFailed > othersFinished)
    throw new InvariantError(`the counts of ${holder.id} do not fit those of all`);
  const othersUpper = othersUpperBound(othersFailed, othersFinished);
  const allowed = holderLimit(limit, othersUpper);
  const alpha = quarantineAlpha(all.total);
  let ledger = newLedger({ limit: allowed });
  ledger = { ...ledger, neverStarted: [...new Set(holder.neverStarted)].sort((a, b) => a - b) };
  for (const ordinal of [...new Set(holder.failedOrdinals)].sort((a, b) => a - b))
    ledger = withFailure(ledger, { ordinal, gatewayId: holder.id, weight: 1 });
  const peak = peaksOf(ledger).enough;
  const sick = peak !== null && peak.failures >= LEAST_FAILURES && peak.logE >= logBar(alpha);
  return { id: holder.id, sick, peak, limit: allowed, othersUpper, alpha };
}

/** U: the upper Wilson bound of the others' failure share, 1 when none of theirs has finished. */
export function othersUpperBound(failed: number, finished: number): number {
  return finished === 0 ? 1 : wilsonInterval(failed, finished).high;
}

/** q: what one holder is held to. */
export function holderLimit(limit: number, othersUpper: number): number {
  return Math.min(LARGEST_LIMIT, Math.max(limit, ABOVE_OTHERS * othersUpper));
}

/** How a quarantine ends without a person: by one proven probe device, one a back-off. */
export interface QuarantineState {
  /** When it began, or when the last probe failed. */
  readonly sinceMs: number;
  readonly probesFailed: number;
  readonly probeRunning: boolean;
}

export const FIRST_PROBE_MS = 30 * 60_000;
export const LONGEST_PROBE_MS = 24 * 3_600_000;

/** When the next probe may be granted; null while one runs. Doubles with every probe that failed. */
export function nextProbeAtMs(state: QuarantineState): number | null {
  if (state.probeRunning) return null;
  return (
    state.sinceMs + Math.min(LONGEST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(32, Math.max(0, state.probesFailed)))
  );
}

/** More quarantined than this halts the campaign: it is no longer about single gateways. */
export function mostQuarantined(tried: number): number {
  return Math.max(3, 0.05 * tried);
}
