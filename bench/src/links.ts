/**
 * What one gateway makes of its links when many devices are updated at once: eight Secure DFU units on one adapter, four
 * SMP units on four ports.
 *
 * Real: sessions, drivers, links, noble, serialport. Simulated: the controller and the lines, which keep their pace in
 * real time, and the units, whose flash is quick enough not to be the bottleneck.
 */
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter, UartLink } from '@drydock/agent/testing';
import {
  createSecureDfuDevice,
  createSmpDevice,
  makeDemoFirmware,
  makeFactoryImage,
  memoryPort,
  RealScheduler,
  secureDfuBleFloor,
  serveSerial,
  SimulatedController,
  WallClock,
} from '@drydock/device-sim';
import { describeArtifact, makeMcubootImage, makeNordicPackage, secureDfu, smp } from '@drydock/dfu-core';
import type { Link, LinkInfo, Protocol, Session, UpdateOutcome, UpdateRequest } from '@drydock/dfu-core';

const BLE_UNITS = 8;
const PORTS = 4;
const BLE_IMAGE_BYTES = 240_000;
const UART_IMAGE_BYTES = 60_000;
const INTERVAL_MS = 15;
const LINK_PAYLOAD_BYTES = 251;
const MTU = 247;
/** Room for all eight to keep their events full. */
const ACL_PACKETS = 64;
const BAUD = 115_200;
const FLASH = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
/** Other work on the machine can only slow a run down: the best counts. */
const RUNS = 2;

/** When the bytes of an image went over the link. */
interface Span {
  readonly beganMs: number;
  readonly endedMs: number;
}

interface Update {
  readonly link: Link;
  readonly protocol: Protocol;
  readonly file: Uint8Array;
  readonly request?: Partial<UpdateRequest>;
}

/** One update to its proof. */
async function update({ link, protocol, file, request }: Update): Promise<Span> {
  const artifact = describeArtifact(file);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link,
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, protocol.payloads(file)),
    hooks: {
      // Some sessions begin to count at the first image byte, behind what is sent before it; others at the first touch.
      mark: (step) => {
        if (step === 'touched') beganMs = performance.now();
        return Promise.resolve();
      },
      progress: (sentBytes) => {
        endedMs = performance.now();
        if (sentBytes === 0) beganMs = endedMs;
      },
    },
  });
  const session = (info: LinkInfo): Session<UpdateOutcome> =>
    protocol.update(info, {
      artifact,
      allowDowngrade: false,
      confirm: 'after-proof',
      versionProves: true,
      returnWithinMs: 20_000,
      ...request,
    });
  try {
    const outcome = await driver.run(session, { openMs: 20_000, limitMs: 200_000 });
    if (outcome.outcome !== 'proven' || beganMs === undefined) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return { beganMs, endedMs };
  } finally {
    await driver.close();
  }
}

/** So many updates at once behind one adapter. */
async function overOneAdapter(units: number, air: 'independent' | 'shared'): Promise<readonly Span[]> {
  const scheduler = new WallClock();
  const controller = new SimulatedController({ scheduler, paced: true, air, aclPackets: ACL_PACKETS });
  const devices = Array.from({ length: units }, (_, index) =>
    createSecureDfuDevice({
      scheduler,
      serialNumber: `BENCH-${index}`,
      application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
      flash: FLASH,
      rebootMs: 50,
      jumpLink: 'graceful',
    }),
  );
  for (const device of devices) controller.host(device.ble);
  const application = makeDemoFirmware({
    model: 'demo-sensor',
    version: '2.0.0',
    sizeBytes: BLE_IMAGE_BYTES,
    seed: 2,
  });
  const file = makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    return await Promise.all(
      devices.map((device) =>
        update({
          link: adapter.link(device.ble.advertisement()?.address ?? '', { services: secureDfu.services }),
          protocol: secureDfu,
          file,
          request: { expectVersion: '2.0.0' },
        }),
      ),
    );
  } finally {
    await adapter.close();
  }
}

/** So many updates at once, a port each. */
async function overPorts(units: number): Promise<readonly Span[]> {
  const scheduler = new RealScheduler();
  const file = makeMcubootImage({
    body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: UART_IMAGE_BYTES, seed: 2 }),
    version: { major: 2, minor: 0, revision: 0, build: 0 },
  });
  const services = Array.from({ length: units }, (_, index) => {
    const device = createSmpDevice({
      scheduler,
      deviceId: `BENCH-${index}`,
      image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
      bufSize: 1024,
      baud: BAUD,
      flash: FLASH,
      processMs: 0,
      resetDelayMs: 50,
      rebootMs: 100,
      swapMs: 100,
    });
    return serveSerial(device.serial!);
  });
  try {
    return await Promise.all(
      services.map(({ path }) =>
        update({
          link: new UartLink({ name: `serial:${path}?baud=${BAUD}`, path, line: { baud: BAUD } }),
          protocol: smp,
          file,
          request: { versionProves: false, linkOptions: { framing: 'console' } },
        }),
      ),
    );
  } finally {
    for (const service of services) await service.close();
    scheduler.close();
  }
}

const rate = (spans: readonly Span[]): number =>
  spans.reduce((sum, { beganMs, endedMs }) => sum + 1000 / (endedMs - beganMs), 0);

async function best(measure: () => Promise<number>): Promise<number> {
  let most = 0;
  for (let run = 0; run < RUNS; run += 1) most = Math.max(most, await measure());
  return most;
}

/** Air time of one image, everything that both sides must send, back to back. */
function airMs(): number {
  const link = { intervalMs: INTERVAL_MS, mtu: MTU, linkPayloadBytes: LINK_PAYLOAD_BYTES, phy: 2 as const };
  const linkMs = (imageBytes: number): number => secureDfuBleFloor({ ...link, flash: FLASH, imageBytes }).linkMs;
  return linkMs(BLE_IMAGE_BYTES) - linkMs(0);
}

/** All image bytes that went over one radio, as share of the time in which any did. */
async function sharedRatio(): Promise<number> {
  const spans = await overOneAdapter(BLE_UNITS, 'shared');
  const firstMs = Math.min(...spans.map(({ beganMs }) => beganMs));
  const lastMs = Math.max(...spans.map(({ endedMs }) => endedMs));
  return (BLE_UNITS * airMs()) / (lastMs - firstMs);
}

/**
 * - `eightBleOverOne`: rates of eight updates on one adapter whose links have a radio each, added up, in rates of one
 *   update alone. `fourUartOverOne`: the same of four ports.
 * - `sharedAirRatio`: eight updates that share one radio: air time of everything that must be sent, as share of the time
 *   it took.
 * - `oneBleBytesPerSecond`, `oneUartBytesPerSecond`: one alone, for comparison.
 */
export async function run(): Promise<Record<string, number>> {
  const oneBle = await best(async () => rate(await overOneAdapter(1, 'independent')));
  const eightBle = await best(async () => rate(await overOneAdapter(BLE_UNITS, 'independent')));
  const oneUart = await best(async () => rate(await overPorts(1)));
  const fourUart = await best(async () => rate(await overPorts(PORTS)));
  return {
    eightBleOverOne: round(eightBle / oneBle),
    fourUartOverOne: round(fourUart / oneUart),
    sharedAirRatio: round(await best(sharedRatio)),
    oneBleBytesPerSecond: Math.round(oneBle * BLE_IMAGE_BYTES),
    oneUartBytesPerSecond: Math.round(oneUart * UART_IMAGE_BYTES),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
