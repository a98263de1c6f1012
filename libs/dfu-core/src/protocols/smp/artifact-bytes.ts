/** The bytes of one image, through the driver: read by ranges, and never held as a whole. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import type { SmpClient, Step } from './client.js';
import type { WantedImage } from './wanted.js';

/** What is held at once: more than any target's buffers, little for a gateway. */
const BLOCK_BYTES = 32 * 1024;

export class ImageReader {
  #held: Uint8Array = new Uint8Array();
  #heldAt = 0;

  constructor(
    readonly client: SmpClient,
    readonly wanted: WantedImage,
  ) {}

  get length(): number {
    return this.wanted.sizeBytes;
  }

  /**
   * Reads all of it once, for nothing may be changed on the unit before the digest holds.
   * @throws ArtifactError `artifact.digest`; DrydockError when the driver does not have the bytes.
   */
  *verify(): Step<void> {
    const hash = sha256.create();
    for (let at = 0; at < this.length; at += BLOCK_BYTES) {
      hash.update(yield* this.read(at, Math.min(BLOCK_BYTES, this.length - at)));
    }
    if (toHex(hash.digest()) !== this.wanted.sha256) {
      throw new ArtifactError('artifact.digest', { field: this.wanted.source });
    }
  }

  /** Any range, at any time: the target may want bytes again. */
  *read(offset: number, length: number): Step<Uint8Array> {
    const from = offset - this.#heldAt;
    if (from >= 0 && from + length <= this.#held.length) return this.#held.subarray(from, from + length);
    const ahead = Math.min(Math.max(BLOCK_BYTES, length), this.length - offset);
    this.#held = yield* this.client.readArtifact(offset, ahead, this.wanted.source);
    this.#heldAt = offset;
    return this.#held.subarray(0, length);
  }
}
