/**
 * `npm run simulate`: simulated units of one family, files for them, and the commands to try the agent on them by hand.
 * `npm run simulate -- FAMILY` picks the family. Ends with Ctrl-C.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const FAMILIES: Readonly<Record<string, () => Promise<(folder: string) => Promise<SimulatedFamily>>>> = {
  site: async () => (await import('./simulate-site.js')).simulateSite,
  legacy: async () => (await import('./simulate-legacy.js')).simulateLegacy,
  ti: async () => (await import('./simulate-ti.js')).simulateTi,
  bc127: async () => (await import('./simulate-bc127.js')).simulateBc127,
  silabs: async () => (await import('./simulate-silabs.js')).simulateSilabs,
};

const wanted = (process.argv[2] ?? 'site').replace(/^--/, '');
const load = Object.hasOwn(FAMILIES, wanted) ? FAMILIES[wanted] : undefined;
if (!load) {
  console.error(`There is no family "${wanted}": npm run simulate -- ${Object.keys(FAMILIES).join(' | ')}`);
  process.exit(2);
}
const simulate = await load();
const folder = mkdtempSync(join(tmpdir(), 'drydock-sim-'));
const family = await simulate(folder);
console.log(
  [
    family.what,
    'In another terminal, with "drydock-agent" for "node apps/agent/bin/drydock-agent.mjs":',
    '',
    ...family.commands.map((command) => (command === '' ? '' : `  ${command}`)),
    '',
    'Ctrl-C ends it.',
    `Other families: npm run simulate -- ${Object.keys(FAMILIES).join(' | ')}`,
  ].join('\n'),
);
const end = async () => {
  await family.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
process.on('SIGINT', () => void end());
process.on('SIGTERM', () => void end());
// The simulated units keep no timer of their own alive while nobody talks to them.
setInterval(() => undefined, 60_000);
