/** Legacy updates through everything that is real: session, driver, link, noble; only the radio chip is simulated. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  createLegacyDfuDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
  type LegacyDfuOptions,
} from '@drydock/device-sim';
import { describeArtifact, legacyDfu, makeLegacyPackage, type UpdateOutcome } from '@drydock/dfu-core';
import { realClock } from '../../clock.js';
import { NO_FENCES } from '../../driver/fences.js';
import { PayloadStore } from '../../driver/payload-store.js';
import { SessionDriver } from '../../driver/session-driver.js';
import { BleAdapter } from './ble-adapter.js';
import { openBondStore, type BondStore } from './bond-store.js';

interface Run {
  readonly outcome: UpdateOutcome;
  readonly ran: string | undefined;
  readonly wanted: string;
}

/** @param bonds with them the gateway pairs before it updates. */
async function update(options: Partial<LegacyDfuOptions>, bonds?: BondStore): Promise<Run> {
  const scheduler = new WallClock();
  const device = createLegacyDfuDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 5, writeUsPerWord: 1 },
    bankBytes: 48 * 1024,
    rebootMs: 20,
    advertisingIntervalMs: 20,
    // Unpaced, packets come much faster than any air brings them.
    packetBuffers: 64,
    ...options,
  });
  const controller = new SimulatedController({ scheduler, supervisionMs: 200 });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('memory', memoryPort(controller), bonds ? { bonds } : {});
  const address = device.ble.advertisement()?.address ?? '';
  if (bonds) await adapter.bond(address, {}, 5000);
  const application = makeDemoFirmware({ model: 'demo-sensor', version: '2.0.0', sizeBytes: 30_000, seed: 2 });
  const file = makeLegacyPackage({ application, softdevices: [0x64] });
  const artifact = describeArtifact(file);
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(address, { services: legacyDfu.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, legacyDfu.payloads(file)),
  });
  try {
    const outcome = await driver.run(
      (info) =>
        legacyDfu.update(info, {
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

describe('Legacy DFU over the real stack', () => {
  it.each<[string, Partial<LegacyDfuOptions>]>([
    ['SDK 11, address plus one', {}],
    ['SDK 8, a bond handed over: the same address', { sdk: '8', peerData: 'bonded' }],
    ['a link lost in the middle', { faults: { disconnectAtByte: [9_000] } }],
  ])(
    'updates and proves: %s',
    async (_, options) => {
      const { outcome, ran, wanted } = await update(options);
      expect(outcome).toMatchObject({ outcome: 'proven' });
      expect(ran).toBe(wanted);
    },
    30_000,
  );

  it('refuses an application that wants a bond, while there is none', async () => {
    const { outcome } = await update({ wantsBond: true });
    expect(outcome).toMatchObject({ outcome: 'failed', code: 'link.auth-required', needsRescue: false });
  }, 30_000);

  it.each<[string, Partial<LegacyDfuOptions>]>([
    ['SDK 11, which hands the bond over', { peerData: 'bonded' }],
    ['SDK 7, whose bootloader at the same address knows no bond', { sdk: '7' }],
    ['SDK 8 without sharing: the address after it', { sdk: '8' }],
  ])(
    'with a bond goes through: %s',
    async (_, options) => {
      const folder = await mkdtemp(join(tmpdir(), 'drydock-bonds-'));
      try {
        const { outcome, ran, wanted } = await update({ wantsBond: true, ...options }, await openBondStore(folder));
        expect(outcome).toMatchObject({ outcome: 'proven' });
        expect(ran).toBe(wanted);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    30_000,
  );
});
