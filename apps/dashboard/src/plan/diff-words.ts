/** Values of a plan's difference as people write them, by what their path says of their unit. */
import { limit } from '../format/numbers.js';
import { duration } from '../format/times.js';

const SHARES = /(?:limit|alpha|transportLimit|maxFailureShare)$/;

/** @param path as the server names it: `policy.brake.limit`. */
export function diffValue(path: string, value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    if (/Ms$/.test(path)) return duration(value);
    if (/percent$/i.test(path)) return `${value} %`;
    return SHARES.test(path) ? limit(value) : String(value);
  }
  if (typeof value === 'string') return path === 'artifact' ? value.slice(0, 12) : value;
  if (Array.isArray(value) && value.length === 0) return 'none';
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return cut(value.join(', '));
  // `{ advisory: … }`: its one value says it.
  const parts = Object.values(value);
  if (!Array.isArray(value) && parts.length === 1) return diffValue(path, parts[0]);
  return cut(JSON.stringify(value));
}

const cut = (text: string): string => (text.length > 120 ? `${text.slice(0, 119)}…` : text);

/** `policy.stages[0].gate.minKnown` → `stage 1 · gate · minKnown`. */
export function diffPlace(path: string): string {
  return path
    .replace(/^policy\.|^selector\./, '')
    .replace(/stages\[(\d+)\]/, (_, index: string) => `stage ${Number(index) + 1}`)
    .replace(/\[(\d+)\]/g, (_, index: string) => ` ${Number(index) + 1}`)
    .replace(/Ms$/, '')
    .replaceAll('.', ' · ')
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}
