/**
 * `npm run simulate`: one simulated sensor on Bluetooth, one board on a UART, one Nordic bootloader on another, with
 * packages for them, and the commands to try the agent on them by hand; with `-- legacy` units with Nordic's legacy
 * bootloaders instead, with `-- bc127` a BC127. Ends with Ctrl-C.
 */
import { makeBoardPackage, makeReleaseKey, makeSensorPackage, openSimulatedSite } from '@drydock/e2e';
import { createSecureDfuDevice, RealScheduler, serveSerial } from '@drydock/device-sim';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

if (process.argv[2] === 'legacy') {
  await (await import('./simulate-legacy.js')).simulateLegacy();
  // A signal ends it.
  await new Promise<never>(() => undefined);
}

if (process.argv[2] === 'bc127') {
  await (await import('./simulate-bc127.js')).simulateBc127();
  await new Promise<never>(() => undefined);
}

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
// The sensor's chip once more, held in its bootloader, on a UART.
const nordic = createSecureDfuDevice({
  scheduler: new RealScheduler(),
  transport: 'uart',
  startsInBootloader: true,
  application: makeSensorPackage(1, sensorKey, IMAGE_BYTES).image,
  publicKey: sensorKey.publicPem,
});
const nordicPort = serveSerial(nordic.serial);
const nordicFile = join(folder, makeSensorPackage(2, sensorKey, IMAGE_BYTES).fileName);
commands.push(`drydock-agent update --file ${nordicFile} --link 'serial:${nordicPort.path}'`);
console.log(
  [
    'One sensor (Nordic Secure DFU on Bluetooth) and one board (SMP on a UART console) are simulated,',
    'and a Nordic bootloader on a UART (once updated it is silent, as its application is: start again for another try).',
    'In another terminal, with "drydock-agent" for "node apps/agent/bin/drydock-agent.mjs":',
    '',
    ...commands.map((command) => `  ${command}`),
    '',
    'Ctrl-C ends it.',
  ].join('\n'),
);
const end = async () => {
  await site.close();
  await nordicPort.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
process.on('SIGINT', () => void end());
process.on('SIGTERM', () => void end());
// The simulated units keep no timer of their own alive while nobody talks to them.
setInterval(() => undefined, 60_000);
