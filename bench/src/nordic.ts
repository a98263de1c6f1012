/** `npm run bench -- nordic`: every Nordic bootloader against the floor of its link, beside the way of the old tools. */
import { legacyFigures } from './nordic/legacy.js';
import { secureFigures } from './nordic/secure.js';

/** What each family of bootloaders measures; the figures go into one record. */
const FAMILIES: readonly (() => Promise<Record<string, number>>)[] = [secureFigures, legacyFigures];

export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const measure of FAMILIES) Object.assign(figures, await measure());
  return figures;
}
