/** Units, files and runs for the specs in which session and target talk to each other. */
import { createHash } from 'node:crypto';
import {
  describeArtifact,
  makeMcubootImage,
  makeTiOadImage,
  makeTiOffChipImage,
  makeTiOnChipImage,
  padMcubootToSlot,
  tiOad,
  type Identification,
  type MarkStep,
  type UpdateOutcome,
  type UpdateRequest,
} from '@drydock/dfu-core';
import { runInVirtualTime, type RunOptions, type RunResult } from '../../links/virtual-run.js';
import { VirtualScheduler } from '../../scheduler/virtual-scheduler.js';
import type { TouchEntry } from '../../target.js';
import { makeDemoFirmware } from '../demo-firmware.js';
import type { TiOadOptions, TiOadVariant } from './options.js';
import { createTiOadDevice, type TiOadDevice } from './ti-oad-device.js';

export const MODEL = 'ti-sensor';
export const ADDRESS = '54:6c:0e:01:02:03';
export const VARIANTS: readonly TiOadVariant[] = ['e1-off-chip', 'e1-on-chip', 'e2-off-chip', 'e2-on-chip', 'c1', 'c2'];
/** Small, so that the padded files of the off-chip variant stay so. */
export const SLOT_BYTES = 0x8000;

export interface ImageOptions {
  readonly privateKey?: Uint8Array;
  readonly sizeBytes?: number;
  readonly type?: number;
  readonly imageId?: string;
  readonly area?: 'A' | 'B';
}

/** @param release 1, 2, ...: version strings, header versions and bytes follow from it. */
export function fileFor(variant: TiOadVariant, release: number, options: ImageOptions = {}): Uint8Array {
  const { sizeBytes = 12_000, privateKey } = options;
  const code = makeDemoFirmware({ model: MODEL, version: `${release}.0.0`, sizeBytes, seed: release });
  switch (variant) {
    case 'e1-off-chip':
    case 'e1-on-chip':
      return makeTiOadImage({
        code,
        softwareVersion: `000${release}`,
        type: options.type ?? (variant === 'e1-off-chip' ? 3 : 7),
        ...(options.imageId !== undefined && { imageId: options.imageId }),
        ...(privateKey && { privateKey }),
      });
    case 'e2-off-chip':
    case 'e2-on-chip': {
      const version = { major: release, minor: 2, revision: 3, build: 0x10004 };
      const key = privateKey && ({ kind: 'ecdsa-p256', secret: privateKey } as const);
      const made = makeMcubootImage({ body: code, version, headerBytes: 256, ...(key && { key }) });
      return variant === 'e2-on-chip' ? made : padMcubootToSlot(made, SLOT_BYTES);
    }
    case 'c1':
      return makeTiOnChipImage({
        image: code,
        version: release,
        area: options.area ?? (release % 2 === 0 ? 'B' : 'A'),
      });
    case 'c2':
      return makeTiOffChipImage({ image: code, version: release });
  }
}

/** How such a unit states the version of a release. */
export function versionOf(variant: TiOadVariant, release: number): string {
  switch (variant) {
    case 'e1-off-chip':
      return `000${release}`;
    case 'e2-off-chip':
      return `${release}.2.3+4`;
    case 'c1':
      return String(release);
    default:
      return `${release}.0.0`;
  }
}

export interface Story {
  readonly variant: TiOadVariant;
  readonly scheduler: VirtualScheduler;
  readonly device: TiOadDevice;
}

export function unit(variant: TiOadVariant, options: Partial<TiOadOptions> = {}): Story {
  const scheduler = new VirtualScheduler();
  const device = createTiOadDevice({
    scheduler,
    variant,
    model: MODEL,
    serialNumber: 'SN-7',
    address: ADDRESS,
    slotBytes: SLOT_BYTES,
    image: fileFor(variant, 1),
    ...options,
  });
  return { variant, scheduler, device };
}

export function requestFor(
  variant: TiOadVariant,
  file: Uint8Array,
  change: Partial<UpdateRequest> = {},
): UpdateRequest {
  return {
    artifact: describeArtifact(file),
    expectIdentity: { kind: 'ble-address', value: ADDRESS },
    allowDowngrade: false,
    confirm: 'after-proof',
    versionProves: true,
    expectVersion: versionOf(variant, 2),
    returnWithinMs: 120_000,
    ...change,
  };
}

export function update(
  { variant, scheduler, device }: Story,
  file = fileFor(variant, 2),
  change: Partial<UpdateRequest> = {},
  run: Partial<RunOptions> = {},
): RunResult<UpdateOutcome> {
  return runInVirtualTime((link) => tiOad.update(link, requestFor(variant, file, change)), device, {
    scheduler,
    payloads: tiOad.payloads(file),
    ...run,
  });
}

export const identifyIt = ({ scheduler, device }: Story): Identification =>
  runInVirtualTime((link) => tiOad.identify(link, {}), device, { scheduler }).outcome;
export const steps = (result: RunResult<unknown>): MarkStep[] => result.marks.map(({ step }) => step);
export const runs = ({ device }: Story): string | undefined => device.flash.runningImageSha256();
export const what = ({ device }: Story): TouchEntry['what'][] => device.touches.map((touch) => touch.what);
export const shaOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Bytes in front that no checksum of the target covers: the image id, or both CRC fields. */
const UNCHECKED_HEAD: Readonly<Partial<Record<TiOadVariant, number>>> = {
  'e1-off-chip': 8,
  'e1-on-chip': 8,
  c1: 4,
  c2: 4,
};

/** Whether the unit runs this file, as far as anything on the unit checks it: padding behind a slot's image is not. */
export function runsFile({ variant, device }: Story, file: Uint8Array): boolean {
  if (device.flash.runningImageSha256() === undefined) return false;
  const from = UNCHECKED_HEAD[variant] ?? 0;
  const isPadded = variant === 'e2-off-chip';
  const to = isPadded ? file.findLastIndex((byte, at) => at < file.length - 16 && byte !== 0xff) + 1 : file.length;
  return shaOf(device.flash.region('application').slice(from, to)) === shaOf(file.slice(from, to));
}
