/** Whether an artifact may go to a unit: format, size, version. */
import { compareMcubootVersions, parseMcubootVersion } from '../../image/mcuboot/format.js';
import type { ArtifactDescription } from '../../image/description.js';
import type { FitResult, Identification } from '../../session/protocol.js';
import { APPLICATION_IMAGE } from './slots.js';

export const ARTIFACT_FORMATS: readonly string[] = ['mcuboot'];

/** The file's image for slot 0/1 of the application. */
export function applicationImageOf(artifact: ArtifactDescription) {
  return artifact.images.find(({ image }) => image === APPLICATION_IMAGE);
}

/**
 * A version that is older than what runs is refused unless `allowDowngrade`; so is one the bootloader would throw
 * away (`noDowngrade`), whatever is allowed.
 */
export function fitArtifact(
  found: Identification,
  artifact: ArtifactDescription,
  options: { allowDowngrade: boolean },
): FitResult {
  const image = applicationImageOf(artifact);
  if (!ARTIFACT_FORMATS.includes(artifact.format) || !image?.runningHash) {
    const params = { actual: artifact.format, expected: ARTIFACT_FORMATS.join(', ') };
    return { fits: false, code: 'artifact.wrong-hardware', params };
  }
  for (const [fact, value] of Object.entries(artifact.hardware)) {
    if (found.hardware[fact] !== value) {
      const params = { actual: `${fact} ${value}`, expected: `${fact} ${found.hardware[fact] ?? 'unknown'}` };
      return { fits: false, code: 'artifact.wrong-hardware', params };
    }
  }
  const limit = found.hardware['maxImageBytes'];
  if (typeof limit === 'number' && image.sizeBytes > limit) {
    return { fits: false, code: 'artifact.limit', params: { field: 'image size', actual: image.sizeBytes, limit } };
  }
  const running = [...found.running, ...(found.installed ?? [])].find((entry) => entry.image === APPLICATION_IMAGE);
  const runningVersion = running?.version === undefined ? undefined : parseMcubootVersion(running.version);
  const fileVersion = image.version === undefined ? undefined : parseMcubootVersion(image.version);
  const isOlder = runningVersion && fileVersion && compareMcubootVersions(fileVersion, runningVersion) < 0;
  if (isOlder && (!options.allowDowngrade || found.hardware['noDowngrade'] === 1)) {
    const params = { actual: image.version ?? '?', expected: running?.version ?? '?' };
    return { fits: false, code: 'artifact.downgrade', params };
  }
  return { fits: true };
}
