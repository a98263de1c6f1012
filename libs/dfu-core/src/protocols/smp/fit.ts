/** Whether an artifact may go to a unit: format, way of booting, size, version, what its images need of each other. */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import type { ArtifactDescription, ImageDescription } from '../../image/description.js';
import { isSameBoard } from '../../image/mcuboot/board.js';
import { MCUBOOT_FORMATS } from '../../image/mcuboot/file.js';
import { compareMcubootVersions, parseMcubootVersion } from '../../image/mcuboot/format.js';
import type { FitResult, Identification } from '../../session/protocol.js';
import { BootMode } from './messages.js';
import { APPLICATION_IMAGE, startsHigherVersion } from './slots.js';

export const ARTIFACT_FORMATS: readonly string[] = MCUBOOT_FORMATS;

/** Name of the hardware fact that tells the room for an image. */
export function roomFact(image: number): string {
  return image === APPLICATION_IMAGE ? 'maxImageBytes' : `maxImageBytes${image}`;
}

const no = (code: ErrorCode, params: ErrorParams): FitResult => ({ fits: false, code, params });

/**
 * A version that is older than what runs is refused unless `allowDowngrade`; so is one that the bootloader would throw
 * away (`noDowngrade`) or never start (it starts the higher of two), whatever is allowed.
 */
export function fitArtifact(
  found: Identification,
  artifact: ArtifactDescription,
  options: { allowDowngrade: boolean },
): FitResult {
  if (!ARTIFACT_FORMATS.includes(artifact.format) || artifact.images.some(({ runningHash }) => !runningHash)) {
    return no('artifact.wrong-hardware', { actual: artifact.format, expected: ARTIFACT_FORMATS.join(', ') });
  }
  const misfit = hardwareRefusal(found, artifact);
  if (misfit) return misfit;
  for (const image of artifact.images) {
    const refusal = refusalOf(image, found, artifact, options.allowDowngrade);
    if (refusal) return refusal;
  }
  return { fits: true };
}

/** A device need not say what board it is; one that does must be the file's. */
function hardwareRefusal(found: Identification, { hardware }: ArtifactDescription): FitResult | undefined {
  for (const [fact, value] of Object.entries(hardware)) {
    const stated = found.hardware[fact === 'board' ? 'platform' : fact];
    const fits =
      fact === 'board' ? stated === undefined || isSameBoard(String(value), String(stated)) : stated === value;
    if (fits) continue;
    const params = { actual: `${fact} ${value}`, expected: `${fact} ${stated ?? 'unknown'}`, field: fact };
    return no('artifact.wrong-hardware', params);
  }
  return undefined;
}

function refusalOf(
  image: ImageDescription,
  found: Identification,
  artifact: ArtifactDescription,
  allowDowngrade: boolean,
): FitResult | undefined {
  const limit = found.hardware[roomFact(image.image)];
  if (typeof limit === 'number' && image.sizeBytes > limit) {
    return no('artifact.limit', { field: 'image size', actual: image.sizeBytes, limit });
  }
  return (
    inPlaceRefusal(image, found) ??
    versionRefusal(image, found, artifact, allowDowngrade) ??
    needs(image, found, artifact)
  );
}

/** Images that run in place are linked for one slot; bootloaders that move images want one for either. */
function inPlaceRefusal({ slot, padded }: ImageDescription, found: Identification): FitResult | undefined {
  const mode = found.hardware['bootloaderMode'];
  if (typeof mode !== 'number' || mode === BootMode.Unknown) return undefined;
  if (slot !== undefined && !startsHigherVersion(mode)) {
    return no('artifact.wrong-hardware', { actual: `images that run in slot ${slot}`, expected: bootModeText(mode) });
  }
  if (padded && mode !== BootMode.DirectXipRevert && mode !== BootMode.RamLoad) {
    return no('artifact.wrong-hardware', { actual: 'an image padded to its slot', expected: bootModeText(mode) });
  }
  return undefined;
}

const bootModeText = (mode: number): string =>
  `a bootloader of mode ${mode} (${Object.entries(BootMode).find(([, value]) => value === mode)?.[0] ?? 'unknown'})`;

function versionRefusal(
  image: ImageDescription,
  found: Identification,
  artifact: ArtifactDescription,
  allowDowngrade: boolean,
): FitResult | undefined {
  const running = runningImage(found, image.image);
  const isSame = artifact.images.some(
    ({ image: index, runningHash }) => index === image.image && runningHash === running?.hash,
  );
  const order = orderOf(image.version, running?.version);
  if (isSame || order === undefined || order > 0) return undefined;
  const mode = found.hardware['bootloaderMode'];
  const startsHigher = typeof mode === 'number' && startsHigherVersion(mode) && found.mode === 'application';
  if (order < 0 && (!allowDowngrade || startsHigher || found.hardware['noDowngrade'] === 1)) {
    return no('artifact.downgrade', { actual: image.version ?? '?', expected: running?.version ?? '?' });
  }
  if (order === 0 && startsHigher) {
    const detail = `the bootloader starts the higher of two versions, and ${running?.version ?? 'it'} already runs`;
    return no('artifact.unsupported', { detail });
  }
  return undefined;
}

/** Known and too old is refused; what cannot be read is left to the bootloader, which looks before it swaps. */
function needs(image: ImageDescription, found: Identification, artifact: ArtifactDescription): FitResult | undefined {
  for (const { image: index, minimum } of image.dependencies ?? []) {
    const brought = artifact.images.find((other) => other.image === index)?.version;
    const version = brought ?? runningImage(found, index)?.version;
    const order = orderOf(version, minimum);
    if (order !== undefined && order < 0) {
      return no('artifact.requires', { expected: `image ${index} at ${minimum} or later`, actual: version ?? '?' });
    }
  }
  return undefined;
}

/** A bootloader tells what it would start; beside a running application, what lies in other slots says nothing. */
function runningImage(found: Identification, image: number) {
  const told = found.mode === 'bootloader' ? (found.installed ?? []) : found.running;
  return told.find((entry) => entry.image === image);
}

/** @returns negative when `a` is older; undefined when one of them cannot be read. */
function orderOf(a: string | undefined, b: string | undefined): number | undefined {
  const [first, second] = [a, b].map((text) => (text === undefined ? undefined : parseMcubootVersion(text)));
  return first && second ? compareMcubootVersions(first, second) : undefined;
}
