/**
 * How fast the vendors' own protocols run, each against the floor of its link: one room per vendor in `vendors/`, whose
 * figures are joined here.
 */
import { csrFigures } from './vendors/csr.js';
import { silabsFigures } from './vendors/silabs.js';
import { tiFigures } from './vendors/ti.js';

/** One after the other: each wants the processor for itself. */
const VENDORS: readonly (() => Promise<Record<string, number>>)[] = [tiFigures, silabsFigures, csrFigures];

export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const vendor of VENDORS) Object.assign(figures, await vendor());
  return figures;
}
