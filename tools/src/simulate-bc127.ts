/** `npm run simulate -- bc127`: a BC127 on a UART, a file for it, and the commands to try the agent by hand. Ends with Ctrl-C. */
import { createCsrBc127Device, makeDemoFirmware, RealScheduler, serveSerial } from '@drydock/device-sim';
import { csrPayloads, makeCsrDfu } from '@drydock/dfu-core';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IMAGE_BYTES = 64 * 1024;

const melody = (version: string, seed: number): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: makeDemoFirmware({ model: 'bc127', version: '1.0.0', sizeBytes: IMAGE_BYTES, seed }),
    applicationStore: [{ action: 'clear', key: 0x028a }],
  });

export async function simulateBc127(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-sim-'));
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
  console.log(
    [
      'A BC127 with Melody 7.1 and settings of its own is simulated on a UART, with Drydock’s own form of the loader’s requests.',
      'In another terminal, with "drydock-agent" for "node apps/agent/bin/drydock-agent.mjs":',
      '',
      `  drydock-agent inspect ${file}`,
      `  drydock-agent identify --link '${link}' --protocol csr-dfu`,
      `  drydock-agent update --file ${file} --link '${link}' --expect-version 7.3+1544637564`,
      '',
      'Ctrl-C ends it.',
    ].join('\n'),
  );
  const end = async () => {
    await port.close();
    scheduler.close();
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  };
  process.on('SIGINT', () => void end());
  process.on('SIGTERM', () => void end());
  // The simulated module keeps no timer of its own alive while nobody talks to it.
  setInterval(() => undefined, 60_000);
  await Promise.resolve();
}
