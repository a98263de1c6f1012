/** Eight Bluetooth and four UART units of mixed protocols behind one gateway, and hands that can harm their links. */
import {
  createSilabsDevice,
  createSmpDevice,
  makeDemoFirmware,
  serveH4,
  serveSerial,
  SimulatedController,
  WallClock,
  type FaultPlan,
  type PeripheralConnection,
  type Scheduler,
  type SerialPeripheral,
  type SimulatedDevice,
} from '@drydock/device-sim';
import { makeGbl, makeMcubootImage } from '@drydock/dfu-core';
import { makeFamilies, type Family } from '@drydock/e2e/mixed-site';
import { join } from 'node:path';

export interface TortureUnit {
  readonly family: Family;
  readonly device: SimulatedDevice;
  readonly link: string;
  /** The link dies: `silent` is noticed by the supervision timeout; a UART falls silent for a second. */
  dropLink(how: 'graceful' | 'silent'): void;
}

export interface TortureSite {
  readonly adapter: string;
  readonly units: readonly TortureUnit[];
  /** The adapter is taken out and put back. */
  pullAdapter(awayMs: number): Promise<void>;
  close(): Promise<void>;
}

const FLASH = { eraseMsPerPage: 1, writeUsPerWord: 1 };
const SILENT_MS = 1000;
/** Share of bytes on a UART in which a bit is wrong, while bit errors are on. */
const BIT_ERROR_RATE = 1e-5;

/** Two more ways to be updated over a UART than `makeFamilies` has. */
function uartFamilies(imageBytes: number): readonly Family[] {
  const firmware = (model: string, release: number): Uint8Array =>
    makeDemoFirmware({ model, version: `${release}.0.0`, sizeBytes: imageBytes, seed: 300 + model.length + release });
  const mcuboot = (release: number): Uint8Array =>
    makeMcubootImage({
      body: firmware('smp-recovery', release),
      version: { major: release, minor: 0, revision: 0, build: 0 },
    });
  return [
    {
      model: 'silabs-xmodem',
      protocol: 'gecko-xmodem',
      runningVersion: '2.0.0.0',
      ends: 'proven',
      options: '?baud=115200&application=bgapi',
      make: (release) => {
        const runs = firmware('silabs-xmodem', release);
        return { file: makeGbl({ programs: [{ address: 0x4000, data: runs }] }), runs };
      },
      device: (scheduler, faults) =>
        createSilabsDevice({
          scheduler,
          access: 'xmodem',
          deviceId: 'silabs-xmodem',
          model: 'silabs-xmodem',
          application: firmware('silabs-xmodem', 1),
          applicationBytes: 2 * imageBytes,
          applicationSpeaksBgapi: true,
          flash: FLASH,
          ...(faults && { faults }),
        }),
    },
    {
      model: 'smp-recovery',
      protocol: 'smp',
      runningVersion: '2.0.0',
      ends: 'proven',
      options: '?framing=console&identity=node-name&via=recovery',
      make: (release) => ({ file: mcuboot(release), runs: mcuboot(release) }),
      device: (scheduler, faults) =>
        createSmpDevice({
          scheduler,
          deviceId: 'smp-recovery',
          model: 'smp-recovery',
          image: mcuboot(1),
          bufSize: 1024,
          flash: FLASH,
          ...(faults && { faults }),
        }),
    },
  ];
}

/** A UART whose bits may be wrong and which may fall silent. */
class NoisyLine implements SerialPeripheral {
  silentUntilMs = 0;

  constructor(
    private readonly unit: SerialPeripheral,
    private readonly scheduler: Scheduler,
    private readonly damage: (bytes: Uint8Array) => Uint8Array,
  ) {}

  get baud(): number {
    return this.unit.baud;
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.unit.attach((bytes) => {
      if (this.scheduler.now() >= this.silentUntilMs) send(this.damage(bytes));
    });
  }

  onBytes(bytes: Uint8Array): void {
    if (this.scheduler.now() >= this.silentUntilMs) this.unit.onBytes(this.damage(bytes));
  }
}

export interface TortureSiteOptions {
  readonly folder: string;
  readonly imageBytes: number;
  readonly random: () => number;
  /** Whether bits are wrong just now. */
  bitErrors(): boolean;
}

export async function openTortureSite(options: TortureSiteOptions): Promise<TortureSite> {
  const { random, imageBytes } = options;
  const scheduler = new WallClock();
  const controller = new SimulatedController({ scheduler, supervisionMs: 500 });
  const closers: (() => Promise<void>)[] = [];
  const damage = (bytes: Uint8Array): Uint8Array => {
    if (!options.bitErrors()) return bytes;
    const out = bytes.slice();
    for (let at = 0; at < out.length; at += 1) {
      if (random() < BIT_ERROR_RATE) out[at] = (out[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    }
    return out;
  };
  const units = [...makeFamilies(imageBytes), ...uartFamilies(imageBytes)].map((family): TortureUnit => {
    const at = (): number => 1 + Math.floor(random() * imageBytes);
    const faults: FaultPlan = {
      seed: Math.floor(random() * 1e9),
      disconnectAtByte: random() < 0.5 ? [at()] : [],
      ...(random() < 0.3 && { powerCutAtByte: at() }),
      ...(random() < 0.3 && { rebootAtByte: at() }),
    };
    const device = family.device(scheduler, faults);
    if (device.serial) {
      const line = new NoisyLine(device.serial, scheduler, family.hasNoSum ? (bytes) => bytes : damage);
      const port = serveSerial(line, { pacing: 'unpaced' });
      closers.push(() => port.close());
      return {
        family,
        device,
        link: `serial:${port.path}${family.options ?? ''}`,
        dropLink: () => (line.silentUntilMs = scheduler.now() + SILENT_MS),
      };
    }
    const { ble } = device;
    const advertisement = ble?.advertisement();
    if (!ble || !advertisement) throw new Error(`${family.model} has no link`);
    let current: PeripheralConnection | undefined;
    const onConnect = ble.onConnect.bind(ble);
    ble.onConnect = (connection) => {
      current = connection;
      onConnect(connection);
    };
    controller.host(ble);
    return {
      family,
      device,
      link: `ble:${advertisement.address.toUpperCase()}?type=${advertisement.addressType}`,
      dropLink: (how) => current?.disconnect(how),
    };
  });
  const path = join(options.folder, 'hci.sock');
  let h4 = await serveH4(controller, { kind: 'unix', path });
  return {
    adapter: h4.adapter,
    units,
    pullAdapter: async (awayMs) => {
      await h4.close();
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      h4 = await serveH4(controller, { kind: 'unix', path });
    },
    close: async () => {
      await h4.close();
      for (const close of closers) await close();
    },
  };
}
