/**
 * How fast SMP uploads run, each against the floor of its link, computed apart from our code in the same run.
 *
 * Real: session, driver, noble or serialport, and the links over them. Simulated: the controller, which keeps the air's
 * pace in real time (15 ms interval, ATT_MTU 247, link packets of 251 bytes, 2M PHY), or the line behind a
 * pseudo-terminal; and the units, whose flash is quick enough not to be the bottleneck (0.5 ms a page, 1 µs a word).
 *
 * Every figure is the best of its runs: other work on the machine can only slow one down.
 */
import {
  createSmpDevice,
  GenericPeripheral,
  GenericUuid,
  makeDemoFirmware,
  makeFactoryImage,
  memoryPort,
  RealScheduler,
  serveSerial,
  SimulatedController,
  smpBleFloor,
  smpConsoleFloor,
  WallClock,
  type ControllerOptions,
  type SmpOptions,
} from '@drydock/device-sim';
import { describeArtifact, makeMcubootImage, smp, type UpdateRequest } from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter, UartLink } from '@drydock/agent/testing';
import { hostCpuUsPerPacket, type Window } from './host-cpu.js';

const INTERVAL_MS = 15;
const MTU = 247;
const LINK_PAYLOAD_BYTES = 251;
const FLASH = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
const RUNS = 2;
const UNITS = 8;
/** The controller's buffer, for eight links: enough for an event of each. */
const EIGHT_ACL_PACKETS = 128;
const BLE_BYTES = 300_000;
const SLOW_BLE_BYTES = 120_000;
const EACH_BYTES = 150_000;
const BARE_MS = 2500;

interface Buffers {
  readonly bufSize: number;
  readonly bufCount: number;
}

const LARGE: Buffers = { bufSize: 2475, bufCount: 8 };
const ZEPHYR_DEFAULT: Buffers = { bufSize: 384, bufCount: 4 };
const ONE: Buffers = { bufSize: 2475, bufCount: 1 };

const round = (value: number): number => Math.round(value * 1000) / 1000;
const windowOf = ({ bufCount }: Buffers): number => Math.max(1, bufCount - 1);

function unit(options: Partial<SmpOptions>, scheduler: SmpOptions['scheduler']) {
  return createSmpDevice({
    scheduler,
    image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
    slotBytes: 512 * 1024,
    flash: FLASH,
    processMs: 0,
    resetDelayMs: 20,
    rebootMs: 50,
    swapMs: 50,
    advertisingIntervalMs: 20,
    ...options,
  });
}

function file(sizeBytes: number): Uint8Array {
  return makeMcubootImage({
    body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes, seed: 2 }),
    version: { major: 2, minor: 0, revision: 0, build: 0 },
  });
}

interface Transfer {
  /** The mark before the first chunk, and the answer to the last one. */
  readonly beganMs: number;
  readonly endedMs: number;
}

/** One update to its proof. @returns milliseconds from the mark before the first chunk to the answer to the last. */
async function transferMs(...update: Parameters<typeof transfer>): Promise<number> {
  const { beganMs, endedMs } = await transfer(...update);
  return endedMs - beganMs;
}

async function transfer(
  image: Uint8Array,
  link: ConstructorParameters<typeof SessionDriver>[0]['link'],
  tuning?: UpdateRequest['tuning'],
  window?: Window,
): Promise<Transfer> {
  const artifact = describeArtifact(image);
  let beganMs = 0;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link,
    fences: NO_FENCES,
    payload: new PayloadStore(image, artifact.sha256, smp.payloads(image)),
    hooks: {
      mark: (step) => {
        if (step === 'touched') {
          window?.begin();
          beganMs = performance.now();
        }
        return Promise.resolve();
      },
      progress: (sent, total) => {
        if (sent !== total) return;
        endedMs = performance.now();
        window?.end();
      },
    },
  });
  try {
    const outcome = await driver.run(
      (info) =>
        smp.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: false,
          returnWithinMs: 20_000,
          ...(tuning && { tuning }),
        }),
      { openMs: 20_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven') throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    return { beganMs, endedMs };
  } finally {
    await driver.close();
  }
}

