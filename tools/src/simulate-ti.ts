/**
 * `npm run simulate -- ti`: one simulated TI OAD unit of each generation on Bluetooth, a file for each, and the commands
 * to try the agent on them by hand.
 */
import {
  createTiOadDevice,
  makeDemoFirmware,
  serveH4,
  SimulatedController,
  WallClock,
  type TiOadVariant,
} from '@drydock/device-sim';
import {
  makeMcubootImage,
  makeTiOadImage,
  makeTiOffChipImage,
  makeTiOnChipImage,
  padMcubootToSlot,
} from '@drydock/dfu-core';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const SLOT_BYTES = 0x10000;

interface Kind {
  readonly variant: TiOadVariant;
  readonly expectVersion: string;
  readonly imageBytes: number;
  make(code: Uint8Array, release: number): Uint8Array;
}

const mcuboot = (code: Uint8Array, release: number): Uint8Array =>
  makeMcubootImage({ body: code, version: { major: release, minor: 0, revision: 0, build: 0 }, headerBytes: 256 });

const KINDS: readonly Kind[] = [
  {
    variant: 'e1-off-chip',
    expectVersion: '0002',
    imageBytes: 64_000,
    make: (code, release) => makeTiOadImage({ code, softwareVersion: `000${release}`, type: 3 }),
  },
  {
    variant: 'e1-on-chip',
    expectVersion: '2.0.0',
    imageBytes: 64_000,
    make: (code, release) => makeTiOadImage({ code, softwareVersion: `000${release}` }),
  },
  {
    variant: 'e2-off-chip',
    expectVersion: '2.0.0',
    imageBytes: 40_000,
    make: (code, release) => padMcubootToSlot(mcuboot(code, release), SLOT_BYTES),
  },
  { variant: 'e2-on-chip', expectVersion: '2.0.0', imageBytes: 40_000, make: mcuboot },
  {
    variant: 'c1',
    expectVersion: '2',
    imageBytes: 16_384,
    make: (code, release) => makeTiOnChipImage({ image: code, version: release, area: release === 1 ? 'A' : 'B' }),
  },
  {
    variant: 'c2',
    expectVersion: '2.0.0',
    imageBytes: 16_384,
    make: (code, release) => makeTiOffChipImage({ image: code, version: release }),
  },
];

/** @param folder where the files and the socket of the controller go. */
export async function simulateTi(folder: string): Promise<SimulatedFamily> {
  const scheduler = new WallClock();
  const controller = new SimulatedController({ scheduler, paced: true });
  const h4 = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci.sock') });
  const commands = [`drydock-agent scan --adapter ${h4.adapter} --seconds 3`];
  KINDS.forEach(({ variant, expectVersion, imageBytes, make }, index) => {
    const file = (release: number): Uint8Array =>
      make(
        makeDemoFirmware({ model: 'ti-sensor', version: `${release}.0.0`, sizeBytes: imageBytes, seed: release }),
        release,
      );
    const device = createTiOadDevice({
      scheduler,
      variant,
      serialNumber: `TI-${index + 1}`,
      name: `TI ${variant}`,
      image: file(1),
      slotBytes: SLOT_BYTES,
    });
    controller.host(device.ble);
    const path = join(folder, `${variant}-2.bin`);
    writeFileSync(path, file(2));
    const link = `'ble:${(device.ble.advertisement()?.address ?? '').toUpperCase()}'`;
    commands.push(
      '',
      `drydock-agent inspect ${path}`,
      `drydock-agent identify --link ${link} --adapter ${h4.adapter}`,
      `drydock-agent update --file ${path} --link ${link} --adapter ${h4.adapter} --expect-version ${expectVersion}`,
    );
  });
  return {
    what: 'One TI OAD unit of each generation is simulated on Bluetooth.',
    commands,
    close: () => h4.close(),
  };
}
