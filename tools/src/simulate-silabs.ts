/**
 * `npm run simulate -- silabs`: simulated Silicon Labs and Bluegiga units of each kind, with files for them, and the
 * commands to try the agent on them by hand.
 */
import {
  createSilabsDevice,
  makeDemoFirmware,
  RealScheduler,
  serveH4,
  serveSerial,
  SimulatedController,
  type SilabsOptions,
} from '@drydock/device-sim';
import { makeBluegigaPackage, makeGbl } from '@drydock/dfu-core';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedFamily } from './simulate-family.js';

const IMAGE_BYTES = 64 * 1024;
const MODEL = 'demo-node';

interface Unit {
  readonly what: string;
  readonly options: Omit<SilabsOptions, 'scheduler'>;
  readonly linkOptions: string;
  readonly file: string;
  readonly expect: string;
}

const UNITS: readonly Unit[] = [
  {
    what: 'AppLoader',
    options: { access: 'apploader', deviceId: 'SIM-A1', name: 'demo-a' },
    linkOptions: '',
    file: 'demo-2.0.0.gbl',
    expect: '2.0.0',
  },
  {
    what: 'OTA inside the application',
    options: { access: 'application-ota', deviceId: 'SIM-O1', name: 'demo-o' },
    linkOptions: '',
    file: 'demo-2.0.0.gbl',
    expect: '2.0.0',
  },
  {
    what: 'BGAPI UART DFU, robust frames in the application',
    options: { access: 'bgapi', deviceId: 'SIM-B1', framing: 'robust' },
    linkOptions: '?baud=115200&framing=robust',
    file: 'demo-2.0.0.gbl',
    expect: '2.0.0.0',
  },
  {
    what: 'BLE11x in packet mode',
    options: { access: 'bgapi', deviceId: 'SIM-L1', generation: 'ble11x', framing: 'packet' },
    linkOptions: '?baud=115200&generation=ble11x&framing=packet',
    file: 'demo-ble11x-2.0.0.zip',
    expect: '2.0.0.0',
  },
  {
    what: 'Gecko Bootloader menu with XMODEM',
    options: { access: 'xmodem', deviceId: 'SIM-X1', applicationSpeaksBgapi: true },
    linkOptions: '?baud=115200&application=bgapi',
    file: 'demo-2.0.0.gbl',
    expect: '2.0.0.0',
  },
];

/** @param folder where the files and the socket of the controller go. */
export async function simulateSilabs(folder: string): Promise<SimulatedFamily> {
  const image = (version: string): Uint8Array => makeDemoFirmware({ model: MODEL, version, sizeBytes: IMAGE_BYTES });
  const applicationInfo = { type: 0x20, version: 2, capabilities: 0, productId: undefined };
  const programs = [{ address: 0x4000, data: image('2.0.0') }];
  writeFileSync(join(folder, 'demo-2.0.0.gbl'), makeGbl({ applicationInfo, programs }));
  const package11x = makeBluegigaPackage({ generation: 'ble11x', image: image('2.0.0'), version: '2.0.0' });
  writeFileSync(join(folder, 'demo-ble11x-2.0.0.zip'), package11x);

  const scheduler = new RealScheduler();
  const controller = new SimulatedController({ paced: true });
  const h4 = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci.sock') });
  const ports: { close(): Promise<void> }[] = [];
  const lines = [`drydock-agent scan --adapter ${h4.adapter} --seconds 3`];
  for (const unit of UNITS) {
    const device = createSilabsDevice({ scheduler, model: MODEL, application: image('1.0.0'), ...unit.options });
    let link: string;
    let adapter = '';
    if (device.serial) {
      const port = serveSerial(device.serial);
      ports.push(port);
      link = `serial:${port.path}${unit.linkOptions}`;
    } else {
      if (!device.ble) throw new Error(`${unit.what} has no link`);
      controller.host(device.ble);
      const advertisement = device.ble.advertisement();
      if (!advertisement) throw new Error(`${unit.what} does not advertise`);
      link = `ble:${advertisement.address.toUpperCase()}?type=${advertisement.addressType}`;
      adapter = ` --adapter ${h4.adapter}`;
    }
    const file = join(folder, unit.file);
    lines.push(
      '',
      `# ${unit.what}`,
      `drydock-agent inspect ${file}`,
      `drydock-agent identify --link '${link}'${adapter}`,
      `drydock-agent update --file ${file} --link '${link}'${adapter} --expect-version ${unit.expect}`,
    );
  }
  return {
    what: 'Silicon Labs and Bluegiga units are simulated.',
    commands: lines,
    async close() {
      await h4.close();
      for (const port of ports) await port.close();
      scheduler.close();
    },
  };
}
