/** `npm run simulate`: a Nordic sensor on Bluetooth, an SMP board on a UART, a Nordic bootloader on another. */
import { makeBoardPackage, makeReleaseKey, makeSensorPackage, openSimulatedSite } from '@drydock/e2e';
import { createSecureDfuDevice, RealScheduler, serveSerial } from '@drydock/device-sim';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const IMAGE_BYTES = 64 * 1024;

/** @param folder where the files and the socket of the controller go. */
export async function simulateSite(folder: string): Promise<SimulatedFamily> {
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
      '',
      `drydock-agent inspect ${file}`,
      `drydock-agent identify --link '${unit.linkName}'${adapter}`,
      `drydock-agent update --file ${file} --link '${unit.linkName}'${adapter} --expect-version ${made.version}`,
    );
  }
  // The sensor's chip once more, held in its bootloader, on a UART.
  const scheduler = new RealScheduler();
  const nordic = createSecureDfuDevice({
    scheduler,
    transport: 'uart',
    startsInBootloader: true,
    application: makeSensorPackage(1, sensorKey, IMAGE_BYTES).image,
    publicKey: sensorKey.publicPem,
  });
  const nordicPort = serveSerial(nordic.serial);
  const nordicFile = join(folder, makeSensorPackage(2, sensorKey, IMAGE_BYTES).fileName);
  commands.push(
    '',
    `drydock-agent identify --link 'serial:${nordicPort.path}'`,
    `drydock-agent update --file ${nordicFile} --link 'serial:${nordicPort.path}'`,
  );
  return {
    what: [
      'One sensor (Nordic Secure DFU on Bluetooth) and one board (SMP on a UART console) are simulated,',
      'and a Nordic bootloader on a UART (once updated it is silent, as its application is: start again for another try).',
    ].join('\n'),
    commands,
    async close() {
      await site.close();
      await nordicPort.close();
      scheduler.close();
    },
  };
}
