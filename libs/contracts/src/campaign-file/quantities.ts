/**
 * How a campaign file spells lengths of time and shares. Every spelling that is written is read back as the same number,
 * to the last bit.
 */

const UNITS: readonly (readonly [string, number])[] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const UNIT_MS = new Map(UNITS);
const NUMBER = String.raw`\d{1,15}(?:\.\d{1,20})?(?:e-?\d{1,3})?`;

/** What a length of time looks like: `90s`, `2h30m`, `14d`. */
export const DURATION_FORM = /^(?:\d{1,15}(?:\.\d{1,20})?(?:ms|[smhdw])){1,6}$/;
/** What a share looks like: `2%`, `0.5%`. */
export const SHARE_FORM = new RegExp(`^${NUMBER}%$`);

/** @returns milliseconds, or undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_FORM.test(text)) return undefined;
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    sum += Number(digits) * UNIT_MS.get(unit!)!;
  }
  return sum;
}

/** @param ms not negative; what is no whole number is rounded. */
export function formatDuration(ms: number): string {
  let left = Math.round(ms);
  const parts: string[] = [];
  // Weeks are read, but not written: 14d is what people say.
  for (const [unit, size] of UNITS.slice(1)) {
    const count = Math.floor(left / size);
    if (count > 0) parts.push(`${count}${unit}`);
    left -= count * size;
  }
  return parts.length === 0 ? '0s' : parts.join('');
}

/** `2%` is 0.02: the point moves in the text, so nothing is rounded twice. @returns undefined for any other text. */
export function parseShare(text: string): number | undefined {
  if (!SHARE_FORM.test(text)) return undefined;
  const [digits = '', exponent = '0'] = text.slice(0, -1).split('e');
  return Number(`${digits}e${Number(exponent) - 2}`);
}

/** @param share of one. @returns a percentage, or the number itself where no percentage says exactly that. */
export function formatShare(share: number): string | number {
  const text = `${String(Number(`${share}e2`))}%`;
  return parseShare(text) === share ? text : share;
}

/** @returns the number before `%`, or undefined for any other text. */
export function parsePercent(text: string): number | undefined {
  return SHARE_FORM.test(text) ? Number(text.slice(0, -1)) : undefined;
}

const BARE_MINUTES = new RegExp(`^${NUMBER}m$`);

/** Minutes as a length of time. */
export function parseMinutes(text: string): number | undefined {
  if (BARE_MINUTES.test(text)) return Number(text.slice(0, -1));
  const ms = parseDuration(text);
  return ms === undefined ? undefined : ms / 60_000;
}

export function formatMinutes(minutes: number): string {
  const text = formatDuration(minutes * 60_000);
  return parseMinutes(text) === minutes ? text : `${minutes}m`;
}
