/** Which images of an artifact a unit is to run: one per image number, and where images run in place the one for the free slot. */
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription, ImageDescription } from '../../image/description.js';
import { mcubootSourceName } from '../../image/mcuboot/file.js';
import { MAX_IMAGE_FILE_BYTES } from '../../image/mcuboot/format.js';
import type { ImageState } from './messages.js';
import { activeImage, APPLICATION_IMAGE } from './slots.js';

export interface WantedImage {
  readonly image: number;
  /** The slot it is linked for, where that matters. */
  readonly slot?: number;
  /** As the unit will name it, lower-case hex. */
  readonly hash: string;
  /** Name of its bytes for the `read` effect. */
  readonly source: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * @returns every image of the artifact, by number.
 * @throws ArtifactError when one has no hash by which a unit could name it, or no size that can be.
 */
export function imagesOf(artifact: ArtifactDescription): readonly WantedImage[] {
  if (artifact.images.length === 0) throw unnamed('it has no images');
  return artifact.images.map(wantedOf).sort((a, b) => a.image - b.image);
}

function wantedOf({ image, slot, runningHash, sizeBytes, sha256 }: ImageDescription): WantedImage {
  if (runningHash === undefined || !/^([0-9a-f]{2}){32,64}$/.test(runningHash)) {
    throw unnamed('the description names no image hash to look for');
  }
  if (sizeBytes > MAX_IMAGE_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'image size', actual: sizeBytes, limit: MAX_IMAGE_FILE_BYTES });
  }
  const place = slot === undefined ? { image } : { image, slot };
  return { ...place, hash: runningHash, source: mcubootSourceName(place), sizeBytes, sha256 };
}

function unnamed(detail: string): ArtifactError {
  return new ArtifactError('artifact.malformed', { field: 'runningHash', offset: 0, detail });
}

/**
 * One image for each number: what runs already, else the one linked for the slot that does not run.
 * @throws ArtifactError `artifact.unsupported` when the file for that slot is missing.
 */
export function chooseImages(
  artifact: ArtifactDescription,
  images: readonly ImageState[] | undefined,
): readonly WantedImage[] {
  const all = imagesOf(artifact);
  return [...new Set(all.map(({ image }) => image))].map((image) => {
    const candidates = all.filter((each) => each.image === image);
    const active = activeImage(images, image);
    const runs = candidates.find(({ hash }) => hash === active?.hash);
    if (runs) return runs;
    const free = active ? 1 - (active.slot % 2) : 1;
    const chosen = candidates.find(({ slot }) => slot === undefined || slot === free);
    if (chosen) return chosen;
    const detail = `slot ${1 - free} of image ${image} runs, and no file is linked for slot ${free}`;
    throw new ArtifactError('artifact.unsupported', { detail });
  });
}

/** What goes to the primary slot, when a unit is updated through serial recovery: of image 0 only. */
export function imageForRecovery(artifact: ArtifactDescription): WantedImage {
  const candidates = imagesOf(artifact).filter(({ image }) => image === APPLICATION_IMAGE);
  const found = candidates.find(({ slot }) => slot === undefined || slot === 0);
  if (found) return found;
  throw new ArtifactError('artifact.unsupported', { detail: 'it has no application image for the primary slot' });
}
