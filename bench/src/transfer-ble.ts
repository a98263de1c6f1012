/**
 * How fast a Secure DFU update runs over Bluetooth, against the floor of the link.
 *
 * Real: session, driver, link, noble. Simulated: the controller, which keeps the air's pace in real time (15 ms
 * interval, ATT_MTU 247, link packets of 251 bytes, 2M PHY), and the unit, whose flash is quick enough not to be the
 * bottleneck (0.5 ms a page, 1 µs a word).
 */
import {
  createSecureDfuDevice,
  GenericPeripheral,
  GenericUuid,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  WallClock,
  type ControllerOptions,
} from '@drydock/device-sim';
import { describeArtifact, makeNordicPackage, secureDfu, type OpenLink } from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter } from '@drydock/agent/testing';
import { airFloorMs, bareFloorBytesPerSecond, eventFloorMs } from './transfer-ble-floor.js';

const IMAGE_BYTES = 240_000;
const WRITE_BYTES = 244;
const BARE_MS = 3000;
const UNITS = 8;

/** Bytes per second that write commands reach over so many links at once, without any protocol. */
async function bareRate(units: number, options: ControllerOptions): Promise<number> {
  const controller = new SimulatedController({ paced: true, aclPackets: 24, ...options });
  const addresses = Array.from({ length: units }, (_, i) => `c0:11:22:33:44:${(0x50 + i).toString(16)}`);
  const peripherals = addresses.map((address) => new GenericPeripheral({ address }));
  for (const peripheral of peripherals) controller.host(peripheral);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  const links: OpenLink[] = [];
  for (const address of addresses) {
    links.push(await adapter.link(address, { services: [GenericUuid.service] }).open({}, 20_000));
  }
  const value = new Uint8Array(WRITE_BYTES);
  const write = async (link: OpenLink, untilMs: number): Promise<void> => {
    while (performance.now() < untilMs) {
      await link.send(GenericUuid.commands, value, { acknowledged: false, withinMs: 10_000 });
    }
  };
  const total = (): number => peripherals.reduce((sum, { writtenBytes }) => sum + writtenBytes, 0);
  // PHY and data length need a few events to take effect.
  await Promise.all(links.map((link) => write(link, performance.now() + 500)));
  const beganMs = performance.now();
  const before = total();
  await Promise.all(links.map((link) => write(link, beganMs + BARE_MS)));
  const rate = ((total() - before) / (performance.now() - beganMs)) * 1000;
  await adapter.close();
  return rate;
}

/** One update to its proof. @returns milliseconds from the first image byte to the last object, as the session tells. */
async function transferMs(options: ControllerOptions): Promise<number> {
  const scheduler = new WallClock();
  const device = createSecureDfuDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    flash: { eraseMsPerPage: 0.5, writeUsPerWord: 1 },
    rebootMs: 50,
    jumpLink: 'graceful',
  });
  const controller = new SimulatedController({ scheduler, paced: true, ...options });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  const application = makeDemoFirmware({ model: 'demo-sensor', version: '2.0.0', sizeBytes: IMAGE_BYTES, seed: 2 });
  const file = makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
  const artifact = describeArtifact(file);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(device.ble.advertisement()?.address ?? '', { services: secureDfu.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, secureDfu.payloads(file)),
    hooks: {
      progress: (sentBytes) => {
        endedMs = performance.now();
        if (sentBytes === 0) beganMs = endedMs;
      },
    },
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
          returnWithinMs: 20_000,
        }),
      { openMs: 10_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven' || beganMs === undefined) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return endedMs - beganMs;
  } finally {
    await driver.close();
    await adapter.close();
  }
}

/**
 * - `ratioToFloor`, `bytesPerSecond`, `floorBytesPerSecond`: one update, image bytes, 2M PHY; `…1m` the same on 1M.
 *   `ratioToAirFloor` is against the bound that knows no connection events.
 * - `bareBytesPerSecond`, `bareRatio`: write commands alone, and their share of what the air carries.
 * - `eightIndependentTimesOne`: eight links with a radio each, in rates of one. `eightSharedRatio`: eight links that
 *   share one radio, as share of what the air carries back to back.
 */
export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const [suffix, phy] of [
    ['', 2],
    ['1m', 1],
  ] as const) {
    const tookMs = await transferMs({ phy2m: phy === 2 });
    const floorMs = eventFloorMs(IMAGE_BYTES, phy);
    figures[`ratioToFloor${suffix}`] = round(floorMs / tookMs);
    figures[`ratioToAirFloor${suffix}`] = round(airFloorMs(IMAGE_BYTES, phy) / tookMs);
    figures[`bytesPerSecond${suffix}`] = Math.round((IMAGE_BYTES / tookMs) * 1000);
    figures[`floorBytesPerSecond${suffix}`] = Math.round((IMAGE_BYTES / floorMs) * 1000);
  }
  const one = await bareRate(1, {});
  figures['bareBytesPerSecond'] = Math.round(one);
  figures['bareRatio'] = round(one / bareFloorBytesPerSecond(WRITE_BYTES, 2, 'events'));
  figures['eightIndependentTimesOne'] = round((await bareRate(UNITS, { air: 'independent', aclPackets: 64 })) / one);
  const shared = await bareRate(UNITS, { air: 'shared' });
  figures['eightSharedRatio'] = round(shared / bareFloorBytesPerSecond(WRITE_BYTES, 2, 'back-to-back'));
  return figures;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
