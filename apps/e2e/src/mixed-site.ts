/** One site with a unit of every family, and firmware for each, made with the core's own makers. */
import {
  createCsrBc127Device,
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
  type SilabsAccess,
  type SimulatedDevice,
} from '@drydock/device-sim';
import {
  csrPayloads,
  makeBluegigaPackage,
  makeCsrDfu,
  makeGbl,
  makeLegacyPackage,
  makeMcubootImage,
  makeNordicPackage,
  makeTiOadImage,
  makeTiOffChipImage,
  makeTiOnChipImage,
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
  /** Nothing between us and the flash checks the bytes of an image: neither frames nor the file have a sum. */
  readonly hasNoSum?: boolean;
}

const SILABS_PROTOCOL: Readonly<Record<SilabsAccess, string>> = {
  apploader: 'silabs-ota',
  'application-ota': 'silabs-ota',
  bgapi: 'bgapi-dfu',
  xmodem: 'gecko-xmodem',
};
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
    variant: 'c1' | 'c2' | 'e1-on-chip' | 'e1-off-chip' | 'e2-off-chip' | 'e2-on-chip',
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
    access: SilabsAccess,
    runningVersion: string | undefined,
    more: {
      address?: string;
      hasRevision?: boolean;
      applicationSpeaksBgapi?: boolean;
      generation?: 'ble11x' | 'bt12x';
      framing?: 'robust';
    } = {},
    options?: string,
  ): Family => ({
    model,
    protocol: SILABS_PROTOCOL[access],
    ...(options !== undefined && { options }),
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

  const bluegiga = (generation: 'ble11x' | 'bt12x'): Family => ({
    ...silabs(generation, 'bgapi', '2.0.0.0', { generation }, `?baud=115200&generation=${generation}`),
    hasNoSum: true,
    make: (release) => {
      const runs = firmware(generation, release);
      return { file: makeBluegigaPackage({ generation, image: runs }), runs };
    },
  });

  const bc127 = (release: number): Release => {
    const file = makeCsrDfu({
      description: `Melody Audio V7.${release} 15269250${release}0`,
      program: firmware('bc127', release),
    });
    return { file, runs: csrPayloads(file).get('image:0')! };
  };

  return [
    {
      model: 'bc127',
      protocol: 'csr-dfu',
      runningVersion: '7.2+1526925020',
      ends: 'proven',
      options: '?variant=standard&loader=simulated',
      make: bc127,
      device: (scheduler, faults) =>
        createCsrBc127Device({
          scheduler,
          ...(faults && { faults }),
          serialNumber: 'bc127',
          application: bc127(1).runs,
          settings: { NAME: 'Kitchen' },
          licences: { APTX: '1111 2222 3333 4444 5555' },
          flash: FLASH,
          firstStartMs: 100,
          syncMs: 100,
        }),
    },
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
    // Replaced in its place, out of a persistent application.
    ti('ti-persistent', 'e1-on-chip', '2.0.0', (release) =>
      makeTiOadImage({ code: firmware('ti-persistent', release), softwareVersion: `000${release}`, type: 7 }),
    ),
    // Their files name a hash and the units state a version: only a person's word for it proves.
    ti('ti-mcuboot', 'e2-on-chip', '2.0.0', (release) => mcuboot('ti-mcuboot', release, 256)),
    ti('ti-slot', 'e2-off-chip', '2.0.0', (release) =>
      padMcubootToSlot(mcuboot('ti-slot', release, 256), TI_SLOT_BYTES),
    ),
    ti('ti-classic', 'c2', '2.0.0', (release) =>
      makeTiOffChipImage({ image: firmware('ti-classic', release), version: release }),
    ),
    // Two areas: the file for the one that does not run; what runs then is the other.
    ti('ti-areas', 'c1', '2', (release) =>
      makeTiOnChipImage({
        image: firmware('ti-areas', release),
        version: release,
        area: release % 2 === 0 ? 'B' : 'A',
      }),
    ),
    silabs('silabs-apploader', 'apploader', '2.0.0', { address: 'c0:00:00:00:00:08' }),
    // States no revision: nobody can prove it.
    silabs('silabs-mute', 'apploader', undefined, { address: 'c0:00:00:00:00:09', hasRevision: false }),
    silabs('silabs-in-app', 'application-ota', '2.0.0', { address: 'c0:00:00:00:00:0a' }),
    silabs('silabs-uart', 'bgapi', '2.0.0.0'),
    silabs('silabs-robust', 'bgapi', '2.0.0.0', { framing: 'robust' }, '?baud=115200&framing=robust'),
    bluegiga('ble11x'),
    // Says its version when it starts, and at no other time: that it was another before is not seen.
    { ...bluegiga('bt12x'), ends: 'unproven' },
    silabs('silabs-menu', 'xmodem', '2.0.0.0', { applicationSpeaksBgapi: true }, '?baud=115200&application=bgapi'),
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
