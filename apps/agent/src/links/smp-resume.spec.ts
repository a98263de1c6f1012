/**
 * SMP through everything that is real (session, driver, link, serialport or noble): an upload that is cut again and
 * again goes on where it was, over a pseudo-terminal and over a simulated Bluetooth controller.
 *
 * The long form (`npm run soak -- smp`) cuts at every 1 % of the image; here it is every 7 %.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createSmpDevice,
  makeDemoFirmware,
  makeFactoryImage,
  memoryPort,
  RealScheduler,
  serveSerial,
  SimulatedController,
  WallClock,
  type SmpDevice,
  type SmpOptions,
} from '@drydock/device-sim';
import { describeArtifact, makeMcubootImage, smp, type UpdateOutcome } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { PayloadStore } from '../driver/payload-store.js';
import { SessionDriver, type ReopeningLink } from '../driver/session-driver.js';
import { BleAdapter } from './ble/ble-adapter.js';
import { UartLink } from './uart/uart-link.js';

const LONG = process.env['DRYDOCK_SOAK'] === '1';
const STEP = LONG ? 1 : 7;
const LIMIT_MS = LONG ? 280_000 : 60_000;

const FILE = makeMcubootImage({
  body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: 80_000, seed: 2 }),
  version: { major: 2, minor: 0, revision: 0, build: 0 },
});
const ARTIFACT = describeArtifact(FILE);
function unit(options: Partial<SmpOptions>, scheduler: SmpOptions['scheduler']): SmpDevice {
  return createSmpDevice({
    scheduler,
    image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
    flash: { pageBytes: 4096, eraseMsPerPage: 0.1, writeUsPerWord: 0.1 },
    processMs: 0,
    resetDelayMs: 10,
    rebootMs: 10,
    swapMs: 10,
    advertisingIntervalMs: 20,
    ...options,
  });
}

/** One session; `cutAt` bytes on, it is ended where it stands, as by a crash. @returns undefined when it was cut. */
async function session(link: ReopeningLink, cutAt: number): Promise<UpdateOutcome | undefined> {
  const driver = new SessionDriver({
    clock: realClock,
    link,
    fences: NO_FENCES,
    payload: new PayloadStore(FILE, ARTIFACT.sha256, smp.payloads(FILE)),
    hooks: {
      progress: (sent) => {
        if (sent >= cutAt) driver.abort('cut by the test');
      },
    },
  });
  try {
    return await driver.run(
      (info) =>
        smp.update(info, {
          artifact: ARTIFACT,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: false,
          returnWithinMs: 20_000,
        }),
      { openMs: 10_000, limitMs: 60_000 },
    );
  } catch (error) {
    if ((error as Error).message.includes('cut by the test')) return undefined;
    throw error;
  } finally {
    await driver.close();
  }
}

async function cutAgainAndAgain(link: ReopeningLink, device: SmpDevice): Promise<void> {
  // What is under way when a session is cut still arrives: behind this the unit would have it all.
  for (let percent = STEP; percent <= 95; percent += STEP) {
    expect(await session(link, (FILE.length * percent) / 100)).toBeUndefined();
  }
  const outcome = await session(link, Number.POSITIVE_INFINITY);
  expect(outcome).toMatchObject({ outcome: 'proven', after: { running: [{ version: '2.0.0', confirmed: true }] } });
  expect(device.flash.runningImageSha256()).toBe(createHash('sha256').update(FILE).digest('hex'));
  // Erased once: each session found the upload where the one before had left it.
  expect(device.touches.filter(({ what }) => what === 'erased')).toHaveLength(1);
  expect(outcome?.sentBytes).toBeLessThan((FILE.length * 2 * STEP) / 100 + 20_000);
}

describe('an upload cut again and again', () => {
  it(
    'over a pseudo-terminal',
    async () => {
      const device = unit({ bufSize: 1024, bufCount: 4 }, new RealScheduler());
      const service = serveSerial(device.serial!, { pacing: 'unpaced' });
      try {
        await cutAgainAndAgain(
          new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: 4_000_000 } }),
          device,
        );
      } finally {
        await service.close();
      }
    },
    LIMIT_MS,
  );

  it(
    'over Bluetooth',
    async () => {
      const scheduler = new WallClock();
      const device = unit({ transport: 'ble', bufSize: 1024, bufCount: 4 }, scheduler);
      const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
      controller.host(device.ble!);
      const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
      try {
        const address = device.ble!.advertisement()?.address ?? '';
        await cutAgainAndAgain(adapter.link(address, { services: smp.services }), device);
      } finally {
        await adapter.close();
      }
    },
    LIMIT_MS,
  );

  it(
    'by the radio, in one session',
    async () => {
      const scheduler = new WallClock();
      const share = LONG ? 1 : 14;
      const disconnectAtByte = Array.from({ length: Math.ceil(100 / share) - 1 }, (_, i) =>
        Math.floor((FILE.length * (i + 1) * share) / 100),
      );
      const device = unit({ transport: 'ble', bufSize: 1024, bufCount: 4, faults: { disconnectAtByte } }, scheduler);
      const controller = new SimulatedController({ scheduler, supervisionMs: 100 });
      controller.host(device.ble!);
      const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
      try {
        const address = device.ble!.advertisement()?.address ?? '';
        const outcome = await session(adapter.link(address, { services: smp.services }), Number.POSITIVE_INFINITY);
        expect(outcome).toMatchObject({ outcome: 'proven' });
        expect(device.touches.filter(({ what }) => what === 'erased')).toHaveLength(1);
      } finally {
        await adapter.close();
      }
    },
    LIMIT_MS,
  );

  it('a characteristic that wants a bond is refused before any write', async () => {
    const scheduler = new WallClock();
    const device = unit({ transport: 'ble', needsPairing: true }, scheduler);
    const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
    controller.host(device.ble!);
    const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
    try {
      const address = device.ble!.advertisement()?.address ?? '';
      const outcome = await session(adapter.link(address, { services: smp.services }), Number.POSITIVE_INFINITY);
      expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', sentBytes: 0 });
      expect(device.touches.filter(({ what }) => what === 'touched')).toEqual([]);
    } finally {
      await adapter.close();
    }
  }, 20_000);
});
