/** Durations of ISO 8601 that have one length only: weeks, days, hours, minutes, seconds. */

const FORM = /^P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})(?:\.(\d{1,3}))?S)?)?$/;
const UNITS_MS = [604_800_000, 86_400_000, 3_600_000, 60_000, 1000] as const;

/** @returns milliseconds, or undefined when it is none; months and years are none, for their length differs. */
export function parseIsoDuration(text: string): number | undefined {
  const match = FORM.exec(text);
  if (!match || !/\d[WDHMS]$/.test(text)) return undefined;
  const whole = UNITS_MS.reduce((sum, unit, index) => sum + unit * Number(match[index + 1] ?? 0), 0);
  return whole + Number((match[6] ?? '').padEnd(3, '0'));
}

/** @param ms a whole number of milliseconds. */
export function durationWords(ms: number): string {
  const names = ['week', 'day', 'hour', 'minute', 'second'];
  const words: string[] = [];
  let rest = ms;
  UNITS_MS.forEach((unit, index) => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0) words.push(`${count} ${names[index]}${count === 1 ? '' : 's'}`);
  });
  if (rest > 0 || words.length === 0) words.push(`${rest} ms`);
  return words.join(' ');
}
