/**
 * `npm run simulate`: one simulated sensor on Bluetooth and one board on a UART, with packages for them,
 * and the commands to try the agent on them by hand. Ends with Ctrl-C.
 * With `-- --silabs`: units of Silicon Labs and Bluegiga instead.
 */
import { makeBoardPackage, makeReleaseKey, makeSensorPackage, openSimulatedSite } from '@drydock/e2e';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simulateSilabs } from './simulate-silabs.js';

if (process.argv.includes('--silabs')) await simulateSilabs();

const IMAGE_BYTES = 64 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'drydock-sim-'));
const sensorKey = makeReleaseKey();
const boardKey = makeReleaseKey();
const site = await openSimulatedSite({
  name: 'bench',
  folder,
  sensors: [{ runs: { image: makeSensorPackage(1, sensorKey, IMAGE_BYTES).image, fwVersion: 1 } }],
  boards: [{ runs: { image: makeBoardPackage(1, boardKey, IMAGE_BYTES).image } }],
  sensorKeyPem: sensorKey.publicPem,
  boardKeyPem: boardKey.publicPem,
  paced: true,
});
const commands: string[] = [`drydock-agent scan --adapter ${site.adapter} --seconds 3`];
for (const unit of site.units) {
  const made = unit.device.ble
    ? makeSensorPackage(2, sensorKey, IMAGE_BYTES)
    : makeBoardPackage(2, boardKey, IMAGE_BYTES);
  const file = join(folder, made.fileName);
  writeFileSync(file, made.file);
  const adapter = unit.device.ble ? ` --adapter ${site.adapter}` : '';
  commands.push(
    `drydock-agent inspect ${file}`,
    `drydock-agent identify --link '${unit.linkName}'${adapter}`,
    `drydock-agent update --file ${file} --link '${unit.linkName}'${adapter} --expect-version ${made.version}`,
  );
}
console.log(
  [
    'One sensor (Nordic Secure DFU on Bluetooth) and one board (SMP on a UART console) are simulated.',
    'In another terminal, with "drydock-agent" for "node apps/agent/bin/drydock-agent.mjs":',
    '',
    ...commands.map((command) => `  ${command}`),
    '',
    'Ctrl-C ends it.',
  ].join('\n'),
);
const end = async () => {
  await site.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
process.on('SIGINT', () => void end());
process.on('SIGTERM', () => void end());
// The simulated units keep no timer of their own alive while nobody talks to them.
setInterval(() => undefined, 60_000);
