/**
 * `npm run bench -- NAME`: runs one bench and ends with one line `{"bench":NAME,"figures":{…}}`.
 * Each bench measures its own floor in the same run and ends within five minutes.
 */

type Bench = () => Promise<Record<string, number>>;

const BENCHES: Record<string, () => Promise<{ run: Bench }>> = {
  reports: () => import('./reports.js'),
  'transfer-ble': () => import('./transfer-ble.js'),
  'transfer-uart': () => import('./transfer-uart.js'),
  nordic: () => import('./nordic.js'),
  smp: () => import('./smp.js'),
  'agent-footprint': () => import('./agent-footprint.js'),
  brake: () => import('./brake.js'),
  planning: () => import('./planning.js'),
  reads: () => import('./reads.js'),
  dashboard: () => import('./dashboard/figures.js'),
  orders: () => import('./orders.js'),
  reconnect: () => import('./reconnect.js'),
  vendors: () => import('./vendors.js'),
  links: () => import('./links.js'),
  'host-cpu': () => import('./host-cpu-figures.js'),
};

/** On a machine that others load as well, a million rows take longer to write: then more may be allowed. */
const LIMIT_MS = Number(process.env.DRYDOCK_BENCH_LIMIT_MINUTES ?? 5) * 60_000;

const name = process.argv[2] ?? '';
const load = BENCHES[name];
if (!load) {
  console.error(`Benches: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}
const watchdog = setTimeout(() => {
  console.error(`The bench ${name} did not end within ${LIMIT_MS / 60_000} minutes.`);
  process.exit(1);
}, LIMIT_MS);
const { run } = await load();
const figures = await run();
clearTimeout(watchdog);
console.log(JSON.stringify({ bench: name, figures }));
process.exit(0);
