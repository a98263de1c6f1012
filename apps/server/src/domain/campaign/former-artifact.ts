/** What a device ran before an update, among the artifacts that are stored. */
import { type RunningImageFact, compareRunning, type ArtifactProof } from '@drydock/contracts';

export interface FormerCandidate extends ArtifactProof {
  readonly id: string;
  /** What it calls itself where nobody said what its application does. */
  readonly version: string;
}

/**
 * By hash where the device named one; a version decides only where it did not, and only where no other artifact of the
 * model carries it.
 * @returns the one that ran; undefined when none is stored or it cannot be told.
 */
export function formerArtifact<T extends FormerCandidate>(
  before: readonly RunningImageFact[],
  stored: readonly T[],
): T | undefined {
  if (before.length === 0) return undefined;
  const byHash = stored.filter((artifact) => compareRunning(before, artifact) === 'same-by-hash');
  if (byHash.length > 0) return byHash.length === 1 ? byHash[0] : undefined;
  const main = before.find((image) => image.image === 0) ?? before[0]!;
  if (main.version === undefined) return undefined;
  const byVersion = stored.filter(
    (artifact) =>
      (artifact.runningVersion ?? artifact.version) === main.version &&
      // It named a hash, and that is not the artifact's.
      !(main.hash !== undefined && artifact.images.some((image) => image.runningHash !== undefined)),
  );
  return byVersion.length === 1 ? byVersion[0] : undefined;
}
