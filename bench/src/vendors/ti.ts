/**
 * How fast TI OAD updates run over Bluetooth, against the floor of the link.
 *
 * Real: session, driver, link, noble. Simulated: the controller, which keeps the air's pace in real time (15 ms interval,
 * 1M PHY; ATT_MTU 247 and link packets of 251 bytes for the enhanced generation, 23 and 27 for the classic one), and the
 * unit, whose flash is quick enough not to be the bottleneck (0.5 ms a page, 1 µs a word).
 */
import {
  createTiOadDevice,
  makeDemoFirmware,
  memoryPort,
  SimulatedController,
  tiOadFloor,
  WallClock,
  type FlashFigures,
  type TiOadVariant,
} from '@drydock/device-sim';
import { describeArtifact, makeTiOadImage, makeTiOffChipImage, tiOad } from '@drydock/dfu-core';
import { NO_FENCES, PayloadStore, realClock, SessionDriver } from '@drydock/agent';
import { BleAdapter } from '@drydock/agent/testing';

const INTERVAL_MS = 15;
/** The unit's queue is no bound here: the air is. */
const MANY = 8;
const QUICK_FLASH: FlashFigures = { pageBytes: 4096, eraseMsPerPage: 0.5, writeUsPerWord: 1 };

interface Kind {
  readonly variant: TiOadVariant;
  readonly kind: 'enhanced' | 'classic';
  readonly mtu: number;
  readonly linkPayloadBytes: number;
  readonly expectVersion: string;
  make(release: number): Uint8Array;
}

const code = (release: number, sizeBytes: number): Uint8Array =>
  makeDemoFirmware({ model: 'ti-sensor', version: `${release}.0.0`, sizeBytes, seed: release });

const ENHANCED: Kind = {
  variant: 'e1-off-chip',
  kind: 'enhanced',
  mtu: 247,
  linkPayloadBytes: 251,
  expectVersion: '0002',
  make: (release) =>
    makeTiOadImage({
      code: code(release, release === 1 ? 16_000 : 240_000),
      softwareVersion: `000${release}`,
      type: 3,
    }),
};

const CLASSIC: Kind = {
  variant: 'c2',
  kind: 'classic',
  mtu: 23,
  linkPayloadBytes: 27,
  expectVersion: '2.0.0',
  make: (release) => makeTiOffChipImage({ image: code(release, release === 1 ? 4_096 : 16_384), version: release }),
};

/** One update to its proof. @returns milliseconds from the first block to the end of the transfer, as the session tells. */
async function transferMs(kind: Kind): Promise<{ tookMs: number; imageBytes: number }> {
  const scheduler = new WallClock();
  const device = createTiOadDevice({
    scheduler,
    variant: kind.variant,
    image: kind.make(1),
    flash: QUICK_FLASH,
    rebootMs: 50,
    maxMtu: kind.mtu,
  });
  const controller = new SimulatedController({ scheduler, paced: true, phy2m: false, supervisionMs: 400 });
  controller.host(device.ble);
  const adapter = await BleAdapter.overPort('bench', memoryPort(controller));
  const file = kind.make(2);
  const artifact = describeArtifact(file);
  let beganMs: number | undefined;
  let endedMs = 0;
  const driver = new SessionDriver({
    clock: realClock,
    link: adapter.link(device.ble.advertisement()?.address ?? '', { services: tiOad.services }),
    fences: NO_FENCES,
    payload: new PayloadStore(file, artifact.sha256, tiOad.payloads(file)),
    hooks: {
      progress: (sentBytes) => {
        // The end is told again when the link goes; only the first telling counts.
        if (sentBytes === 0) beganMs ??= performance.now();
        else if (endedMs === 0 && sentBytes === file.length) endedMs = performance.now();
      },
    },
  });
  try {
    const outcome = await driver.run(
      (info) =>
        tiOad.update(info, {
          artifact,
          allowDowngrade: false,
          confirm: 'after-proof',
          versionProves: true,
          expectVersion: kind.expectVersion,
          returnWithinMs: 20_000,
        }),
      { openMs: 10_000, limitMs: 120_000 },
    );
    if (outcome.outcome !== 'proven' || beganMs === undefined || endedMs === 0) {
      throw new Error(`the update ended as ${JSON.stringify(outcome)}`);
    }
    return { tookMs: endedMs - beganMs, imageBytes: file.length };
  } finally {
    await driver.close();
    await adapter.close();
  }
}

async function ratioToFloor(kind: Kind): Promise<{ ratio: number; bytesPerSecond: number }> {
  // Other work on the machine can only slow a run down.
  const runs = [await transferMs(kind), await transferMs(kind)];
  const { tookMs, imageBytes } = runs.reduce((best, run) => (run.tookMs < best.tookMs ? run : best));
  const { kind: form, mtu, linkPayloadBytes } = kind;
  const floor = tiOadFloor({
    imageBytes,
    kind: form,
    window: MANY,
    intervalMs: INTERVAL_MS,
    mtu,
    linkPayloadBytes,
    phy: 1,
    flash: QUICK_FLASH,
  });
  return { ratio: floor.totalMs / tookMs, bytesPerSecond: (imageBytes / tookMs) * 1000 };
}

/** `tiEnhanced`, `tiClassic`: rate over the floor, image bytes; `…BytesPerSecond` the rates. */
export async function tiFigures(): Promise<Record<string, number>> {
  const enhanced = await ratioToFloor(ENHANCED);
  const classic = await ratioToFloor(CLASSIC);
  return {
    tiEnhanced: round(enhanced.ratio),
    tiClassic: round(classic.ratio),
    tiEnhancedBytesPerSecond: Math.round(enhanced.bytesPerSecond),
    tiClassicBytesPerSecond: Math.round(classic.bytesPerSecond),
  };
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
