/** Units, packages and runs for the specs in which session and target talk to each other. */
import { createHash } from 'node:crypto';
import {
  describeNordicPackage,
  makeNordicPackage,
  makeNordicPackageOf,
  nordicPublicKeyOf,
  secureDfu,
  type Identification,
  type MarkStep,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SecureDfuOptions } from './options.js';
import {
  createSecureDfuDevice,
  type SecureDfuBleDevice,
  type SecureDfuDevice,
  type SecureDfuSerialDevice,
} from './secure-dfu-device.js';

export const MODEL = 'sensor-a';
export const ADDRESS = 'c1:02:03:04:05:ff';
export const PRIVATE_KEY = new Uint8Array(32).fill(9);
const PUBLIC_KEY = nordicPublicKeyOf(PRIVATE_KEY).slice(1);
export const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 20_000 });
export const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 30_000, seed: 2 });

export const pack = (change: Partial<Parameters<typeof makeNordicPackage>[0]> = {}): Uint8Array =>
  makeNordicPackage({
    application: NEW,
    hwVersion: 52,
    fwVersion: 2,
    sdReq: [0x0101],
    privateKey: PRIVATE_KEY,
    ...change,
  });
export const PACKAGE = pack();

export interface Story<Device extends SecureDfuDevice = SecureDfuDevice> {
  readonly scheduler: VirtualScheduler;
  readonly device: Device;
}

/** On a serial line, in its bootloader. */
export function serialUnit(options: Partial<SecureDfuOptions> = {}): Story<SecureDfuSerialDevice> {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    model: MODEL,
    serialNumber: 'SN-7',
    application: OLD,
    publicKey: PUBLIC_KEY,
    startsInBootloader: true,
    flash: { eraseMsPerPage: 85, writeUsPerWord: 41 },
    ...options,
    transport: options.transport === 'usb' ? 'usb' : 'uart',
  });
  return { scheduler, device };
}

export function unit(options: Partial<Omit<SecureDfuOptions, 'transport'>> = {}): Story<SecureDfuBleDevice> {
  const scheduler = new VirtualScheduler();
  const device = createSecureDfuDevice({
    scheduler,
    model: MODEL,
    serialNumber: 'SN-7',
    address: ADDRESS,
    application: OLD,
    publicKey: PUBLIC_KEY,
    ...options,
  });
  return { scheduler, device };
}

export function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeNordicPackage(file),
    expectIdentity: { kind: 'ble-address', value: ADDRESS },
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    expectVersion: '1.1.0',
    returnWithinMs: 60_000,
    ...change,
  };
}

export function update(
  { scheduler, device }: Story,
  file = PACKAGE,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  return runInVirtualTime((link) => secureDfu.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: secureDfu.payloads(file),
    ...run,
  });
}

export const identifyIt = ({ scheduler, device }: Story): Identification =>
  runInVirtualTime((link) => secureDfu.identify(link, {}), device, { scheduler }).outcome;
export const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
export const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
export const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const SHA_OLD = sha256(OLD);
export const SHA_NEW = sha256(NEW);

/** Over the serial line: the port ties the unit, and nothing states a version. */
export function updateSerial(
  story: Story,
  file = PACKAGE,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  return update(story, file, { expectIdentity: { kind: 'port-path', value: 'sim:SN-7' }, ...change }, run);
}

/** A SoftDevice image that a bootloader takes for one. */
export function softDevice(options: {
  readonly fwid: number;
  readonly version: number;
  readonly sizeBytes?: number;
}): Uint8Array {
  const bytes = new Uint8Array(options.sizeBytes ?? 12_288).map((_, at) => (at * 7) & 0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x2004, 0x51b1e5db, true);
  view.setUint32(0x2008, 0x1000 + Math.ceil(bytes.length / 4096) * 4096, true);
  view.setUint16(0x200c, options.fwid, true);
  view.setUint32(0x2010, 132, true);
  view.setUint32(0x2014, options.version, true);
  return bytes;
}

/** Several images in one package, each signed. */
export function packOf(images: Parameters<typeof makeNordicPackageOf>[0]): Uint8Array {
  return makeNordicPackageOf(
    Object.fromEntries(Object.entries(images).map(([key, image]) => [key, { privateKey: PRIVATE_KEY, ...image }])),
  );
}
