/** What a maintenance window may say; every refusal names the place and the mend. And a window in words. */
import type { MaintenanceWindow } from '@drydock/contracts';
import { RRuleTemporal } from 'rrule-temporal';
import { toText } from 'rrule-temporal/totext';
import { Temporal } from 'temporal-polyfill';
import { durationWords } from '../filter/iso-duration.js';
import { openingsOf } from './maintenance-window.js';
import { nextOpening } from './open-times.js';

export interface WindowFault {
  readonly path: string;
  readonly message: string;
}

/** Ranges of the numbers in a part; RFC 5545, section 3.3.10. A negative number counts from the end. */
const NUMBER_PARTS: Readonly<Record<string, { least: number; most: number; fromEnd: boolean }>> = {
  INTERVAL: { least: 1, most: 1000, fromEnd: false },
  COUNT: { least: 1, most: 100_000, fromEnd: false },
  BYMONTH: { least: 1, most: 12, fromEnd: false },
  BYMONTHDAY: { least: 1, most: 31, fromEnd: true },
  BYYEARDAY: { least: 1, most: 366, fromEnd: true },
  BYWEEKNO: { least: 1, most: 53, fromEnd: true },
  BYSETPOS: { least: 1, most: 366, fromEnd: true },
  BYHOUR: { least: 0, most: 23, fromEnd: false },
  BYMINUTE: { least: 0, most: 59, fromEnd: false },
};
const SINGLE = new Set(['FREQ', 'INTERVAL', 'COUNT', 'UNTIL', 'WKST']);
const WORD_PARTS: Readonly<Record<string, { form: RegExp; mend: string }>> = {
  FREQ: {
    form: /^(?:DAILY|WEEKLY|MONTHLY|YEARLY)$/,
    mend: 'Use DAILY, WEEKLY, MONTHLY or YEARLY; several times a day are BYHOUR=2,14.',
  },
  UNTIL: { form: /^\d{8}T\d{6}Z$/, mend: 'Write a moment in UTC, for instance UNTIL=20271231T235959Z.' },
  BYDAY: {
    form: /^[+-]?(?:[1-9]|[1-4]\d|5[0-3])?(?:MO|TU|WE|TH|FR|SA|SU)$/,
    mend: 'Write days as MO, TU, WE, TH, FR, SA, SU, with a number before them where months or years count them (2TU, -1SU).',
  },
  WKST: { form: /^(?:MO|TU|WE|TH|FR|SA|SU)$/, mend: 'Write one of MO, TU, WE, TH, FR, SA, SU.' },
};
const EXAMPLE = 'FREQ=WEEKLY;BYDAY=SA,SU';

/**
 * @param path place of the windows in the request. @param zones of the sites that are meant, if they are known.
 * A window that no longer opens in any of them is refused; which of the zones an opening falls into does not matter.
 */
export function checkWindows(
  windows: readonly MaintenanceWindow[],
  path: string,
  nowMs: number,
  zones: readonly string[] = ['UTC'],
): WindowFault[] {
  if (windows.length === 0) {
    return [{ path, message: 'A list without windows never opens. Give a window, or leave the list out.' }];
  }
  return windows.flatMap((window, index) => checkWindow(window, `${path}[${index}]`, nowMs, zones));
}

export function checkWindow(
  window: MaintenanceWindow,
  path: string,
  nowMs: number,
  zones: readonly string[] = ['UTC'],
): WindowFault[] {
  const faults = [
    ...checkFrom(window.from).map((message) => ({ path: `${path}.from`, message })),
    ...checkParts(window.rule).map((message) => ({ path: `${path}.rule`, message })),
  ];
  if (faults.length > 0) return faults;
  try {
    openingsOf(window, 'UTC');
  } catch (error) {
    // What is left are combinations that the RFC rules out; the library's sentence names them.
    const why = error instanceof Error ? error.message.replace(/[\n\r]/g, ' ').slice(0, 200) : 'it cannot be read';
    return [{ path: `${path}.rule`, message: `The rule contradicts RFC 5545: ${why}. Write it like ${EXAMPLE}.` }];
  }
  if (zones.some((zone) => opensAgain(window, zone, nowMs))) return [];
  const mend = 'Change UNTIL, COUNT, from, or the days and months until they meet.';
  return [{ path: `${path}.rule`, message: `The window never opens after ${new Date(nowMs).toISOString()}. ${mend}` }];
}

function opensAgain(window: MaintenanceWindow, zone: string, nowMs: number): boolean {
  try {
    const { durationMs, lastUntil } = openingsOf(window, zone);
    const last = lastUntil(nowMs);
    return (last !== undefined && last + durationMs > nowMs) || nextOpening([window], zone, nowMs) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** `from` has its form; whether the day is on the calendar is looked at here. */
function checkFrom(from: string): string[] {
  const read = new Date(`${from}:00Z`);
  const onCalendar = !Number.isNaN(read.getTime()) && read.toISOString().startsWith(from);
  return onCalendar ? [] : [`${from} is no moment of the calendar. Write it as 2026-03-01T02:30, in the site's time.`];
}

function checkParts(rule: string): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const part of rule.split(';')) {
    const [name = '', ...rest] = part.split('=');
    const text = rest.join('=');
    if (seen.has(name)) faults.push(`${name} is given twice. Keep one.`);
    seen.add(name);
    const fault = checkPart(name, text);
    if (fault !== undefined) faults.push(fault);
  }
  if (!seen.has('FREQ')) faults.push(`The rule does not say how often. Begin with FREQ, for instance ${EXAMPLE}.`);
  return faults;
}

function checkPart(name: string, text: string): string | undefined {
  const values = SINGLE.has(name) ? [text] : text.split(',');
  if (values.length > 64) return `${name} lists ${values.length} values; at most 64 are taken. Use a broader part.`;
  const numbers = NUMBER_PARTS[name];
  if (numbers) {
    const { least, most, fromEnd } = numbers;
    const wrong = values.find((value) => {
      const size = fromEnd ? Math.abs(Number(value)) : Number(value);
      return !/^[+-]?\d{1,6}$/.test(value) || size < least || size > most;
    });
    if (wrong === undefined) return undefined;
    const ends = fromEnd ? `, or -${most} to -${least} counted from the end` : '';
    return `${name}=${wrong} is out of range. Use ${least} to ${most}${ends}.`;
  }
  const words = WORD_PARTS[name];
  if (!words) {
    const known = [...Object.keys(WORD_PARTS), ...Object.keys(NUMBER_PARTS)].join(', ');
    return `There is no part ${name.slice(0, 40)} in a rule. Parts are ${known}.`;
  }
  const wrong = values.find((value) => !words.form.test(value));
  return wrong === undefined ? undefined : `${name}=${wrong.slice(0, 40)} cannot be read. ${words.mend}`;
}

/** @param window one that `checkWindow` takes. */
export function describeWindow(window: MaintenanceWindow): string {
  const from = `${window.from.replace(/[-:]/g, '')}00`;
  const rule = new RRuleTemporal({
    rruleString: `DTSTART;TZID=UTC:${from}\nRRULE:${window.rule}`,
    temporal: Temporal,
    strict: true,
  });
  const text = toText(rule).replace(/ (?:UTC|GMT)\b/, '');
  return `Open ${text} for ${durationWords(window.durationMs)}, by the clock of each site, from ${window.from.replace('T', ' ')}.`;
}
