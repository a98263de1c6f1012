/**
 * How fast Secure DFU runs, against the floor of each link, and beside the way of the old tools (20-byte writes, and a
 * wait for a receipt after every tenth).
 *
 * Real: session, driver, links, noble, serialport. Simulated: the controller or line, each at its own pace in real time,
 * and the unit, whose flash is quick enough not to be the bottleneck (0.5 ms a page, 1 µs a word).
 */
import {
  createSecureDfuDevice,
  makeDemoFirmware,
  memoryPort,
  RealScheduler,
  secureDfuBleFloor,
  SecureDfuUuid,
  secureDfuSerialFloor,
  serveSerial,
  SimulatedController,
  WallClock,
  type FlashFigures,
} from '@drydock/device-sim';
import {
  describeArtifact,
  makeNordicPackage,
  secureDfu,
  type Link,
  type LinkInfo,
  type OpenLink,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter, UartLink } from '@drydock/agent/testing';
import { hostCpuUsPerPacket, type Window } from '../host-cpu.js';

const BLE_IMAGE_BYTES = 240_000;
const SERIAL_IMAGE_BYTES = 100_000;
const OLD_IMAGE_BYTES = 24_576;
const INTERVAL_MS = 15;
const MTU = 247;
const BAUD = 115_200;
const UART_MTU = 131;
const OBJECT_BYTES = 4096;
const OLD_TOOL = { packetBytes: 20, receiptEvery: 10 };
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
/** The unit's time from a request to its answer. */
const ANSWER_MS = 0.5;
/** Create and Execute: the receipt of an object stands for its checksum, and rides beside Execute. */
const ANSWERS_PER_OBJECT = 2;
const RUNS = 3;

function packageOf(application: Uint8Array): Uint8Array {
  return makeNordicPackage({ application, hwVersion: 52, fwVersion: 2, sdReq: [0x0101] });
}

/** One update. @returns milliseconds from the first image byte to the last object, as the session tells. */
async function transferMs(
  link: Link,
  application: Uint8Array,
  wanted: UpdateOutcome['outcome'],
  window?: Window,
): Promise<number> {
  const file = packageOf(application);
  const artifact = describeArtifact(file);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link,
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, secureDfu.payloads(file)),
    hooks: {
      progress: (sentBytes, totalBytes) => {
        endedMs = performance.now();
        if (sentBytes === 0) beganMs = endedMs;
        if (sentBytes === 0) window?.begin();
        if (sentBytes === totalBytes) window?.end();
      },
    },
  });
  try {
    const outcome = await driver.run(
      (info: LinkInfo) =>
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
    if (outcome.outcome !== wanted || beganMs === undefined) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return endedMs - beganMs;
  } finally {
    await driver.close();
  }
}

/** A simulated unit behind the real Bluetooth stack. */
async function withBle<T>(work: (link: Link) => Promise<T>, paced = true): Promise<T> {
  const scheduler = new WallClock();
  const device = createSecureDfuDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    flash: QUICK_FLASH,
    answerMs: ANSWER_MS,
    rebootMs: 50,
    jumpLink: 'graceful',
  });
  const controller = new SimulatedController({ scheduler, paced });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    return await work(adapter.link(device.ble.advertisement()?.address ?? '', { services: secureDfu.services }));
  } finally {
    await adapter.close();
  }
}

const firmware = (sizeBytes: number): Uint8Array =>
  makeDemoFirmware({ model: 'demo-sensor', version: '2.0.0', sizeBytes, seed: 2 });

/** Floor of the image alone: what comes before it (init packet, its signature) is not measured. */
function bleFloorMs(target: { answerMs: number; answersPerObject: number }): number {
  const air = { intervalMs: INTERVAL_MS, mtu: MTU, linkPayloadBytes: 251, phy: 2 as const, flash: QUICK_FLASH };
  const link = { ...air, ...target };
  const floorMs = (imageBytes: number): number => secureDfuBleFloor({ ...link, imageBytes }).totalMs;
  return floorMs(BLE_IMAGE_BYTES) - floorMs(0);
}

async function serial(): Promise<{ tookMs: number; floorMs: number }> {
  const scheduler = new RealScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    transport: 'uart',
    baud: BAUD,
    startsInBootloader: true,
    application: makeDemoFirmware({ model: 'demo-sensor', version: '1.0.0', sizeBytes: 16_384 }),
    flash: QUICK_FLASH,
    answerMs: 0,
    rebootMs: 50,
  });
  const service = serveSerial(device.serial);
  const application = firmware(SERIAL_IMAGE_BYTES);
  const line = { baud: BAUD, mtu: UART_MTU, flash: QUICK_FLASH };
  const floorMs =
    secureDfuSerialFloor({ ...line, image: application }).totalMs -
    secureDfuSerialFloor({ ...line, image: new Uint8Array() }).totalMs;
  try {
    const link = new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: BAUD } });
    return { tookMs: await transferMs(link, application, 'unproven'), floorMs };
  } finally {
    await service.close();
  }
}

