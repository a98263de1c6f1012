/**
 * The 95 % Wilson interval of a share (E. B. Wilson, 1927): a description beside a number, never a test. Whether a campaign
 * halts is the server's brake alone.
 */
import { percent } from './numbers.js';

const Z = 1.959963984540054;

/** @returns bounds in 0..1; undefined where nothing was tried. */
export function wilson(hits: number, tried: number): { low: number; high: number } | undefined {
  if (tried <= 0) return undefined;
  const share = hits / tried;
  const z2 = Z * Z;
  const centre = (share + z2 / (2 * tried)) / (1 + z2 / tried);
  const half = (Z / (1 + z2 / tried)) * Math.sqrt((share * (1 - share)) / tried + z2 / (4 * tried * tried));
  return { low: hits === 0 ? 0 : Math.max(0, centre - half), high: hits === tried ? 1 : Math.min(1, centre + half) };
}

/** "likely 0.7–1.7 %"; empty where nothing was tried. */
export function likely(hits: number, tried: number): string {
  const interval = wilson(hits, tried);
  if (!interval) return '';
  const bare = (share: number) => percent(share).replace(' %', '');
  return `likely ${bare(interval.low)}–${bare(interval.high)} %`;
}