async function overBle(
  image: Uint8Array,
  buffers: Buffers,
  options: ControllerOptions = {},
  tuning?: UpdateRequest['tuning'],
): Promise<number> {
  const scheduler = new WallClock();
  const device = unit({ transport: 'ble', ...buffers }, scheduler);
  const controller = new SimulatedController({ scheduler, paced: true, supervisionMs: 300, ...options });
  if (device.ble) controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    const address = device.ble?.advertisement()?.address ?? '';
    return await transferMs(image, adapter.link(address, { services: smp.services }), tuning);
  } finally {
    await adapter.close();
  }
}

/** Processor time of the host for each write of an upload, the radio unpaced so that nothing is waited for. */
export async function smpHostCpu(): Promise<Record<string, number>> {
  const image = file(BLE_BYTES);
  const ble = await hostCpuUsPerPacket('smp over BLE', async (window, count) => {
    const scheduler = new WallClock();
    const device = unit({ transport: 'ble', ...LARGE }, scheduler);
    const controller = new SimulatedController({ scheduler });
    if (device.ble) controller.host(device.ble);
    const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
    try {
      const link = adapter.link(device.ble?.advertisement()?.address ?? '', { services: smp.services });
      count(link);
      await transfer(image, link, undefined, window);
    } finally {
      await adapter.close();
    }
  });
  const uart = await hostCpuUsPerPacket('smp over a UART', async (window, count) => {
    const device = unit({ bufSize: 1024, bufCount: 4 }, new RealScheduler());
    if (!device.serial) throw new Error('the unit has no UART');
    const service = serveSerial(device.serial, { pacing: 'unpaced' });
    try {
      const name = `serial:${service.path}`;
      const link = new UartLink({ name, path: service.path, line: { baud: 4_000_000 } });
      count(link);
      await transfer(image, link, undefined, window);
    } finally {
      await service.close();
    }
  });
  return { hostCpuUsPerPacketBle: ble, hostCpuUsPerMessageUart: uart };
}

async function overUart(image: Uint8Array, buffers: Buffers, baud: number): Promise<number> {
  const device = unit({ ...buffers, baud }, new RealScheduler());
  if (!device.serial) throw new Error('the unit has no UART');
  const service = serveSerial(device.serial);
  try {
    return await transferMs(
      image,
      new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud } }),
    );
  } finally {
    await service.close();
  }
}

/** Share of the floor that the best of the runs reached. */
async function best(floorMs: number, run: () => Promise<number>, runs = RUNS): Promise<number> {
  let tookMs = Number.POSITIVE_INFINITY;
  for (let count = 0; count < runs; count += 1) tookMs = Math.min(tookMs, await run());
  return floorMs / tookMs;
}

function bleFloorMs(imageBytes: number, buffers: Buffers, window = windowOf(buffers)): number {
  const link = { intervalMs: INTERVAL_MS, mtu: MTU, linkPayloadBytes: LINK_PAYLOAD_BYTES, phy: 2 as const };
  return smpBleFloor({ ...link, bufSize: buffers.bufSize, window, flash: FLASH, imageBytes }).totalMs;
}

/** Bytes per second of write commands alone on the same air: what the link gives to anybody. */
async function bareRate(options: ControllerOptions): Promise<number> {
  const controller = new SimulatedController({ paced: true, ...options });
  const peripheral = new GenericPeripheral({ address: 'c0:11:22:33:44:50' });
  controller.host(peripheral);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  const link = await adapter.link('c0:11:22:33:44:50', { services: [GenericUuid.service] }).open({}, 20_000);
  const value = new Uint8Array(MTU - 3);
  const writeUntil = async (untilMs: number): Promise<void> => {
    while (performance.now() < untilMs) {
      await link.send(GenericUuid.commands, value, { acknowledged: false, withinMs: 10_000 });
    }
  };
  await writeUntil(performance.now() + 500); // PHY and data length need a few events to take effect
  const beganMs = performance.now();
  const before = peripheral.writtenBytes;
  await writeUntil(beganMs + BARE_MS);
  const rate = ((peripheral.writtenBytes - before) / (performance.now() - beganMs)) * 1000;
  await adapter.close();
  return rate;
}

