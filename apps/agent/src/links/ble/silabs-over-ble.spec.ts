/** Whole OTA updates of Silicon Labs through everything that is real: session, driver, link, noble; only the radio chip is simulated. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createSilabsDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
  type SilabsOptions,
} from '@drydock/device-sim';
import { describeArtifact, makeGbl, silabsOta, type UpdateOutcome } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { BleAdapter } from './ble-adapter.js';

const NEW = makeDemoFirmware({ model: 'demo-node', version: '2.0.0', sizeBytes: 40_000, seed: 2 });
const FILE = makeGbl({ programs: [{ address: 0x4000, data: NEW }] });
const WANTED = createHash('sha256').update(NEW).digest('hex');

async function update(
  options: Partial<SilabsOptions> & Pick<SilabsOptions, 'access'>,
): Promise<{ outcome: UpdateOutcome; ran: string | undefined }> {
  const scheduler = new WallClock();
  const device = createSilabsDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-node', version: '1.0.0', sizeBytes: 16_384 }),
    applicationBytes: 64 * 1024,
    flash: { eraseMsPerPage: 2, writeUsPerWord: 1 },
    rebootMs: 20,
    verifyMs: 20,
    advertisingIntervalMs: 20,
    ...options,
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble!);
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
  const artifact = describeArtifact(FILE);
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(device.ble!.advertisement()?.address ?? '', { services: silabsOta.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(FILE, artifact.sha256, silabsOta.payloads(FILE)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        silabsOta.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0',
          returnWithinMs: 10_000,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
    return { outcome, ran: device.flash.runningImageSha256() };
  } finally {
    await driver.close();
    await adapter.close();
  }
}

describe('Silicon Labs OTA over the real stack', () => {
  it.each<[string, Parameters<typeof update>[0]]>([
    ['through the AppLoader, under the same address', { access: 'apploader' }],
    ['through an AppLoader with an address of its own', { access: 'apploader', loaderAddress: 'd0:00:00:00:00:01' }],
    ['after the link was lost in the middle', { access: 'apploader', faults: { disconnectAtByte: [9000] } }],
    ['after writes that came too fast', { access: 'apploader', bufferBytes: 1024, flash: { writeUsPerWord: 200 } }],
    ['inside the application', { access: 'application-ota' }],
  ])(
    'updates and proves %s',
    async (_, options) => {
      const { outcome, ran } = await update(options);
      expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
      expect(ran).toBe(WANTED);
    },
    60_000,
  );
});
