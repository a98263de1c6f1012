/** Which file may go to which unit: every fact that both sides state, before anything is touched. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription } from '../../image/description.js';
import {
  ImageType,
  TI_MCUBOOT_SLOT_FORMAT,
  TI_OAD_FORMAT,
  TI_OAD_OFF_CHIP_FORMAT,
  TI_OAD_ON_CHIP_FORMAT,
} from '../../image/ti-oad/format.js';
import type { FitOptions, FitResult, Identification } from '../../session/protocol.js';
import { statedMcubootVersion } from './codec.js';
import type { Variant } from './messages.js';

const MCUBOOT_FORMAT = 'mcuboot';
export const TI_FORMATS: readonly string[] = [
  TI_OAD_FORMAT,
  TI_OAD_ON_CHIP_FORMAT,
  TI_OAD_OFF_CHIP_FORMAT,
  MCUBOOT_FORMAT,
  TI_MCUBOOT_SLOT_FORMAT,
];

const FORMATS_OF: Readonly<Record<Variant, readonly string[]>> = {
  'classic-on-chip': [TI_OAD_ON_CHIP_FORMAT],
  'classic-off-chip': [TI_OAD_OFF_CHIP_FORMAT],
  enhanced: [TI_OAD_FORMAT],
  mcuboot: [MCUBOOT_FORMAT, TI_MCUBOOT_SLOT_FORMAT],
  // What is behind it shows only in the persistent application.
  'reset-service': [TI_OAD_FORMAT, MCUBOOT_FORMAT],
};

const KIND_NAMES: Readonly<Record<Variant, string>> = {
  'classic-on-chip': 'TI OAD target with two areas (CC254x, CC26x0)',
  'classic-off-chip': 'TI OAD target with external flash (CC26x0)',
  enhanced: 'TI OAD target with TI header (CC2640R2, CC13xx, CC26xx)',
  mcuboot: 'TI OAD target with MCUboot (CC23xx, CC27xx)',
  'reset-service': 'TI OAD target with a persistent application',
};

/** chipFamily of the device-type answer for which TI's image ids are made; ids of products are judged by the target. */
const FAMILIES_OF_ID: Readonly<Record<string, readonly number[]>> = {
  CC26x2R1: [2, 4],
  CC13x2R1: [2, 4],
  'OAD IMG ': [3],
};
/** Newer families state numbers that no document at hand names; these four are certainly not theirs. */
const OLDER_FAMILIES: ReadonlySet<number> = new Set([0, 1, 2, 3, 4]);
const NEWER_IDS: ReadonlySet<string> = new Set(['CC13x4  ', 'CC26x3  ', 'CC26x4  ']);

export const variantOf = (found: Identification): Variant | undefined =>
  found.hardware['variant'] as Variant | undefined;

/** On-chip images replace the application in the same flash, out of a persistent application. */
export const isOnChip = (found: Identification): boolean =>
  found.mode === 'bootloader' || variantOf(found) === 'reset-service';

export function fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult {
  const variant = variantOf(found);
  if (!variant) return no('target.wrong-kind', { expected: 'TI OAD target', detail: 'it offers no way to update it' });
  // The first SensorTag 2 firmware is an off-chip target with the two characteristics of an on-chip one.
  const formats =
    variant === 'classic-on-chip' && found.hardware['area'] === undefined
      ? [...FORMATS_OF[variant], TI_OAD_OFF_CHIP_FORMAT]
      : FORMATS_OF[variant];
  if (!formats.includes(artifact.format)) {
    return no('artifact.wrong-model', {
      actual: `a target of ${artifact.format} files`,
      expected: `a ${KIND_NAMES[variant]}`,
    });
  }
  const misfit = wrongHardware(found, artifact);
  if (misfit) return misfit;
  const version = artifact.images[0]?.version;
  const running = (found.running[0] ?? found.installed?.[0])?.version;
  if (!options.allowDowngrade && statesFileVersion(found) && isOlder(spelled(version, variant), running)) {
    return no('artifact.downgrade', { actual: version ?? '', expected: running ?? '' });
  }
  return { fits: true };
}

function wrongHardware(found: Identification, artifact: ArtifactDescription): FitResult | undefined {
  const area = found.hardware['area'];
  // Who runs this very image has it in the area that it is linked for: that is no misfit, the update finds it done.
  const runsIt = found.running[0] !== undefined && found.running[0].version === artifact.images[0]?.version;
  if (area !== undefined && artifact.hardware['area'] !== area && !runsIt) {
    return no('artifact.requires', {
      expected: `a device that runs area ${area === 'A' ? 'B' : 'A'} (the file is linked for area ${area})`,
      actual: `area ${area}`,
    });
  }
  const type = artifact.hardware['imageType'];
  if (artifact.format === TI_OAD_FORMAT && isOnChip(found) && type === ImageType.Merged) {
    return no('artifact.wrong-hardware', {
      actual: 'with external flash (image type 3, application and stack merged)',
      expected: 'an on-chip layout, which takes types 1, 2 and 7',
    });
  }
  const id = artifact.hardware['imageId'];
  const family = found.hardware['chipFamily'];
  if (typeof id === 'string' && typeof family === 'number') {
    const families = FAMILIES_OF_ID[id];
    if (families ? !families.includes(family) : NEWER_IDS.has(id) && OLDER_FAMILIES.has(family)) {
      return no('artifact.wrong-hardware', { actual: `of image id "${id}"`, expected: `chip family ${family}` });
    }
  }
  return undefined;
}

/** Whether what such a unit states as its version is the version in the file. */
export function statesFileVersion(found: Identification): boolean {
  const variant = variantOf(found);
  return (
    variant === 'enhanced' ||
    variant === 'mcuboot' ||
    (variant === 'classic-on-chip' && found.hardware['area'] !== undefined)
  );
}

/** How the unit will spell the version of the file while it runs; undefined when only a person can know. */
export function statedVersion(found: Identification, artifact: ArtifactDescription): string | undefined {
  return statesFileVersion(found) ? spelled(artifact.images[0]?.version, variantOf(found)) : undefined;
}

const spelled = (version: string | undefined, variant: Variant | undefined): string | undefined =>
  version !== undefined && variant === 'mcuboot' ? statedMcubootVersion(version) : version;

/**
 * TI's software version is opaque by its documents; four ASCII digits are the convention and are compared, anything else
 * is not called older.
 */
export function isOlder(version: string | undefined, than: string | undefined): boolean {
  const left = numbersOf(version);
  const right = numbersOf(than);
  if (!left || !right) return false;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbersOf(version: string | undefined): number[] | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,10})\.(\d{1,10})(?:\+(\d{1,10}))?)?$/.exec(version ?? '');
  return match ? match.slice(1).map((part) => Number(part ?? 0)) : undefined;
}

function no(code: ErrorCode, params: ErrorParams): FitResult {
  return { fits: false, code, params };
}