/** Eight units on one controller. @returns bytes per second of all together, from the first chunk to the last answer. */
async function eightRate(image: Uint8Array, air: 'shared' | 'independent'): Promise<number> {
  const scheduler = new WallClock();
  const controller = new SimulatedController({
    scheduler,
    paced: true,
    supervisionMs: 300,
    air,
    aclPackets: EIGHT_ACL_PACKETS,
  });
  const devices = Array.from({ length: UNITS }, (_, index) =>
    unit({ transport: 'ble', deviceId: `UNIT-${index}`, ...LARGE }, scheduler),
  );
  for (const { ble } of devices) if (ble) controller.host(ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    const took = await Promise.all(
      devices.map(({ ble }) =>
        transfer(image, adapter.link(ble?.advertisement()?.address ?? '', { services: smp.services })),
      ),
    );
    const spanMs = Math.max(...took.map(({ endedMs }) => endedMs)) - Math.min(...took.map(({ beganMs }) => beganMs));
    return ((UNITS * image.length) / spanMs) * 1000;
  } finally {
    await adapter.close();
  }
}

/**
 * - `ble…`, `uart…`: our rate over the floor. BLE: 8 buffers of 2475 (also with 1 % and 5 % of link packets lost),
 *   Zephyr's default of 4 × 384, one buffer of 2475. UART: 4 buffers of 1024, and the default.
 * - `bareLoss…`: write commands alone under the same loss, over the same without: what the air itself gives away.
 * - `stopAndWaitBle`: the same target as `bleMtu247`, one request at a time, over the floor of the window.
 * - `bytesPerSecond`, `floorBytesPerSecond`: of `bleMtu247`.
 * - `hostCpu…`: microseconds of processor time for each write over BLE, and for each message of 1 020 bytes over a UART.
 * - `eightShared`, `eightIndependent`: sum of the rates of eight units on one controller over the rate of one alone.
 */
export async function run(): Promise<Record<string, number>> {
  const figures: Record<string, number> = await smpHostCpu();
  const large = file(BLE_BYTES);
  const small = file(SLOW_BLE_BYTES);
  const largeFloor = bleFloorMs(large.length, LARGE);

  const full = await best(largeFloor, () => overBle(large, LARGE), 3);
  figures['bleMtu247'] = round(full);
  figures['bytesPerSecond'] = Math.round((large.length / largeFloor) * 1000 * full);
  figures['floorBytesPerSecond'] = Math.round((large.length / largeFloor) * 1000);
  const defaultFloor = bleFloorMs(large.length, ZEPHYR_DEFAULT);
  figures['bleMtu247Default'] = round(await best(defaultFloor, () => overBle(large, ZEPHYR_DEFAULT)));
  const bare = await bareRate({});
  for (const [name, lossRate] of [
    ['1', 0.01],
    ['5', 0.05],
  ] as const) {
    figures[`bleMtu247Loss${name}`] = round(await best(largeFloor, () => overBle(large, LARGE, { lossRate })));
    figures[`bareLoss${name}`] = round((await bareRate({ lossRate })) / bare);
  }
  figures['bleOneBuffer'] = round(await best(bleFloorMs(small.length, ONE), () => overBle(small, ONE)));
  figures['stopAndWaitBle'] = round(
    await best(bleFloorMs(small.length, LARGE), () => overBle(small, LARGE, {}, { window: 1 }), 1),
  );

  for (const [name, baud, buffers, bytes] of [
    ['uart115200', 115_200, { bufSize: 1024, bufCount: 4 }, 100_000],
    ['uart115200Default', 115_200, ZEPHYR_DEFAULT, 80_000],
    ['uart1000000', 1_000_000, { bufSize: 1024, bufCount: 4 }, 400_000],
  ] as const) {
    const image = file(bytes);
    const window = windowOf(buffers);
    const floor = smpConsoleFloor({ imageBytes: image.length, baud, bufSize: buffers.bufSize, window, flash: FLASH });
    figures[name] = round(await best(floor.totalMs, () => overUart(image, buffers, baud)));
  }

  const each = file(EACH_BYTES);
  const aloneMs = Math.min(await overBle(each, LARGE), await overBle(each, LARGE));
  const alone = (each.length / aloneMs) * 1000;
  for (const [name, air] of [
    ['eightIndependent', 'independent'],
    ['eightShared', 'shared'],
  ] as const) {
    const rate = Math.max(await eightRate(each, air), await eightRate(each, air));
    figures[name] = round(rate / alone);
  }
  return figures;
}
