/** Units, packages and runs for the specs in which session and target talk to each other. */
import { createHash } from 'node:crypto';
import {
  describeArtifact,
  legacyDfu,
  makeLegacyPackage,
  nordicPublicKeyOf,
  type Identification,
  type MarkStep,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import { createLegacyDfuDevice, type LegacyDfuDevice } from './legacy-dfu-device.js';
import type { LegacyDfuOptions } from './options.js';

export const MODEL = 'beacon-b';
export const ADDRESS = 'c1:02:03:04:05:ff';
export const PLUS_ONE = 'c1:02:03:04:05:00';
export const PRIVATE_KEY = new Uint8Array(32).fill(9);
export const PUBLIC_KEY = nordicPublicKeyOf(PRIVATE_KEY).slice(1);
export const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 16_000 });
export const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 20_004, seed: 2 });
export const SOFTDEVICE = makeDemoFirmware({ model: 's110', version: '8.0.0', sizeBytes: 12_000, seed: 3 });
export const BOOTLOADER = makeDemoFirmware({ model: 'boot', version: '2', sizeBytes: 8_000, seed: 4 });

export const pack = (change: Partial<Parameters<typeof makeLegacyPackage>[0]> = {}): Uint8Array =>
  makeLegacyPackage({ application: NEW, softdevices: [0x64], ...change });
export const PACKAGE = pack();

export interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: LegacyDfuDevice;
}

export function unit(options: Partial<LegacyDfuOptions> = {}): Story {
  const scheduler = new VirtualScheduler();
  const device = createLegacyDfuDevice({
    scheduler,
    model: MODEL,
    serialNumber: 'SN-7',
    address: ADDRESS,
    application: OLD,
    bankBytes: 40 * 1024,
    ...options,
  });
  return { scheduler, device };
}

export function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
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
  return runInVirtualTime((link) => legacyDfu.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: legacyDfu.payloads(file),
    ...run,
  });
}

export const identifyIt = ({ scheduler, device }: Story, options: Record<string, string> = {}): Identification =>
  runInVirtualTime((link) => legacyDfu.identify(link, options), device, { scheduler }).outcome;
export const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
export const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
export const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const SHA_OLD = sha256(OLD);
export const SHA_NEW = sha256(NEW);
