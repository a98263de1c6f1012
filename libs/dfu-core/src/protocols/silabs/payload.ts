/**
 * The bytes of one file as the session reads them: checked as a whole before the device is touched, and again piece by
 * piece as they leave.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import type { ImageDescription } from '../../image/description.js';
import type { Session } from '../../session/session.js';
import type { Talk } from './talk.js';

const READ_MS = 30_000;
const PIECE_BYTES = 16 * 1024;

export class Payload {
  /** Of each piece, as it was when the whole was checked. */
  readonly #checksums: number[] = [];
  #piece: { readonly index: number; readonly bytes: Uint8Array } | undefined;

  private constructor(readonly image: ImageDescription) {}

  get sizeBytes(): number {
    return this.image.sizeBytes;
  }

  get #source(): string {
    return `image:${this.image.image}`;
  }

  /** @throws ArtifactError `artifact.digest` when the bytes are not what was described. */
  static *open(talk: Talk, image: ImageDescription): Session<Payload> {
    const payload = new Payload(image);
    const hash = sha256.create();
    for (let offset = 0; offset < image.sizeBytes; offset += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, image.sizeBytes - offset);
      const bytes = yield* talk.read(payload.#source, offset, length, READ_MS);
      hash.update(bytes);
      payload.#checksums.push(crc32(bytes));
    }
    if (toHex(hash.digest()) !== image.sha256) throw new ArtifactError('artifact.digest', { field: payload.#source });
    return payload;
  }

  /**
   * @returns `length` bytes from `offset` on, fewer at the end.
   * @throws ArtifactError `artifact.digest` when the bytes changed since they were checked.
   */
  *read(talk: Talk, offset: number, length: number): Session<Uint8Array> {
    const end = Math.min(offset + length, this.sizeBytes);
    const bytes = new Uint8Array(end - offset);
    for (let at = offset; at < end;) {
      const index = Math.floor(at / PIECE_BYTES);
      const piece = yield* this.#pieceAt(talk, index);
      const from = at - index * PIECE_BYTES;
      const part = piece.subarray(from, Math.min(piece.length, from + end - at));
      bytes.set(part, at - offset);
      at += part.length;
    }
    return bytes;
  }

  *#pieceAt(talk: Talk, index: number): Session<Uint8Array> {
    if (this.#piece?.index === index) return this.#piece.bytes;
    const offset = index * PIECE_BYTES;
    const length = Math.min(PIECE_BYTES, this.sizeBytes - offset);
    const bytes = yield* talk.read(this.#source, offset, length, READ_MS);
    if (crc32(bytes) !== this.#checksums[index]) throw new ArtifactError('artifact.digest', { field: this.#source });
    this.#piece = { index, bytes };
    return bytes;
  }
}
