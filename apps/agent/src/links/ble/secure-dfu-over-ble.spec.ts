/** A whole update through everything that is real: session, driver, link, noble; only the radio chip is simulated. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createSecureDfuDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
  type FaultPlan,
} from '@drydock/device-sim';
import { describeArtifact, makeNordicPackage, secureDfu, type UpdateOutcome } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { BleAdapter } from './ble-adapter.js';

async function update(faults: FaultPlan): Promise<{ outcome: UpdateOutcome; ran: string | undefined; wanted: string }> {
  const scheduler = new WallClock();
  const device = createSecureDfuDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    // Long enough that the link to the application, which just fell silent, is given up in the middle of the transfer.
    flash: { eraseMsPerPage: 25, writeUsPerWord: 1 },
    rebootMs: 20,
    verifyMs: 5,
    advertisingIntervalMs: 20,
    faults,
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
  const application = makeDemoFirmware({ model: 'demo-sensor', version: '2.0.0', sizeBytes: 40_000, seed: 2 });
  const file = makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
  const artifact = describeArtifact(file);
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(device.ble.advertisement()?.address ?? '', { services: secureDfu.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, secureDfu.payloads(file)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        secureDfu.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0',
          returnWithinMs: 10_000,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
    return {
      outcome,
      ran: device.flash.runningImageSha256(),
      wanted: createHash('sha256').update(application).digest('hex'),
    };
  } finally {
    await driver.close();
    await adapter.close();
  }
}

describe('Secure DFU over the real stack', () => {
  it('updates and proves', async () => {
    const { outcome, ran, wanted } = await update({});
    expect(outcome).toMatchObject({ outcome: 'proven' });
    expect(ran).toBe(wanted);
  }, 30_000);

  it('goes on after the link was lost in the middle', async () => {
    const { outcome, ran, wanted } = await update({ disconnectAtByte: [9000, 30_000] });
    expect(outcome).toMatchObject({ outcome: 'proven' });
    expect(ran).toBe(wanted);
  }, 30_000);
});
