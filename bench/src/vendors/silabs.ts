/**
 * How fast Silicon Labs updates run, against the floors of their links.
 *
 * Real: session, driver, link, noble, serialport. Simulated: the controller and the line, which keep their pace in real
 * time, and the units, whose flash is quick enough not to be the bottleneck (0.5 ms a page, 1 µs a word).
 */
import { NO_FENCES, PayloadStore, realClock, SessionDriver, type DriverOptions } from '@drydock/agent';
import { BleAdapter, UartLink } from '@drydock/agent/testing';
import {
  appLoaderFloor,
  bgapiUartFloor,
  createSilabsDevice,
  makeDemoFirmware,
  memoryPort,
  RealScheduler,
  serveSerial,
  SimulatedController,
  WallClock,
  xmodemFloor,
  type FlashFigures,
  type SilabsOptions,
} from '@drydock/device-sim';
import { bgapiDfu, describeArtifact, geckoXmodem, makeGbl, silabsOta, type Protocol } from '@drydock/dfu-core';

const BLE_IMAGE_BYTES = 240_000;
const UART_IMAGE_BYTES = 40_000;
const INTERVAL_MS = 15;
const MTU = 247;
const LINK_PAYLOAD_BYTES = 251;
const BAUD = 115_200;
/** What the Gecko Bootloader takes from 2.0 on. */
const CHUNK_BYTES = 252;
const RUNS = 4;
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
const VERSION = '2.0.0';

const image = (version: string, sizeBytes: number): Uint8Array =>
  makeDemoFirmware({ model: 'demo-node', version, sizeBytes, seed: 2 });
const fileOf = (sizeBytes: number): Uint8Array =>
  makeGbl({ programs: [{ address: 0x4000, data: image(VERSION, sizeBytes) }] });

const unitOptions = (access: SilabsOptions['access']): Omit<SilabsOptions, 'scheduler'> => ({
  access,
  application: image('1.0.0', 16_384),
  applicationSpeaksBgapi: true,
  flash: QUICK_FLASH,
  rebootMs: 50,
});

/** One update to its proof. @returns milliseconds from the first byte of data to the last. */
async function transferMs(
  protocol: Protocol,
  link: DriverOptions['link'],
  file: Uint8Array,
  expectVersion: string,
  linkOptions: Readonly<Record<string, string>> = {},
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
          expectVersion,
          returnWithinMs: 20_000,
          linkOptions,
        }),
      { openMs: 10_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven' || beganMs === undefined) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return endedMs - beganMs;
  } finally {
    await driver.close();
  }
}

async function appLoaderMs(file: Uint8Array): Promise<number> {
  const scheduler = new WallClock();
  const device = createSilabsDevice({ scheduler, ...unitOptions('apploader') });
  if (!device.ble) throw new Error('the unit has no radio');
  // AppLoaders know the 1M PHY only.
  const controller = new SimulatedController({ scheduler, paced: true, phy2m: false });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  try {
    const link = adapter.link(device.ble.advertisement()?.address ?? '', { services: silabsOta.services });
    return await transferMs(silabsOta, link, file, VERSION);
  } finally {
    await adapter.close();
  }
}

async function uartMs(protocol: Protocol, access: 'bgapi' | 'xmodem', file: Uint8Array): Promise<number> {
  const scheduler = new RealScheduler({ precise: true });
  const device = createSilabsDevice({ scheduler, ...unitOptions(access) });
  if (!device.serial) throw new Error('the unit has no UART');
  const service = serveSerial(device.serial);
  try {
    const link = new UartLink({ name: access, path: service.path, line: { baud: BAUD } });
    const options: Record<string, string> = access === 'xmodem' ? { application: 'bgapi' } : {};
    return await transferMs(protocol, link, file, `${VERSION}.0`, options);
  } finally {
    await service.close();
    scheduler.close();
  }
}

/** Other work on the machine can only slow a run down. */
async function best(run: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let count = 0; count < RUNS; count += 1) least = Math.min(least, await run());
  return least;
}

/** Rates over the floors: `silabsAppLoader`, `silabsBgapiUart`, `geckoXmodem`. */
export async function silabsFigures(): Promise<Record<string, number>> {
  const bleFile = fileOf(BLE_IMAGE_BYTES);
  const uartFile = fileOf(UART_IMAGE_BYTES);
  const air = { intervalMs: INTERVAL_MS, mtu: MTU, linkPayloadBytes: LINK_PAYLOAD_BYTES, phy: 1 as const };
  const wire = { fileBytes: uartFile.length, imageBytes: UART_IMAGE_BYTES, baud: BAUD, flash: QUICK_FLASH };
  // Start and end lie outside of what is measured.
  const appLoader = appLoaderFloor({
    ...air,
    fileBytes: bleFile.length,
    imageBytes: BLE_IMAGE_BYTES,
    flash: QUICK_FLASH,
    answers: 0,
  });
  return {
    silabsAppLoader: round(appLoader.totalMs / (await best(() => appLoaderMs(bleFile)))),
    silabsBgapiUart: round(
      bgapiUartFloor({ ...wire, chunkBytes: CHUNK_BYTES }).totalMs /
        (await best(() => uartMs(bgapiDfu, 'bgapi', uartFile))),
    ),
    geckoXmodem: round(xmodemFloor(wire).totalMs / (await best(() => uartMs(geckoXmodem, 'xmodem', uartFile)))),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
