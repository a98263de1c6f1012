/** Times: relative below an hour, the clock today, the date else; always 24 hours. All functions take what "now" is. */

import { ownZone } from './own-zone.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

type Instant = number | string | Date;
const inZone = (zone = ownZone.current()): { timeZone?: string } => (zone === undefined ? {} : { timeZone: zone });
const msOf = (at: Instant): number => (typeof at === 'number' ? at : new Date(at).getTime());

/** Two units at most: "6 min", "2 h 10 min", "3 d 4 h", "0.4 s". */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  const left = Math.max(0, ms);
  if (left < 1_000) return `${(Math.floor(left / 100) / 10).toFixed(1)} s`;
  if (left < MINUTE) return `${Math.floor(left / 1000)} s`;
  if (left < HOUR) return `${Math.floor(left / MINUTE)} min`;
  if (left < DAY) return two(Math.floor(left / HOUR), 'h', Math.floor((left % HOUR) / MINUTE), 'min');
  return two(Math.floor(left / DAY), 'd', Math.floor((left % DAY) / HOUR), 'h');
}

/** A countdown: "5:12", "1:05:09". */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const pad = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** "14:32:10" or "14:32" in a zone; the reader's own when none is named. */
export function clock(at: Instant, options: { zone?: string | undefined; seconds?: boolean } = {}): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    ...(options.seconds && { second: '2-digit' }),
    hour12: false,
    ...inZone(options.zone),
  }).format(msOf(at));
}

/** "3 min ago", "14:08", "Wed 14:08", "3 Mar 14:08", "3 Mar 2025". */
export function moment(at: Instant, nowMs: number, zone?: string): string {
  const ms = msOf(at);
  if (!Number.isFinite(ms)) return '–';
  const distance = nowMs - ms;
  if (distance >= 0 && distance < HOUR) return distance < 1000 ? 'just now' : `${duration(distance)} ago`;
  if (distance < 0 && distance > -HOUR) return `in ${duration(-distance)}`;
  return when(ms, nowMs, zone);
}

/** As {@link moment}, but never relative: for ends and deadlines that are read aloud. */
export function when(at: Instant, nowMs: number, zone?: string): string {
  const ms = msOf(at);
  if (dayOf(ms, zone) === dayOf(nowMs, zone)) return clock(ms, { zone });
  const part = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', { ...options, ...inZone(zone) }).format(ms);
  if (Math.abs(nowMs - ms) < 6 * DAY) return `${part({ weekday: 'short' })} ${clock(ms, { zone })}`;
  if (Math.abs(nowMs - ms) < 300 * DAY) return `${part({ day: 'numeric', month: 'short' })} ${clock(ms, { zone })}`;
  return part({ day: 'numeric', month: 'short', year: 'numeric' });
}

/** For a heading between lines of several days: "Wed 18 Nov". */
export function dayLine(at: Instant): string {
  return new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', ...inZone() }).format(
    msOf(at),
  );
}

/** "14:32 yours · 06:32 at site Denver · 13:32 UTC": what hovering or focusing a time says. */
export function allZones(at: Instant, site?: { name: string; zone: string }): string {
  const full = (zone?: string) =>
    new Intl.DateTimeFormat('en-GB', {
      day: 'numeric',
      month: 'short',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hour12: false,
      ...inZone(zone),
    }).format(msOf(at));
  return [`${full()} yours`, ...(site ? [`${full(site.zone)} at site ${site.name}`] : []), `${full('UTC')} UTC`].join(
    ' · ',
  );
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

function dayOf(ms: number, zone?: string): string {
  return new Intl.DateTimeFormat('en-CA', { dateStyle: 'short', ...inZone(zone) }).format(ms);
}
