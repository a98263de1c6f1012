/** The bar of a campaign: devices by how they ended, in the order of every screen. Never bytes. */
import type { Campaign } from '../commands/campaign/sentences.js';

/** proven, unproven, failed, reverted, lost, in flight, may start, waiting. */
const GLYPHS = ['█', '◐', '✕', '↩', '┄', '▶', '▷', ' '] as const;

/**
 * Whole cells that add up to the width; whatever has devices has a cell, as long as there is room.
 * @returns the cells of each part, in the order of {@link GLYPHS}.
 */
export function cellsOf(counts: readonly number[], width: number): number[] {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0 || width <= 0)
    return counts.map((_, index) => (index === counts.length - 1 ? Math.max(0, width) : 0));
  const present = counts.filter((n) => n > 0).length;
  const least = width >= present ? 1 : 0;
  const cells = counts.map((n) => (n === 0 ? 0 : Math.max(least, Math.floor((n / total) * width))));
  // What the rounding left over or took too much is settled with the largest parts.
  for (let over = cells.reduce((sum, n) => sum + n, 0) - width; over !== 0; over += over > 0 ? -1 : 1) {
    const error = (index: number): number => (over > 0 ? 1 : -1) * (cells[index]! - (counts[index]! / total) * width);
    const fit = [...cells.keys()].filter((index) => counts[index]! > 0 && (over < 0 || cells[index]! > least));
    if (fit.length === 0) break;
    cells[fit.reduce((best, index) => (error(index) > error(best) ? index : best))]! += over > 0 ? -1 : 1;
  }
  return cells;
}

export function barOf(campaign: Pick<Campaign, 'sums'>, width: number): string {
  const { sums } = campaign;
  const counts = [
    sums.proven,
    sums.unproven,
    sums.failed,
    sums.reverted,
    sums.lost,
    sums.running + sums.rescue,
    sums.granted,
    sums.planned,
  ];
  return `[${cellsOf(counts, width)
    .map((cells, index) => GLYPHS[index]!.repeat(cells))
    .join('')}]`;
}
