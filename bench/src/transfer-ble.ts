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
  secureDfuBleFloor,
  SimulatedController,
  WallClock,
  type ControllerOptions,
  type FlashFigures,
  type Phy,
  type TransferFloor,
} from '@drydock/device-sim';
import { describeArtifact, makeNordicPackage, secureDfu, type OpenLink } from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter } from '@drydock/agent/testing';

const IMAGE_BYTES = 240_000;
const INTERVAL_MS = 15;
const MTU = 247;
const LINK_PAYLOAD_BYTES = 251;
const WRITE_BYTES = MTU - 3;
const BARE_MS = 3000;
const UNITS = 8;
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
/** The unit's time from a request to its answer. */
const ANSWER_MS = 0.5;
/** Create and Execute: the receipt of an object stands for its checksum, and rides beside Execute. */
const ANSWERS_PER_OBJECT = 2;

/** Floor of the image alone: what comes before it (init packet, its signature) is not measured. */
function imageFloor(phy: Phy): { totalMs: number; floor: TransferFloor } {
  const air = { intervalMs: INTERVAL_MS, mtu: MTU, linkPayloadBytes: LINK_PAYLOAD_BYTES, phy, flash: QUICK_FLASH };
  const link = { ...air, answerMs: ANSWER_MS, answersPerObject: ANSWERS_PER_OBJECT };
  const floor = secureDfuBleFloor({ ...link, imageBytes: IMAGE_BYTES });
  return { totalMs: floor.totalMs - secureDfuBleFloor({ ...link, imageBytes: 0 }).totalMs, floor };
}

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
    flash: QUICK_FLASH,
    answerMs: ANSWER_MS,
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
    // Other work on the machine can only slow a run down.
    const tookMs = Math.min(await transferMs({ phy2m: phy === 2 }), await transferMs({ phy2m: phy === 2 }));
    const { totalMs: floorMs } = imageFloor(phy);
    figures[`ratioToFloor${suffix}`] = round(floorMs / tookMs);
    figures[`bytesPerSecond${suffix}`] = Math.round((IMAGE_BYTES / tookMs) * 1000);
    figures[`floorBytesPerSecond${suffix}`] = Math.round((IMAGE_BYTES / floorMs) * 1000);
  }
  const { bareBytesPerSecond } = imageFloor(2).floor;
  const one = await bareRate(1, {});
  figures['bareBytesPerSecond'] = Math.round(one);
  figures['bareRatio'] = round(one / wholePackets(bareBytesPerSecond));
  figures['eightIndependentTimesOne'] = round((await bareRate(UNITS, { air: 'independent', aclPackets: 64 })) / one);
  figures['eightSharedRatio'] = round((await bareRate(UNITS, { air: 'shared' })) / bareBytesPerSecond);
  return figures;
}

/** An event carries whole packets only: what back-to-back packets lose at its end. */
const wholePackets = (bytesPerSecond: number): number =>
  (Math.floor((bytesPerSecond * INTERVAL_MS) / 1000 / WRITE_BYTES) * WRITE_BYTES * 1000) / INTERVAL_MS;
const round = (value: number): number => Math.round(value * 1000) / 1000;