/** Processor time of the host for each write of an update, the radio unpaced so that nothing is waited for. */
export async function secureHostCpu(): Promise<Record<string, number>> {
  const application = firmware(BLE_IMAGE_BYTES);
  const us = await hostCpuUsPerPacket('secure DFU over BLE', (window, count) =>
    withBle(async (link) => {
      count(link);
      await transferMs(link, application, 'proven', window);
    }, false),
  );
  return { hostCpuUsPerPacketSecureBle: us };
}

/**
 * The same unit and the same air, spoken to as the old tools do. Only the transfer is done, by hand: it is what is
 * compared, and no session of ours sends so.
 * @returns bytes per second of image.
 */
async function oldToolBytesPerSecond(): Promise<number> {
  return withBle(async (link) => {
    const application = firmware(OLD_IMAGE_BYTES);
    const file = packageOf(application);
    const init = secureDfu.payloads(file).get('init:0') ?? new Uint8Array();
    const app = await link.open({}, 10_000);
    await app.subscribe(SecureDfuUuid.buttonless, 5000);
    await app.send(SecureDfuUuid.buttonless, Uint8Array.of(1), { acknowledged: true, withinMs: 5000 });
    await app.closed;
    const own = app.info.identity.value;
    const last = (Number.parseInt(own.slice(-2), 16) + 1) & 0xff;
    const shifted = `${own.slice(0, -2)}${last.toString(16).padStart(2, '0')}`;
    const open = await link.open({ addresses: [shifted], serviceUuid: SecureDfuUuid.service }, 10_000);
    await open.subscribe(SecureDfuUuid.controlPoint, 5000);
    await ask(open, 2, OLD_TOOL.receiptEvery, 0);
    await ask(open, 1, 1, ...u32(init.length));
    await pieces(open, init);
    await ask(open, 3);
    await ask(open, 4);
    const beganMs = performance.now();
    for (let at = 0; at < application.length; at += OBJECT_BYTES) {
      const object = application.subarray(at, at + OBJECT_BYTES);
      await ask(open, 1, 2, ...u32(object.length));
      await pieces(open, object);
      await ask(open, 3);
      await ask(open, 4);
    }
    const tookMs = performance.now() - beganMs;
    await open.close();
    return (application.length / tookMs) * 1000;
  });
}

async function pieces(open: OpenLink, bytes: Uint8Array): Promise<void> {
  for (let at = 0, count = 1; at < bytes.length; at += OLD_TOOL.packetBytes, count += 1) {
    const piece = bytes.subarray(at, at + OLD_TOOL.packetBytes);
    await open.send(SecureDfuUuid.packet, piece, { acknowledged: false, withinMs: 5000 });
    if (count % OLD_TOOL.receiptEvery === 0) await answerTo(open, 3);
  }
}

async function ask(open: OpenLink, ...request: readonly number[]): Promise<void> {
  await open.send(SecureDfuUuid.controlPoint, Uint8Array.from(request), { acknowledged: true, withinMs: 5000 });
  await answerTo(open, request[0] ?? 0);
}

async function answerTo(open: OpenLink, opcode: number): Promise<void> {
  const frame = await open.receive([SecureDfuUuid.controlPoint], 10_000);
  if (frame?.bytes[1] !== opcode || frame.bytes[2] !== 1) {
    throw new Error(`no answer to ${opcode}: ${Buffer.from(frame?.bytes ?? []).toString('hex')}`);
  }
}

const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

/**
 * - `secureBleMtu247`: one update over BLE, as share of the floor. `secureSerial`: the same over a UART of 115 200 baud.
 * - `secureBleOfInstantTarget`: the same update against a unit that would answer in no time, in the very connection
 *   event of the question, and a host that awaits the checksum too. Ours takes 0.5 ms, so the event is over.
 * - `oldToolWay`: the old tools' rate as share of ours, on the same air.
 * - `hostCpu…`: microseconds of processor time for each write.
 * - `...BytesPerSecond`: image bytes.
 */
export async function secureFigures(): Promise<Record<string, number>> {
  const hostCpu = await secureHostCpu();
  const application = firmware(BLE_IMAGE_BYTES);
  let bleMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run += 1) {
    // Other work on the machine can only slow a run down.
    bleMs = Math.min(bleMs, await withBle((link) => transferMs(link, application, 'proven')));
  }
  let line = await serial();
  for (let run = 1; run < RUNS; run += 1) {
    const again = await serial();
    if (again.tookMs < line.tookMs) line = again;
  }
  const bleRate = (BLE_IMAGE_BYTES / bleMs) * 1000;
  const oldRate = await oldToolBytesPerSecond();
  return {
    ...hostCpu,
    secureBleMtu247: round(bleFloorMs({ answerMs: ANSWER_MS, answersPerObject: ANSWERS_PER_OBJECT }) / bleMs),
    secureBleOfInstantTarget: round(bleFloorMs({ answerMs: 0, answersPerObject: ANSWERS_PER_OBJECT + 1 }) / bleMs),
    secureSerial: round(line.floorMs / line.tookMs),
    oldToolWay: round(oldRate / bleRate),
    secureBleBytesPerSecond: Math.round(bleRate),
    secureSerialBytesPerSecond: Math.round((SERIAL_IMAGE_BYTES / line.tookMs) * 1000),
    oldToolBytesPerSecond: Math.round(oldRate),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
