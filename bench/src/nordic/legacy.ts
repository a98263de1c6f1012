/**
 * How fast Nordic's legacy DFU runs over Bluetooth and over a UART, against the floor of each link.
 *
 * Real: session, driver, links, noble, serialport. Simulated: the controller and the line, each at its own pace in real
 * time, and the units, whose flash is quick enough not to be the bottleneck (0.5 ms a page, 1 µs a word). The simulated
 * controller hands over the packets of a connection event at once, so the unit has more packet buffers than a chip, which
 * gets them one after the other.
 */
import {
  createLegacyDfuDevice,
  createLegacySerialDevice,
  legacyBleFloor,
  legacySerialFloor,
  makeDemoFirmware,
  memoryPort,
  RealScheduler,
  serveSerial,
  SimulatedController,
  WallClock,
  type FlashFigures,
} from '@drydock/device-sim';
import {
  describeArtifact,
  legacyDfu,
  legacySerial,
  makeLegacyPackage,
  type Link,
  type Protocol,
  type UpdateOutcome,
} from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter, UartLink } from '@drydock/agent/testing';

const BLE_IMAGE_BYTES = 100_000;
const SERIAL_IMAGE_BYTES = 60_000;
const INTERVAL_MS = 15;
const BAUD = 115_200;
const RUNS = 2;
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
const SOFTDEVICE = 0x64;
const ADAFRUIT_DEVICE_TYPE = 0x52;

const imageOf = (sizeBytes: number): Uint8Array =>
  makeDemoFirmware({ model: 'demo-beacon', version: '2.0.0', sizeBytes, seed: 2 });

/** One update. @returns milliseconds from the accepted init packet to the last byte taken, as the session tells. */
async function transferMs(
  protocol: Protocol,
  link: Link,
  file: Uint8Array,
  expected: UpdateOutcome['outcome'],
): Promise<number> {
  const artifact = describeArtifact(file);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link,
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, protocol.payloads(file)),
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
        protocol.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: '2.0.0',
          returnWithinMs: 20_000,
        }),
      { openMs: 10_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== expected || beganMs === undefined) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return endedMs - beganMs;
  } finally {
    await driver.close();
  }
}

async function bleMs(): Promise<number> {
  const scheduler = new WallClock();
  const device = createLegacyDfuDevice({
    scheduler,
    application: makeDemoFirmware({ model: 'demo-beacon', version: '1.0.0', sizeBytes: 16_384 }),
    softDeviceFwid: SOFTDEVICE,
    flash: QUICK_FLASH,
    packetBuffers: 64,
    rebootMs: 50,
    jumpLink: 'graceful',
  });
  const controller = new SimulatedController({ scheduler, paced: true, phy2m: false, maxLinkPayloadBytes: 27 });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    const link = adapter.link(device.ble.advertisement()?.address ?? '', { services: legacyDfu.services });
    const file = makeLegacyPackage({ application: imageOf(BLE_IMAGE_BYTES), softdevices: [SOFTDEVICE] });
    return await transferMs(legacyDfu, link, file, 'proven');
  } finally {
    await adapter.close();
  }
}

async function serialMs(): Promise<number> {
  const scheduler = new RealScheduler();
  const device = createLegacySerialDevice({ scheduler, softDeviceFwid: SOFTDEVICE, flash: QUICK_FLASH, rebootMs: 50 });
  const service = serveSerial(device.serial);
  try {
    const link = new UartLink({ name: `serial:${service.path}`, path: service.path, line: { baud: BAUD } });
    const file = makeLegacyPackage({
      application: imageOf(SERIAL_IMAGE_BYTES),
      deviceType: ADAFRUIT_DEVICE_TYPE,
      softdevices: [SOFTDEVICE],
    });
    return await transferMs(legacySerial, link, file, 'unproven');
  } finally {
    await service.close();
    scheduler.close();
  }
}

/** Other work on the machine can only slow a run down. */
async function best(measure: () => Promise<number>): Promise<number> {
  let tookMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) tookMs = Math.min(tookMs, await measure());
  return tookMs;
}

/**
 * - `legacyBle`, `legacySerial`: rate over the floor of the link.
 * - `…BytesPerSecond`: image bytes; `…FloorBytesPerSecond`: what the floor allows.
 */
export async function legacyFigures(): Promise<Record<string, number>> {
  const ble = legacyBleFloor({ imageBytes: BLE_IMAGE_BYTES, intervalMs: INTERVAL_MS, flash: QUICK_FLASH });
  const serial = legacySerialFloor({ image: imageOf(SERIAL_IMAGE_BYTES), baud: BAUD, flash: QUICK_FLASH });
  const bleTookMs = await best(bleMs);
  const serialTookMs = await best(serialMs);
  return {
    legacyBle: ratio(ble.totalMs / bleTookMs),
    legacyBleBytesPerSecond: Math.round((BLE_IMAGE_BYTES / bleTookMs) * 1000),
    legacyBleFloorBytesPerSecond: Math.round(ble.bytesPerSecond),
    legacySerial: ratio(serial.totalMs / serialTookMs),
    legacySerialBytesPerSecond: Math.round((SERIAL_IMAGE_BYTES / serialTookMs) * 1000),
    legacySerialFloorBytesPerSecond: Math.round(serial.bytesPerSecond),
  };
}

const ratio = (value: number): number => Math.round(value * 1000) / 1000;
