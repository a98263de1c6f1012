/** Is it within these hours? Answered for a stretch of time, because a gateway knows the time only within bounds. */
import { DAYS, type HourRange } from './site-rules.js';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/**
 * @param fromMs,toMs the earliest and the latest moment that it may be now (server's clock).
 * @returns `all`: within the hours, whichever moment it is; `none`: outside, whichever it is; else `some`.
 */
export function hoursCover(
  hours: readonly HourRange[],
  zone: string,
  fromMs: number,
  toMs: number,
): 'all' | 'some' | 'none' {
  if (hours.length === 0) return 'none';
  // Two hours of not knowing is not knowing: no range of a day could be told from another.
  if (toMs - fromMs > 2 * 60 * MINUTE_MS) return 'some';
  let inside = 0;
  let looked = 0;
  // Ranges begin and end on whole minutes, so one look in every minute sees all of them.
  for (let at = fromMs; ; at = Math.min(at + MINUTE_MS, toMs)) {
    looked += 1;
    if (isWithin(hours, zone, at)) inside += 1;
    if (at >= toMs) break;
  }
  return inside === looked ? 'all' : inside === 0 ? 'none' : 'some';
}

function isWithin(hours: readonly HourRange[], zone: string, atMs: number): boolean {
  const { day, minute } = localTime(zone, atMs);
  return hours.some((range) => {
    const from = minuteOf(range.from);
    const to = minuteOf(range.to);
    const begins = (on: number): boolean => range.days === undefined || range.days.includes(DAYS[(on + 7) % 7]!);
    if (from < to) return begins(day) && minute >= from && minute < to;
    return (begins(day) && minute >= from) || (begins(day - 1) && minute < to);
  });
}

function minuteOf(text: string): number {
  const [hour, minute] = text.split(':').map(Number);
  return (hour! * 60 + minute!) % DAY_MINUTES;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function localTime(zone: string, atMs: number): { day: number; minute: number } {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const day = DAYS.indexOf(parts.get('weekday')!.toLowerCase() as (typeof DAYS)[number]);
  return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
}
