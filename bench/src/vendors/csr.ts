/**
 * How fast a BC127 takes a file over BCSP, against the floor of its line.
 *
 * Real: session, driver, link, serialport. Simulated: the line (115200 baud, even parity, in real time) and the module with
 * its flash (the loader's checks and all waits that it announces count in the floor, too).
 */
import {
  createCsrBc127Device,
  csrBcspFloor,
  makeDemoFirmware,
  RealScheduler,
  serveSerial,
  type FlashFigures,
} from '@drydock/device-sim';
import { csrDfu, csrPayloads, describeArtifact, makeCsrDfu } from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { UartLink } from '@drydock/agent/testing';

const IMAGE_BYTES = 120_000;
const BAUD = 115_200;
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };

const melody = (version: string, seed: number): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: makeDemoFirmware({ model: 'bc127', version: '1.0.0', sizeBytes: IMAGE_BYTES, seed }),
  });

/** @returns milliseconds from the loader's readiness to the last block taken, as the session tells. */
async function transferMs(file: Uint8Array): Promise<number> {
  const artifact = describeArtifact(file);
  const scheduler = new RealScheduler();
  const device = createCsrBc127Device({
    scheduler,
    application: csrPayloads(melody('7.1 1526925062', 1)).get('image:0')!,
    flash: QUICK_FLASH,
    firstStartMs: 50,
    syncMs: 250,
  });
  const service = serveSerial(device.serial);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link: new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: 9600 } }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, csrDfu.payloads(file)),
    hooks: {
      progress: () => {
        beganMs ??= performance.now();
        endedMs = performance.now();
      },
    },
  });
  try {
    const outcome = await driver.run(
      (info) =>
        csrDfu.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          returnWithinMs: 30_000,
          linkOptions: { variant: 'standard', loader: 'simulated' },
        }),
      { openMs: 10_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven') throw new Error(`the transfer ended ${JSON.stringify(outcome)}`);
    return endedMs - (beganMs ?? endedMs);
  } finally {
    await driver.close();
    await service.close();
    scheduler.close();
  }
}

/** @returns `csrBcsp`: the rate over the design's floor; 1 is the floor. */
export async function csrFigures(): Promise<Record<string, number>> {
  const file = melody('7.3 1544637564', 2);
  // Measured up to the last block; the loader's check at the end is no transfer.
  const floor = csrBcspFloor({
    body: csrPayloads(file).get('image:0')!,
    baud: BAUD,
    flash: QUICK_FLASH,
    manifestMs: 0,
  });
  return { csrBcsp: floor.totalMs / (await transferMs(file)) };
}
