/**
 * P1, the one rule of what counts as proof: the server looks with it at what agents call proven, and a person's update by
 * hand ends by it.
 */
import type { IdentityFact, RunningImageFact } from './wire/device-facts.js';

/** What of the artifact can prove that it runs. */
export interface ArtifactProof {
  readonly images: readonly { readonly image: number; readonly runningHash?: string }[];
  /** What the running application calls itself. */
  readonly runningVersion: string | null;
  /** No other artifact of the model carries that version. */
  readonly versionProves: boolean;
}

export interface ProofClaim {
  readonly touched: boolean;
  readonly identity?: IdentityFact | undefined;
  readonly before?: readonly RunningImageFact[] | null | undefined;
  readonly after?: readonly RunningImageFact[] | null | undefined;
}

/**
 * @returns undefined when the claim holds; otherwise why the result is only `unproven`.
 */
export function whyUnproven(claim: ProofClaim, artifact: ArtifactProof, device: IdentityFact): string | undefined {
  if (!claim.touched) return 'did-not-see-it-leave';
  if (!claim.identity) return 'identity-not-readable';
  if (claim.identity.kind !== device.kind || claim.identity.value !== device.value) return 'identity-differs';
  return whyNotRunning(claim.before ?? [], claim.after ?? [], artifact);
}

/** Whether `after` names every image of the artifact, and by something that can only mean this artifact. */
export function whyNotRunning(
  before: readonly RunningImageFact[],
  after: readonly RunningImageFact[],
  artifact: ArtifactProof,
): string | undefined {
  if (after.length === 0 || artifact.images.length === 0) return 'image-not-readable';
  const byVersion: ArtifactProof['images'][number][] = [];
  for (const image of artifact.images) {
    const seen = after.find((running) => running.image === image.image);
    if (!seen) return 'image-not-readable';
    if (seen.confirmed === false) return 'not-confirmed';
    if (isNamedByVersion(image, seen, before, artifact)) byVersion.push(image);
    else if (seen.hash === undefined) return 'image-not-readable';
    else if (!hashesOf(artifact, image.image).has(seen.hash)) return 'image-differs';
  }
  if (byVersion.length === 0) return undefined;
  // One version string names one image; further images that only a version could name were not read.
  if (byVersion.length > 1) return 'image-not-readable';
  const number = byVersion[0]!.image;
  const version = after.find((running) => running.image === number)?.version;
  const previous = before.find((running) => running.image === number)?.version;
  if (version === undefined || artifact.runningVersion === null) return 'version-not-readable';
  if (version !== artifact.runningVersion) return 'image-differs';
  if (previous === undefined) return 'version-not-readable';
  if (previous === version) return 'version-unchanged';
  if (!artifact.versionProves) return 'version-ambiguous';
  return undefined;
}

/**
 * A file may know the hash of its image while the device states versions only (an MCUboot image over TI OAD); then the
 * version names it, where a person has said what it is. A device that stated a hash before can state one now.
 */
function isNamedByVersion(
  image: ArtifactProof['images'][number],
  seen: RunningImageFact,
  before: readonly RunningImageFact[],
  artifact: ArtifactProof,
): boolean {
  if (image.runningHash === undefined) return true;
  if (before.some((running) => running.image === image.image && running.hash !== undefined)) return false;
  return seen.hash === undefined && seen.version !== undefined && artifact.runningVersion !== null;
}

/** Whether any device could ever be proven to run this artifact. */
export function canBeProven(artifact: ArtifactProof): boolean {
  const byVersion = artifact.images.filter((image) => image.runningHash === undefined);
  if (artifact.images.length === 0 || byVersion.length > 1) return false;
  return byVersion.length === 0 || (artifact.runningVersion !== null && artifact.versionProves);
}

/**
 * Whether what was read later still is, or already is, the artifact.
 * `other`: an image is there that is certainly not the artifact's. `unknown`: it cannot be told.
 */
export function compareRunning(
  running: readonly RunningImageFact[],
  artifact: ArtifactProof,
): 'same-by-hash' | 'same-by-version' | 'other' | 'unknown' {
  let hashes = 0;
  let unknown = artifact.images.length === 0;
  for (const image of artifact.images) {
    const seen = running.find((candidate) => candidate.image === image.image);
    if (image.runningHash !== undefined && !(seen && isNamedByVersion(image, seen, [], artifact))) {
      if (seen?.hash === undefined) unknown = true;
      else if (!hashesOf(artifact, image.image).has(seen.hash)) return 'other';
      else hashes++;
    } else if (seen?.version === undefined || artifact.runningVersion === null) {
      unknown = true;
    } else if (image.image === 0 && seen.version !== artifact.runningVersion) {
      return 'other';
    }
  }
  if (unknown) return 'unknown';
  return hashes === artifact.images.length ? 'same-by-hash' : 'same-by-version';
}

/** Several files for one image are the same firmware for different slots: any of them is the artifact. */
function hashesOf(artifact: ArtifactProof, image: number): ReadonlySet<string | undefined> {
  return new Set(artifact.images.filter((each) => each.image === image).map(({ runningHash }) => runningHash));
}

/** The images of a stored artifact description, as far as proofs need them. */
export function provableImages(description: unknown): ArtifactProof['images'] {
  const images = (description as { images?: unknown } | null)?.images;
  if (!Array.isArray(images)) return [];
  return images.map((image: { image?: unknown; runningHash?: unknown }) => ({
    image: Number(image.image ?? 0),
    ...(typeof image.runningHash === 'string' && { runningHash: image.runningHash }),
  }));
}
