/**
 * `npm run simulate -- legacy`: units with Nordic's legacy bootloaders, on Bluetooth and on a UART, with files of every
 * form for them, and the commands to try the agent on them by hand.
 */
import {
  createLegacyDfuDevice,
  createLegacySerialDevice,
  makeDemoFirmware,
  RealScheduler,
  serveH4,
  serveSerial,
  SimulatedController,
} from '@drydock/device-sim';
import { makeIntelHex, makeLegacyInitPacket, makeLegacyPackage } from '@drydock/dfu-core';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const IMAGE_BYTES = 64 * 1024;
const ADAFRUIT_DEVICE_TYPE = 0x52;
const SOFTDEVICE = 0x64;

/** @param folder where the files and the socket of the controller go. */
export async function simulateLegacy(folder: string): Promise<SimulatedFamily> {
  const scheduler = new RealScheduler();
  const controller = new SimulatedController({ paced: true });
  const firmware = (version: string, seed: number): Uint8Array =>
    makeDemoFirmware({ model: 'demo-beacon', version, sizeBytes: IMAGE_BYTES, seed });
  const write = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const application = firmware('2.0.0', 2);
  const zip = write('beacon-2.0.0.zip', makeLegacyPackage({ application, softdevices: [SOFTDEVICE] }));
  const hex = write('beacon-2.0.0.hex', makeIntelHex({ segments: [{ address: 0x18000, bytes: application }] }));
  const dat = write('beacon-2.0.0.dat', makeLegacyInitPacket(application, { softdevices: [SOFTDEVICE] }));
  const forBoard = write(
    'feather-2.0.0.zip',
    makeLegacyPackage({ application, softdevices: [SOFTDEVICE], deviceType: ADAFRUIT_DEVICE_TYPE }),
  );

  const units = (['11', '6.1'] as const).map((sdk) => {
    const device = createLegacyDfuDevice({
      scheduler,
      sdk,
      serialNumber: `beacon-sdk-${sdk}`,
      model: 'demo-beacon',
      softDeviceFwid: SOFTDEVICE,
      application: firmware('1.0.0', 1),
      // The simulated controller hands over the packets of a connection event at once, and real timers are coarser than
      // flash: on air packets come one by one, and eight buffers are enough.
      packetBuffers: 64,
      flash: { writeUsPerWord: 1 },
    });
    controller.host(device.ble);
    return `ble:${(device.ble.advertisement()?.address ?? '').toUpperCase()}?type=random`;
  });
  const board = createLegacySerialDevice({ scheduler, softDeviceFwid: SOFTDEVICE, bankBytes: 128 * 1024 });
  const port = serveSerial(board.serial);
  const h4 = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci.sock') });

  const adapter = `--adapter ${h4.adapter}`;
  const [beacon, old] = units;
  const serial = `serial:${port.path}?baud=115200`;
  return {
    what: 'A beacon with the bootloader of nRF5 SDK 11, one with that of SDK 6.1, and an Adafruit board in its bootloader.',
    commands: [
      `drydock-agent scan ${adapter} --seconds 3`,
      '',
      `drydock-agent inspect ${zip}`,
      `drydock-agent identify --link '${beacon}' ${adapter}`,
      `drydock-agent update --file ${zip} --link '${beacon}' ${adapter} --expect-version 2.0.0`,
      '',
      `drydock-agent update --file ${hex} --init ${dat} --link '${old}' ${adapter} --expect-version 2.0.0`,
      '',
      `drydock-agent identify --link '${serial}'`,
      `drydock-agent update --file ${forBoard} --link '${serial}'`,
    ],
    async close() {
      await h4.close();
      await port.close();
      scheduler.close();
    },
  };
}
