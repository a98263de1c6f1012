/**
 * `npm run demo`: the demo in a temporary folder. Ends by itself; the last line is JSON, the status says
 * whether all went as planned: every device proven but the one that fails on purpose.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAILING_UNIT, openDemoFleet, type DemoFleet } from './demo/fleet.js';
import { demoOperator } from './demo/demo-operator.js';
import { runDemoCampaigns, type DemoResult } from './demo/run-campaigns.js';
import { newAdminToken, startServerProcess, type ServerProcess } from './demo/server-process.js';

const folder = mkdtempSync(join(tmpdir(), 'drydock-demo-data-'));
// As root the database runs as another user, who has to reach its folder.
chmodSync(folder, 0o755);
const settings = {
  DRYDOCK_DATA_DIR: folder,
  DRYDOCK_LOG_LEVEL: process.env.DRYDOCK_LOG_LEVEL ?? 'error',
  DRYDOCK_HTTP_PORT: '0',
  DRYDOCK_MQTT_PORT: '0',
};

let server: ServerProcess | undefined;
let fleet: DemoFleet | undefined;
let closing: Promise<void> | undefined;
const close = () =>
  (closing ??= (async () => {
    await fleet?.close();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  })());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void close().then(() => process.exit(1)));

let result: DemoResult | undefined;
const startedMs = Date.now();
let seconds = 0;
try {
  const running = await startServerProcess(settings);
  server = running;
  const operator = await demoOperator(
    running.baseUrl,
    join(folder, 'demo'),
    async () => running.adminToken ?? newAdminToken(settings),
  );
  fleet = await openDemoFleet(join(folder, 'demo'), operator);
  result = await runDemoCampaigns(operator, fleet);
  seconds = (Date.now() - startedMs) / 1000;
} catch (error) {
  console.error(`The demo did not end well: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await close();
}
const planned =
  result !== undefined &&
  result.devices === 12 &&
  result.proven === 11 &&
  result.failed === 1 &&
  result.notProven[0] === FAILING_UNIT;
console.log(
  JSON.stringify({
    devices: result?.devices ?? 0,
    proven: result?.proven ?? 0,
    failed: result?.failed ?? 0,
    seconds: Math.round(seconds * 10) / 10,
  }),
);
process.exit(planned ? 0 : 1);
