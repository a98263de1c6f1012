/** dfu-core's SMP session and the simulated unit on one link in virtual time. */
import { expect } from '@jest/globals';
import {
  describeArtifact,
  type Identification,
  makeMcubootImage,
  type McubootImageParts,
  type McubootSigningKey,
  mcubootPublicKeyOf,
  smp,
  type SmpCommand,
  smpCommand,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { createPublicKey } from 'node:crypto';
import type { LinkModel } from '../../links/link-model.js';
import { type RunOptions, type RunResult, runInVirtualTime } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { SmpOptions } from './options.js';
import { createSmpDevice, type SmpDevice } from './smp-device.js';

export const KEY: McubootSigningKey = { kind: 'ed25519', secret: new Uint8Array(32).fill(3) };
export const FORGER: McubootSigningKey = { kind: 'ed25519', secret: new Uint8Array(32).fill(4) };
export const publicKey = createPublicKey({ key: Buffer.from(mcubootPublicKeyOf(KEY)), format: 'der', type: 'spki' });

export function firmware(
  minor: number,
  sizeBytes = 20_000,
  key: McubootSigningKey = KEY,
  more: Partial<McubootImageParts> = {},
): Uint8Array {
  const body = makeDemoFirmware({ model: 'demo-board', version: `1.${minor}.0`, sizeBytes, seed: minor });
  return makeMcubootImage({
    body,
    version: { major: 1, minor, revision: 0, build: 0 },
    headerBytes: 0x200,
    key,
    ...more,
  });
}

export const OLD = firmware(0);
export const NEW = firmware(1, 30_001);
export const OTHER = firmware(2);

export function requestFor(file: Uint8Array, changes: Partial<UpdateRequest> = {}): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: false,
    returnWithinMs: 60_000,
    ...changes,
  };
}

export type Outcome = UpdateOutcome;

export function bench(options: Partial<SmpOptions> = {}, model: LinkModel = {}) {
  const scheduler = new VirtualScheduler();
  const device = createSmpDevice({ scheduler, image: OLD, publicKey, ...options });
  const link = options.transport === 'udp' ? ({ link: 'udp' } as const) : {};
  const common = { scheduler, model, ...link };
  const linkOptions: Record<string, string> = options.transport === 'raw' ? { framing: 'raw' } : {};
  return {
    scheduler,
    device,
    update: (
      file: Uint8Array,
      changes: Partial<UpdateRequest> = {},
      run: Partial<RunOptions> = {},
    ): RunResult<Outcome> =>
      runInVirtualTime((info) => smp.update(info, requestFor(file, { linkOptions, ...changes })), device, {
        ...common,
        payloads: smp.payloads(file),
        ...run,
      }),
    prove: (file: Uint8Array, before: Identification | undefined) =>
      runInVirtualTime((info) => smp.prove(info, requestFor(file, { linkOptions }), before), device, common).outcome,
    ask: (command: SmpCommand) =>
      runInVirtualTime((info) => smpCommand(info, linkOptions, command), device, common).outcome,
    details: () => runInVirtualTime((info) => smp.details?.(info, linkOptions) ?? noDetails(), device, common).outcome,
    identify: () => runInVirtualTime((info) => smp.identify(info, linkOptions), device, common).outcome,
  };
}

function noDetails(): never {
  throw new Error('the protocol tells no details');
}

export const hashOf = (file: Uint8Array): string => describeArtifact(file).images[0]?.runningHash ?? '';
export const fileHash = (file: Uint8Array): string => describeArtifact(file).sha256;
export const steps = (result: RunResult<Outcome>): string => result.marks.map(({ step }) => step).join(' ');

/** Proven, and so says the unit's own flash. */
export function expectProven(result: RunResult<Outcome>, device: SmpDevice, file = NEW): void {
  expect(result.outcome).toMatchObject({ outcome: 'proven', needsRescue: false });
  expect(result.outcome.after?.running).toMatchObject([{ hash: hashOf(file), confirmed: true }]);
  expect(device.flash.runningImageSha256()).toBe(fileHash(file));
  expect(device.unit.slots.flags('slot0')).toMatchObject({ confirmed: true });
  expect(result.framesDropped).toBe(0);
}
