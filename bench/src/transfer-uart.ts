/**
 * How fast an SMP update runs over a UART console at 115 200 baud, against the floor of the line.
 *
 * Real: session, driver, link, serialport. Simulated: the line, which keeps its pace in real time behind a
 * pseudo-terminal, and the unit, whose flash is quick enough not to be the bottleneck.
 */
import { NO_FENCES, PayloadStore, realClock, SessionDriver, UartLink } from '@drydock/agent/testing';
import {
  createSmpDevice,
  makeDemoFirmware,
  makeFactoryImage,
  RealScheduler,
  serveSerial,
  smpConsoleFloor,
} from '@drydock/device-sim';
import { describeArtifact, makeMcubootImage, SERIAL_CHANNEL, smp } from '@drydock/dfu-core';

const BAUD = 115_200;
const IMAGE_BYTES = 200_000;
const BUF_SIZE = 1024;
const BUF_COUNT = 4;
const RUNS = 2;
const FLASH = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };
const BARE_BYTES = 30_000;

export async function run(): Promise<Record<string, number>> {
  let transferMs = Number.POSITIVE_INFINITY;
  let imageBytes = 0;
  for (let count = 0; count < RUNS; count += 1) {
    // Other work on the machine can only slow a run down.
    const one = await transfer();
    imageBytes = one.imageBytes;
    transferMs = Math.min(transferMs, one.transferMs);
  }
  const floor = smpConsoleFloor({ imageBytes, baud: BAUD, bufSize: BUF_SIZE, window: BUF_COUNT - 1, flash: FLASH });
  return {
    ratioToFloor: Math.round((floor.totalMs / transferMs) * 1000) / 1000,
    bytesPerSecond: Math.round((imageBytes / transferMs) * 1000),
    floorBytesPerSecond: Math.round(floor.bytesPerSecond),
    bareBytesPerSecond: Math.round(await bareRate()),
  };
}

/** One update to its proof. @returns the time from the first progress to all bytes taken. */
async function transfer(): Promise<{ imageBytes: number; transferMs: number }> {
  const device = createSmpDevice({
    scheduler: new RealScheduler(),
    image: makeFactoryImage({ body: makeDemoFirmware({ model: 'demo-board', version: '1.0.0' }), version: '1.0.0' }),
    slotBytes: 512 * 1024,
    bufSize: BUF_SIZE,
    bufCount: BUF_COUNT,
    baud: BAUD,
    flash: FLASH,
    processMs: 0,
    resetDelayMs: 50,
    rebootMs: 100,
    swapMs: 100,
  });
  const service = serveSerial(device.serial!);
  const file = makeMcubootImage({
    body: makeDemoFirmware({ model: 'demo-board', version: '2.0.0', sizeBytes: IMAGE_BYTES, seed: 2 }),
    version: { major: 2, minor: 0, revision: 0, build: 0 },
  });
  const artifact = describeArtifact(file);
  let firstMs: number | undefined;
  let lastMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link: new UartLink({ name: `serial:${service.path}?baud=${BAUD}`, path: service.path, line: { baud: BAUD } }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, smp.payloads(file)),
    hooks: {
      // The transfer begins behind the mark of the first touch and ends with that of the complete image.
      mark: (step) => {
        if (step === 'touched') firstMs = performance.now();
        if (step === 'complete') lastMs = performance.now();
        return Promise.resolve();
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
          linkOptions: { framing: 'console' },
        }),
      { openMs: 5000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven' || firstMs === undefined)
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    return { imageBytes: file.length, transferMs: lastMs - firstMs };
  } finally {
    await driver.close();
    await service.close();
  }
}

/** Bytes per second that the line takes from the link without any protocol. */
async function bareRate(): Promise<number> {
  let arrived = 0;
  let done: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (done = resolve));
  const service = serveSerial({
    baud: BAUD,
    attach: () => undefined,
    onBytes: (bytes) => {
      arrived += bytes.length;
      if (arrived >= BARE_BYTES) done();
    },
  });
  const open = await new UartLink({ name: 'bare', path: service.path, line: { baud: BAUD } }).open({}, 5000);
  const began = performance.now();
  const piece = new Uint8Array(1000).fill(0x55);
  for (let sent = 0; sent < BARE_BYTES; sent += piece.length) {
    await open.send(SERIAL_CHANNEL, piece, { acknowledged: false, withinMs: 10_000 });
  }
  await all;
  const tookMs = performance.now() - began;
  await open.close();
  await service.close();
  return (BARE_BYTES / tookMs) * 1000;
}
