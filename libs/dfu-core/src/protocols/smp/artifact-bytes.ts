/** The bytes of the artifact, through the driver. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { MAX_IMAGE_FILE_BYTES } from '../../image/mcuboot/format.js';
import type { SmpClient, Step } from './client.js';
import { applicationImageOf } from './fit.js';
import { APPLICATION_IMAGE } from './slots.js';

/** Name of the image's bytes for the `read` effect. */
export const IMAGE_SOURCE = `image:${APPLICATION_IMAGE}`;

const READ_BLOCK_BYTES = 64 * 1024;

/**
 * The whole file: the target may ask for any of its bytes at any time, and nothing may be changed on the unit before
 * the digest holds.
 * @throws ArtifactError `artifact.limit`, `artifact.digest`; DrydockError when the driver does not have the bytes.
 */
export function* readImageFile(client: SmpClient, artifact: ArtifactDescription): Step<Uint8Array> {
  const { sizeBytes, sha256: digest } = applicationImageOf(artifact) ?? { sizeBytes: 0, sha256: '' };
  if (sizeBytes > MAX_IMAGE_FILE_BYTES) {
    throw new ArtifactError('artifact.limit', { field: 'image size', actual: sizeBytes, limit: MAX_IMAGE_FILE_BYTES });
  }
  const file = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += READ_BLOCK_BYTES) {
    const length = Math.min(READ_BLOCK_BYTES, sizeBytes - at);
    file.set(yield* client.readArtifact(at, length, IMAGE_SOURCE), at);
  }
  if (toHex(sha256(file)) !== digest) throw new ArtifactError('artifact.digest', { field: IMAGE_SOURCE });
  return file;
}
