/** Units, files and runs for the specs in which session and target talk to each other. */
import { createHash } from 'node:crypto';
import {
  describeArtifact,
  makeGbl,
  silabsPublicKeyOf,
  type GblParts,
  type Identification,
  type MarkStep,
  type Protocol,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SilabsOptions } from './options.js';
import { createSilabsDevice, type SilabsDevice } from './silabs-device.js';

export const MODEL = 'node-a';
export const ADDRESS = 'c1:02:03:04:05:ff';
export const APPLICATION_ADDRESS = 0x4000;
export const PRIVATE_KEY = new Uint8Array(32).fill(9);
export const PUBLIC_KEY = silabsPublicKeyOf(PRIVATE_KEY);
export const OLD = makeDemoFirmware({ model: MODEL, version: '1.0.0', sizeBytes: 20_000 });
export const NEW = makeDemoFirmware({ model: MODEL, version: '1.1.0', sizeBytes: 30_001, seed: 2 });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const SHA_OLD = sha256(OLD);
export const SHA_NEW = sha256(NEW);

export const gbl = (change: Partial<GblParts> = {}, image = NEW): Uint8Array =>
  makeGbl({
    applicationInfo: { type: 0x20, version: 2, capabilities: 0, productId: undefined },
    programs: [{ address: APPLICATION_ADDRESS, data: image }],
    metadata: [new TextEncoder().encode('{"made":"for a test"}')],
    privateKey: PRIVATE_KEY,
    ...change,
  });
export const FILE = gbl();

export interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: SilabsDevice;
}

export function unit(options: Partial<SilabsOptions> & Pick<SilabsOptions, 'access'>): Story {
  const scheduler = new VirtualScheduler();
  const device = createSilabsDevice({
    scheduler,
    model: MODEL,
    deviceId: 'SN-7',
    address: ADDRESS,
    application: OLD,
    publicKey: PUBLIC_KEY,
    applicationBytes: 128 * 1024,
    ...options,
  });
  return { scheduler, device };
}

export function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    expectVersion: '1.1.0',
    returnWithinMs: 60_000,
    ...change,
  };
}

export function update(
  protocol: Protocol,
  { scheduler, device }: Story,
  file = FILE,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  return runInVirtualTime((link) => protocol.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: protocol.payloads(file),
    ...run,
  });
}

/** Lets the unit come back from whatever reset it is in. */
export function settle({ scheduler }: Story): void {
  scheduler.advance(3000);
}

export const identifyIt = (
  protocol: Protocol,
  { scheduler, device }: Story,
  options: Readonly<Record<string, string>> = {},
  run: Partial<RunOptions> = {},
): Identification =>
  runInVirtualTime((link) => protocol.identify(link, options), device, { scheduler, ...run }).outcome;
export const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
export const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
export const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
