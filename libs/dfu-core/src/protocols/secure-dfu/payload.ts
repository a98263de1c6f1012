/**
 * The bytes of one image as the session reads them: checked as a whole before the device is touched, and again piece by
 * piece as they leave.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import type { ImageDescription } from '../../image/description.js';
import { decodeInitPacket } from '../../image/nordic/init-packet.js';
import type { Session } from '../../session/session.js';
import type { Conversation } from './conversation.js';

const READ_MS = 30_000;
const READ_BYTES = 64 * 1024;
/** Checksums are kept at every so many bytes. */
const GRAIN_BYTES = 4096;

export class Payload {
  readonly #checksums: number[] = [0];

  private constructor(
    readonly image: ImageDescription,
    readonly initPacket: Uint8Array,
  ) {}

  get sizeBytes(): number {
    return this.image.sizeBytes;
  }

  /**
   * Reads init packet and image once and compares them with the description.
   * @throws ArtifactError `artifact.digest` when the bytes are not what was described; as `decodeInitPacket`.
   */
  static *open(talk: Conversation, image: ImageDescription): Session<Payload> {
    const initPacket = yield* talk.read(`init:${image.image}`, 0, image.initPacketBytes ?? 0, READ_MS);
    const { init } = decodeInitPacket(initPacket, `init packet of ${image.kind}`);
    const payload = new Payload(image, initPacket);
    const hash = sha256.create();
    let crc = 0;
    for (let offset = 0; offset < image.sizeBytes; offset += READ_BYTES) {
      const length = Math.min(READ_BYTES, image.sizeBytes - offset);
      const bytes = yield* talk.read(payload.#source, offset, length, READ_MS);
      hash.update(bytes);
      for (let at = 0; at < length; at += GRAIN_BYTES) {
        crc = crc32(bytes.subarray(at, at + GRAIN_BYTES), crc);
        payload.#checksums.push(crc);
      }
    }
    const digest = toHex(hash.digest());
    if (digest !== image.sha256) throw new ArtifactError('artifact.digest', { field: payload.#source });
    if (digest !== toHex(init.sha256)) throw new ArtifactError('artifact.digest', { field: `init:${image.image}` });
    return payload;
  }

  get #source(): string {
    return `image:${this.image.image}`;
  }

  /** @throws ArtifactError `artifact.digest` when the bytes changed since they were checked. */
  *read(talk: Conversation, offset: number, length: number): Session<Uint8Array> {
    const from = offset - (offset % GRAIN_BYTES);
    const to = Math.min(Math.ceil((offset + length) / GRAIN_BYTES) * GRAIN_BYTES, this.sizeBytes);
    const bytes = yield* talk.read(this.#source, from, to - from, READ_MS);
    if (crc32(bytes, this.#checksums[from / GRAIN_BYTES]) !== this.#checksums[Math.ceil(to / GRAIN_BYTES)]) {
      throw new ArtifactError('artifact.digest', { field: this.#source });
    }
    return bytes.subarray(offset - from, offset - from + length);
  }

  /** CRC-32 of the first `length` bytes, as the target computes it. */
  *checksum(talk: Conversation, length: number): Session<number> {
    const known = Math.floor(length / GRAIN_BYTES);
    const rest = length % GRAIN_BYTES;
    if (length === this.sizeBytes) return this.#checksums.at(-1)!;
    const crc = this.#checksums[known]!;
    if (rest === 0) return crc;
    return crc32(yield* this.read(talk, known * GRAIN_BYTES, rest), crc);
  }
}
