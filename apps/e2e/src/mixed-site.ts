/** One site with a unit of every family, and firmware for each, made with the core's own makers. */
import {
  createLegacyDfuDevice,
  createSecureDfuDevice,
  createSilabsDevice,
  createSmpDevice,
  createTiOadDevice,
  makeDemoFirmware,
  serveH4,
  serveSerial,
  SimulatedController,
  WallClock,
  type FaultPlan,
  type Scheduler,
  type SerialService,
  type SimulatedDevice,
} from '@drydock/device-sim';
import {
  makeGbl,
  makeLegacyPackage,
  makeMcubootImage,
  makeNordicPackage,
  makeTiOadImage,
  padMcubootToSlot,
} from '@drydock/dfu-core';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { makeReleaseKey } from './packages.js';
import type { SimulatedSite, SimulatedUnit } from './simulated-site.js';

/** One release of a family's firmware. */
export interface Release {
  /** What is uploaded. */
  readonly file: Uint8Array;
  /** What then lies in the unit's flash. */
  readonly runs: Uint8Array;
}

export interface Family {
  readonly model: string;
  readonly protocol: string;
  /** What the application calls itself when the second release runs; undefined: it says nothing. */
  readonly runningVersion: string | undefined;
  readonly ends: 'proven' | 'unproven';
  make(release: number): Release;
  device(scheduler: Scheduler, faults?: FaultPlan): SimulatedDevice;
  /** Behind the port in the spelling of its link. */
  readonly options?: string;
}

const FLASH = { eraseMsPerPage: 1, writeUsPerWord: 1 };
const SOFTDEVICE = 0x64;
const TI_SLOT_BYTES = 0x8000;

export function makeFamilies(imageBytes: number): readonly Family[] {
  const key = makeReleaseKey();
  const privateKey = key.privateBytes;
  const firmware = (model: string, release: number): Uint8Array =>
    makeDemoFirmware({ model, version: `${release}.0.0`, sizeBytes: imageBytes, seed: 10 * model.length + release });
  const whole = (file: Uint8Array): Release => ({ file, runs: file });
  const mcuboot = (model: string, release: number, headerBytes = 32): Uint8Array =>
    makeMcubootImage({
      body: firmware(model, release),
      version: { major: release, minor: 0, revision: 0, build: 0 },
      headerBytes,
      key: { kind: 'ecdsa-p256', secret: privateKey },
    });
  const gbl = (model: string, release: number): Release => {
    const runs = firmware(model, release);
    return { file: makeGbl({ programs: [{ address: 0x4000, data: runs }] }), runs };
  };

  const smp = (model: string, transport: 'console' | 'ble', options?: string): Family => ({
    model,
    protocol: 'smp',
    runningVersion: '2.0.0',
    ends: 'proven',
    ...(options !== undefined && { options }),
    make: (release) => whole(mcuboot(model, release)),
    device: (scheduler, faults) =>
      createSmpDevice({
        scheduler,
        ...(faults && { faults }),
        transport,
        deviceId: model,
        model,
        image: mcuboot(model, 1),
        publicKey: key.publicPem,
        bufSize: 1024,
        flash: FLASH,
        ...(transport === 'ble' && { address: 'c0:00:00:00:00:02' }),
      }),
  });
  const ti = (
    model: string,
    variant: 'e1-off-chip' | 'e2-off-chip' | 'e2-on-chip',
    runningVersion: string,
    make: (release: number) => Uint8Array,
  ): Family => ({
    model,
    protocol: 'ti-oad',
    runningVersion,
    ends: 'proven',
    make: (release) => whole(make(release)),
    device: (scheduler, faults) =>
      createTiOadDevice({
        scheduler,
        ...(faults && { faults }),
        variant,
        serialNumber: model,
        model,
        image: make(1),
        slotBytes: TI_SLOT_BYTES,
        flash: FLASH,
      }),
  });
  const silabs = (
    model: string,
    access: 'apploader' | 'bgapi',
    runningVersion: string | undefined,
    more: { address?: string; hasRevision?: boolean } = {},
  ): Family => ({
    model,
    protocol: access === 'bgapi' ? 'bgapi-dfu' : 'silabs-ota',
    runningVersion,
    ends: runningVersion === undefined ? 'unproven' : 'proven',
    make: (release) => gbl(model, release),
    device: (scheduler, faults) =>
      createSilabsDevice({
        scheduler,
        ...(faults && { faults }),
        access,
        deviceId: model,
        model,
        application: firmware(model, 1),
        applicationBytes: 2 * imageBytes,
        flash: FLASH,
        ...more,
      }),
  });

  return [
    smp('smp-uart', 'console', '?framing=console&identity=node-name'),
    smp('smp-ble', 'ble'),
    {
      model: 'nordic-secure',
      protocol: 'secure-dfu',
      runningVersion: '2.0.0',
      ends: 'proven',
      make: (release) => {
        const runs = firmware('nordic-secure', release);
        const facts = { hwVersion: 52, fwVersion: release, sdReq: [0x0101], privateKey };
        return { file: makeNordicPackage({ application: runs, ...facts }), runs };
      },
      device: (scheduler, faults) =>
        createSecureDfuDevice({
          scheduler,
          ...(faults && { faults }),
          serialNumber: 'nordic-secure',
          model: 'nordic-secure',
          application: firmware('nordic-secure', 1),
          applicationVersion: 1,
          publicKey: key.publicPem,
        }),
    },
    {
      model: 'nordic-legacy',
      protocol: 'legacy-dfu',
      runningVersion: '2.0.0',
      ends: 'proven',
      make: (release) => {
        const runs = firmware('nordic-legacy', release);
        return { file: makeLegacyPackage({ application: runs, softdevices: [SOFTDEVICE] }), runs };
      },
      device: (scheduler, faults) =>
        createLegacyDfuDevice({
          scheduler,
          ...(faults && { faults }),
          serialNumber: 'nordic-legacy',
          model: 'nordic-legacy',
          softDeviceFwid: SOFTDEVICE,
          application: firmware('nordic-legacy', 1),
          // Nothing paces this radio: packets come faster than air could bring them.
          packetBuffers: 64,
          flash: FLASH,
        }),
    },
    ti('ti-enhanced', 'e1-off-chip', '0002', (release) =>
      makeTiOadImage({ code: firmware('ti-enhanced', release), softwareVersion: `000${release}`, type: 3 }),
    ),
    // Their files name a hash and the units state a version: only a person's word for it proves.
    ti('ti-mcuboot', 'e2-on-chip', '2.0.0', (release) => mcuboot('ti-mcuboot', release, 256)),
    ti('ti-slot', 'e2-off-chip', '2.0.0', (release) =>
      padMcubootToSlot(mcuboot('ti-slot', release, 256), TI_SLOT_BYTES),
    ),
    silabs('silabs-apploader', 'apploader', '2.0.0', { address: 'c0:00:00:00:00:08' }),
    // States no revision: nobody can prove it.
    silabs('silabs-mute', 'apploader', undefined, { address: 'c0:00:00:00:00:09', hasRevision: false }),
    silabs('silabs-uart', 'bgapi', '2.0.0.0'),
  ];
}

