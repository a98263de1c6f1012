/** A simulated module, and updates of it in virtual time, for specs. */
import { createHash } from 'node:crypto';
import {
  csrDfu,
  csrPayloads,
  describeArtifact,
  makeCsrDfu,
  type Identification,
  type MarkStep,
  type Protocol,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { seededRandom } from '../../scheduler/seeded-random.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { createCsrBc127Device, type CsrBc127Device } from './csr-bc127-device.js';
import type { CsrBc127Options } from './options.js';

const noise = (bytes: number, seed: number): Uint8Array => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256));
};
export const melody = (
  version: string,
  seed: number,
  bytes = 12_000,
  variant: 'hd' | 'standard' = 'standard',
): Uint8Array =>
  makeCsrDfu({
    description: `Melody Audio V${version}`,
    program: noise(bytes, seed),
    variant,
    applicationStore: [{ action: 'clear', key: 0x028a }],
    fileSystem: noise(3000, seed + 1),
  });
export const OLD = melody('7.1 1526925062', 1);
export const NEW = melody('7.3 1544637564', 2);
export const bodyOf = (file: Uint8Array): Uint8Array => csrPayloads(file).get('image:0')!;
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const LINK = { loader: 'simulated', variant: 'standard' };

export interface Story {
  readonly scheduler: VirtualScheduler;
  readonly device: CsrBc127Device;
}

export function module(options: Partial<CsrBc127Options> = {}): Story {
  const scheduler = new VirtualScheduler();
  return { scheduler, device: createCsrBc127Device({ scheduler, application: bodyOf(OLD), ...options }) };
}

export function requestFor(file: Uint8Array, change: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    returnWithinMs: 30_000,
    linkOptions: LINK,
    ...change,
  };
}

export function update(
  { scheduler, device }: Story,
  file = NEW,
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
  protocol: Protocol = csrDfu,
): RunResult<UpdateOutcome> {
  const result = runInVirtualTime((link) => protocol.update(link, requestFor(file, change)), device, {
    scheduler,
    payloads: csrPayloads(file),
    ...run,
    model: { ...run.model, serial: { line: { baud: 9600 }, ...run.model?.serial } },
  });
  // What is under way on the module comes to its end.
  scheduler.advance(60_000);
  return result;
}

export const identify = ({ scheduler, device }: Story, options: Record<string, string> = LINK): Identification =>
  runInVirtualTime((link) => csrDfu.identify(link, options), device, {
    scheduler,
    model: { serial: { line: { baud: Number(options['baud'] ?? 9600) } } },
  }).outcome;
export const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
export const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
export const text = (result: RunResult<unknown>): string =>
  result.sends.map(({ bytes }) => Buffer.from(bytes).toString('latin1')).join('');
