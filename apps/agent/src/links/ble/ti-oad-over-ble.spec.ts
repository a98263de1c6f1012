/** TI OAD through everything that is real: session, driver, link, noble; only the radio chip is simulated. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  createTiOadDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
  type FaultPlan,
  type TiOadVariant,
} from '@drydock/device-sim';
import {
  describeArtifact,
  makeMcubootImage,
  makeTiOadImage,
  makeTiOffChipImage,
  tiOad,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { BleAdapter } from './ble-adapter.js';

function fileFor(variant: TiOadVariant, release: number): Uint8Array {
  const code = makeDemoFirmware({ model: 'ti-sensor', version: `${release}.0.0`, sizeBytes: 16_000, seed: release });
  if (variant === 'c2') return makeTiOffChipImage({ image: code, version: release });
  if (variant === 'e2-on-chip') {
    return makeMcubootImage({
      body: code,
      version: { major: release, minor: 0, revision: 0, build: 0 },
      headerBytes: 256,
    });
  }
  return makeTiOadImage({ code, softwareVersion: `000${release}` });
}

async function update(
  variant: TiOadVariant,
  faults: FaultPlan = {},
): Promise<{ outcome: UpdateOutcome; ran: string | undefined; wanted: string }> {
  const scheduler = new WallClock();
  const device = createTiOadDevice({
    scheduler,
    variant,
    image: fileFor(variant, 1),
    flash: { eraseMsPerPage: 2, writeUsPerWord: 1 },
    rebootMs: 20,
    advertisingIntervalMs: 20,
    faults,
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller));
  const file = fileFor(variant, 2);
  const artifact = describeArtifact(file);
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(device.ble.advertisement()?.address ?? '', { services: tiOad.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, tiOad.payloads(file)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        tiOad.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: variant === 'e1-off-chip' ? '0002' : '2.0.0',
          returnWithinMs: 10_000,
        }),
      { openMs: 5000, limitMs: 60_000 },
    );
    return {
      outcome,
      ran: device.flash.runningImageSha256(),
      wanted: createHash('sha256').update(file).digest('hex'),
    };
  } finally {
    await driver.close();
    await adapter.close();
  }
}

describe('TI OAD over the real stack', () => {
  it.each<[TiOadVariant]>([['e1-off-chip'], ['e1-on-chip'], ['e2-on-chip'], ['c2']])(
    '%s: updates and proves',
    async (variant) => {
      const { outcome, ran, wanted } = await update(variant);
      expect(outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
      expect(ran).toBe(wanted);
    },
    30_000,
  );

  it('begins anew after the link was lost in the middle', async () => {
    const { outcome, ran, wanted } = await update('e1-on-chip', { disconnectAtByte: [9000] });
    expect(outcome).toMatchObject({ outcome: 'proven' });
    expect(ran).toBe(wanted);
  }, 30_000);
});
