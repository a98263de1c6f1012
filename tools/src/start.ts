/**
 * `npm start`: the server with everything embedded, and a campaign on a simulated fleet; the API stays
 * up until Ctrl-C, data is kept under `.drydock/`. `npm start -- --no-demo`: the bare server.
 */
import { parseArgs } from 'node:util';
import { join, relative, resolve } from 'node:path';
import { openDemoFleet, type DemoFleet } from './demo/fleet.js';
import { demoOperator } from './demo/demo-operator.js';
import { runDemoCampaigns } from './demo/run-campaigns.js';
import { newAdminToken, startServerProcess } from './demo/server-process.js';

const { values } = parseArgs({ options: { 'no-demo': { type: 'boolean', default: false } } });
const dataDir = resolve(process.env.DRYDOCK_DATA_DIR ?? '.drydock');
const settings = { DRYDOCK_DATA_DIR: dataDir, DRYDOCK_LOG_LEVEL: process.env.DRYDOCK_LOG_LEVEL ?? 'warn' };

const server = await startServerProcess(settings);
let fleet: DemoFleet | undefined;
let stopping = false;
const stop = async (status: number) => {
  if (stopping) return;
  stopping = true;
  await fleet?.close();
  await server.stop();
  process.exit(status);
};
process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));
void server.ended.then((code) => {
  if (!stopping) void stop(code || 1);
});

if (!values['no-demo']) {
  try {
    const folder = join(dataDir, 'demo');
    const operator = await demoOperator(
      server.baseUrl,
      folder,
      async () => server.adminToken ?? newAdminToken(settings),
    );
    const startedMs = Date.now();
    fleet = await openDemoFleet(folder, operator);
    const result = await runDemoCampaigns(operator, fleet);
    fleet.remember();
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    console.log(
      `\n${result.proven} of ${result.devices} devices proven in ${seconds} s, ${result.failed} failed` +
        (result.notProven.length > 0 ? ` (${result.notProven.join(', ')}: on purpose; the dashboard says why)` : '') +
        `.\n\nAll stays up until Ctrl-C. A campaign of your own, at ${server.baseUrl}/ :\n` +
        `  1  sign in with the administrator's token that the first start showed\n` +
        `  2  Artifacts: upload ${relative('', fleet.yours.at(-1)!)} for the model demo-board\n` +
        `  3  New campaign; pause it, resume it, and ask a device why`,
    );
  } catch (error) {
    console.error(`The demo did not end well: ${error instanceof Error ? error.message : String(error)}`);
    console.error('The server stays up; Ctrl-C ends it.');
  }
}
