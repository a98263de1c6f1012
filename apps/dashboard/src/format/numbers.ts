/** Numbers, shares and sizes as people read them: thin spaces, no false precision, no percent of a handful. */

/** Between groups of three digits: narrow and not broken. */
const THIN = '\u202f';
/** Below it a share is said in numbers only: "3 of 16". */
export const FEWEST_FOR_PERCENT = 20;

/** `1732` becomes "1 732" with a narrow space; what is not known is a dash, never 0. */
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const text = Math.abs(Math.trunc(n))
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, THIN);
  return n < 0 ? `−${text}` : text;
}

/** In full below 100 000, else three digits and a letter: "1.24 M". The exact value belongs beside it, on focus. */
export function shortCount(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n) || Math.abs(n) < 100_000) return count(n);
  const [divisor, letter] = Math.abs(n) >= 999_500 ? [1e6, 'M'] : [1e3, 'k'];
  const scaled = n / divisor;
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${letter}`;
}

/** A share with one decimal; 0 % and 100 % only when exact. @param share 0..1, or null where nothing is known. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  if (share === 0) return '0 %';
  if (share === 1) return '100 %';
  const rounded = Math.round(share * 1000) / 10;
  if (rounded <= 0) return '< 0.1 %';
  if (rounded >= 100) return '> 99.9 %';
  return `${rounded.toFixed(1)} %`;
}

/** "1.1 %" of many; "3 of 16" of few, where a percent would claim too much. */
export function shareOf(part: number, whole: number): string {
  if (whole === 0) return '–';
  return whole < FEWEST_FOR_PERCENT ? `${count(part)} of ${count(whole)}` : percent(part / whole);
}

/** A limit as it was written: "2 %", "0.5 %". */
export function limit(share: number): string {
  return `${Number((share * 100).toFixed(3))} %`;
}

/** Decimal bytes, as on a disk's label: "486 kB". */
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = n;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 100 ? 0 : 1;
  return `${Number(value.toFixed(digits))} ${units[unit]}`;
}

/** "1 device", "2 devices". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** An id or hash cut in its middle; whole where it is short. The whole one belongs in the title and the clipboard. */
export function cutMiddle(text: string, head = 8, tail = 4): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${tail === 0 ? '' : text.slice(-tail)}`;
}
