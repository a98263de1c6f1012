/** A BC127 on a UART, and a file for it. */
import { createCsrBc127Device, makeDemoFirmware, RealScheduler, serveSerial } from '@drydock/device-sim';
import { csrPayloads, makeCsrDfu } from '@drydock/dfu-core';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const IMAGE_BYTES = 64 * 1024;

const melody = (version: string, seed: number): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: makeDemoFirmware({ model: 'bc127', version: '1.0.0', sizeBytes: IMAGE_BYTES, seed }),
    applicationStore: [{ action: 'clear', key: 0x028a }],
  });

export function simulateBc127(folder: string): Promise<SimulatedFamily> {
  const scheduler = new RealScheduler();
  const device = createCsrBc127Device({
    scheduler,
    application: csrPayloads(melody('7.1 1526925062', 1)).get('image:0')!,
    settings: { NAME: 'Kitchen' },
    licences: { APTX: '1111 2222 3333 4444 5555' },
  });
  const port = serveSerial(device.serial);
  const file = join(folder, 'melody-7.3.dfu');
  writeFileSync(file, melody('7.3 1544637564', 2));
  const link = `serial:${port.path}?variant=standard&loader=simulated`;
  return Promise.resolve({
    what: 'A BC127 with Melody 7.1 and settings of its own, with Drydock’s own form of the loader’s requests.',
    commands: [
      `drydock-agent inspect ${file}`,
      `drydock-agent identify --link '${link}' --protocol csr-dfu`,
      `drydock-agent update --file ${file} --link '${link}' --expect-version 7.3+1544637564`,
    ],
    async close() {
      await port.close();
      scheduler.close();
    },
  });
}
