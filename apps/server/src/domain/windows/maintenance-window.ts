/**
 * Maintenance windows: a recurrence rule of RFC 5545 in the site's own time, and how long each opening lasts. The rule says
 * when it opens on the clock on the wall; the duration is time that really passes, so a window of four hours over a change
 * of the clocks is four hours long and closes an hour earlier or later on the wall.
 *
 * Changes of the clocks as RFC 5545 has them: an opening at a time that a night skips does not happen (section 3.3.10); at
 * a time that a night has twice, it is the first (section 3.3.5).
 */
import type { MaintenanceWindow } from '@drydock/contracts';
import { RRuleTemporal } from 'rrule-temporal';
import { Temporal } from 'temporal-polyfill';

/** Ends every search of the library: a rule that never comes true is given up after so many periods. */
const MAX_PERIODS = 10_000;

/** Openings of one window in one zone. Times are milliseconds since 1970 (UTC). */
export interface Openings {
  readonly durationMs: number;
  /** The last opening at or before the moment; undefined when there is none. */
  lastUntil(atMs: number): number | undefined;
  /** The first opening after the moment; undefined when there is none, or none is found. */
  firstAfter(atMs: number): number | undefined;
}

/**
 * @param zone name in the IANA database.
 * @throws RangeError when the zone is unknown; Error when the rule is none (see `checkWindow`, which says why).
 */
export function openingsOf(window: MaintenanceWindow, zone: string): Openings {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) throw new RangeError(`${zone} is no time zone`);
  const from = `${window.from.replace(/[-:]/g, '')}00`;
  const rule = new RRuleTemporal({
    rruleString: `DTSTART;TZID=${zone}:${from}\nRRULE:${window.rule}`,
    temporal: Temporal,
    strict: true,
    maxIterations: MAX_PERIODS,
  });
  return {
    durationMs: window.durationMs,
    lastUntil: (atMs) => found(() => rule.previous(new Date(atMs), true)),
    firstAfter: (atMs) => found(() => rule.next(new Date(atMs), false)),
  };
}

function found(search: () => Temporal.ZonedDateTime | null): number | undefined {
  try {
    return search()?.epochMilliseconds;
  } catch (error) {
    // The library's way to say that it has looked far enough.
    if (error instanceof Error && /^Maximum (?:iterations|candidate)/i.test(error.message)) return undefined;
    throw error;
  }
}