/** Starts the site, a unit of each family. The caller closes it. */
export async function openMixedSite(folder: string, families: readonly Family[]): Promise<SimulatedSite> {
  mkdirSync(folder, { recursive: true });
  const scheduler = new WallClock();
  const wallOffsetMs = Date.now() - scheduler.now();
  const controller = new SimulatedController({ scheduler, supervisionMs: 500 });
  const ports: SerialService[] = [];
  const units = families.map(({ model, options = '', device: make }): SimulatedUnit => {
    const device = make(scheduler);
    if (device.serial) {
      const port = serveSerial(device.serial, { pacing: 'unpaced' });
      ports.push(port);
      return { serial: model, model, linkName: `serial:${port.path}${options}`, device };
    }
    if (!device.ble) throw new Error(`${model} has no link`);
    controller.host(device.ble);
    const advertisement = device.ble.advertisement();
    if (!advertisement) throw new Error(`${model} does not advertise`);
    const linkName = `ble:${advertisement.address.toUpperCase()}?type=${advertisement.addressType}`;
    return { serial: model, model, linkName, device };
  });
  const h4 = await serveH4(controller, { kind: 'unix', path: join(folder, 'hci.sock') });
  const siteFile = join(folder, 'site.yaml');
  writeFileSync(
    siteFile,
    stringify({
      name: 'mixed',
      bluetooth: { adapter: h4.adapter, scanSeconds: 2, everySeconds: 30 },
      identifyEverySeconds: 10,
      models: Object.fromEntries(families.map(({ model, protocol }) => [model, { protocol }])),
      devices: units.map(({ serial, model, linkName }) => ({ name: serial, model, link: linkName })),
    }),
  );
  return {
    name: 'mixed',
    siteFile,
    adapter: h4.adapter,
    units,
    wallMs: (atMs) => atMs + wallOffsetMs,
    close: async () => {
      await h4.close();
      for (const port of ports) await port.close();
    },
  };
}
