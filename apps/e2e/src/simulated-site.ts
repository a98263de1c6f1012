/**
 * One site of simulated devices as a gateway meets it: Bluetooth units behind a simulated controller
 * served in H4 over a unix socket, UART units behind pseudo-terminals, and the site file that names them.
 * The devices live in the process that calls this, so that servers and agents can be killed around them.
 */
import {
  createSecureDfuDevice,
  createSmpDevice,
  RealScheduler,
  serveH4,
  serveSerial,
  SimulatedController,
  type FaultPlan,
  type SerialService,
  type SimulatedDevice,
} from '@drydock/device-sim';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

export const SENSOR_MODEL = 'demo-sensor';
export const BOARD_MODEL = 'demo-board';

export interface SimulatedSiteOptions {
  readonly name: string;
  /** Sockets, factory images and the site file go here; short paths, unix sockets allow about 100 characters. */
  readonly folder: string;
  /** Nordic units on Bluetooth. */
  readonly sensors: readonly UnitOptions[];
  /** SMP units on a UART console. */
  readonly boards: readonly UnitOptions[];
  /** Public keys that the bootloaders trust, PEM. */
  readonly sensorKeyPem?: string;
  readonly boardKeyPem?: string;
  /** Keep the pace of air and wire. Default false: as fast as it goes. */
  readonly paced?: boolean;
  /** How long a radio that fell silent goes unnoticed. */
  readonly supervisionMs?: number;
}

export interface UnitOptions {
  /** What runs when the site opens: firmware bytes of a sensor, a whole MCUboot file of a board. */
  readonly runs: { readonly image: Uint8Array; readonly fwVersion?: number };
  readonly faults?: FaultPlan;
  /** Multiplies flash times. */
  readonly slow?: number;
}

export interface SimulatedUnit {
  readonly serial: string;
  readonly model: string;
  /** As the inventory names it: `ble-address` of a sensor, port path of a board. */
  readonly linkName: string;
  readonly device: SimulatedDevice;
}

export interface SimulatedSite {
  readonly name: string;
  readonly siteFile: string;
  readonly adapter: string;
  readonly units: readonly SimulatedUnit[];
  /** Wall clock (ms) of a time in a unit's touch log. */
  wallMs(atMs: number): number;
  close(): Promise<void>;
}

/** Starts a site. The caller closes it. */
export async function openSimulatedSite(options: SimulatedSiteOptions): Promise<SimulatedSite> {
  mkdirSync(options.folder, { recursive: true });
  const scheduler = new RealScheduler();
  const wallOffsetMs = Date.now() - scheduler.now();
  const controller = new SimulatedController({
    paced: options.paced ?? false,
    ...(options.supervisionMs === undefined ? {} : { supervisionMs: options.supervisionMs }),
  });
  const units: SimulatedUnit[] = [];
  const ports: SerialService[] = [];

  options.sensors.forEach((unit, index) => {
    const serial = `${options.name}-S${index + 1}`;
    const device = createSecureDfuDevice({
      scheduler,
      serialNumber: serial,
      model: SENSOR_MODEL,
      application: unit.runs.image,
      applicationVersion: unit.runs.fwVersion ?? 1,
      ...(options.sensorKeyPem === undefined ? {} : { publicKey: options.sensorKeyPem }),
      faults: { ...(unit.slow === undefined ? {} : { slowFlash: unit.slow }), ...unit.faults },
    });
    controller.host(device.ble);
    const advertisement = device.ble.advertisement();
    if (!advertisement) throw new Error(`${serial} does not advertise`);
    const linkName = `ble:${advertisement.address.toUpperCase()}?type=${advertisement.addressType}`;
    units.push({ serial, model: SENSOR_MODEL, linkName, device });
  });

  options.boards.forEach((unit, index) => {
    const serial = `${options.name}-B${index + 1}`;
    const device = createSmpDevice({
      scheduler,
      deviceId: serial,
      model: BOARD_MODEL,
      image: unit.runs.image,
      ...(options.boardKeyPem === undefined ? {} : { publicKey: options.boardKeyPem }),
      bufSize: 1024,
      faults: { ...(unit.slow === undefined ? {} : { slowFlash: unit.slow }), ...unit.faults },
    });
    if (!device.serial) throw new Error(`${serial} has no UART`);
    const port = serveSerial(device.serial, { pacing: options.paced ? 'baud' : 'unpaced' });
    ports.push(port);
    units.push({
      serial,
      model: BOARD_MODEL,
      linkName: `serial:${port.path}?baud=115200&framing=console&identity=node-name`,
      device,
    });
  });

  const h4 = await serveH4(controller, { kind: 'unix', path: join(options.folder, 'hci.sock') });
  const siteFile = join(options.folder, 'site.yaml');
  writeFileSync(
    siteFile,
    stringify({
      name: options.name,
      bluetooth: { adapter: h4.adapter, scanSeconds: 2, everySeconds: 30 },
      identifyEverySeconds: 10,
      models: { [SENSOR_MODEL]: { protocol: 'secure-dfu' }, [BOARD_MODEL]: { protocol: 'smp' } },
      devices: units.map((unit) => ({ name: unit.serial, model: unit.model, link: unit.linkName })),
    }),
  );

  return {
    name: options.name,
    siteFile,
    adapter: h4.adapter,
    units,
    wallMs: (atMs) => atMs + wallOffsetMs,
    close: async () => {
      await h4.close();
      for (const port of ports) await port.close();
      scheduler.close();
    },
  };
}
