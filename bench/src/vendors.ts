/** How fast the vendors' own protocols run, each against the floor of its link: one room per vendor in `vendors/`. */
import { tiFigures } from './vendors/ti.js';

export async function run(): Promise<Record<string, number>> {
  return { ...(await tiFigures()) };
}
