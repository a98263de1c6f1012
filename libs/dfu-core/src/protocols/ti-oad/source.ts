/**
 * The bytes of the image, from a source that may be slower than the device wants.
 *
 * An enhanced target drops an update silently when 10 s pass without a block, nothing but a block restarts its timer, and
 * it cannot resume. So the image is read once before the device is touched, which checks it and refuses a source that is
 * too slow to begin; then a reserve is kept ahead of the device. When the source stalls, the reserve is handed out ever
 * more slowly, each gap far below the limit, instead of being drained at full speed.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `oad.h` (OAD_DEFAULT_INACTIVITY_TIME).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import type { ImageDescription } from '../../image/description.js';
import type { Session } from '../../session/session.js';
import type { Conversation } from './conversation.js';
import { sourceTooSlow } from './errors.js';

export const RESERVE_BYTES = 64 * 1024;
/** Checked again one by one as they go to the device. */
const PIECE_BYTES = 4096;
/** A source that needs longer for one piece cannot feed the slowest stream that a device accepts. */
const BEGIN_MS = 4_000;
/** With bytes in reserve: how long a block waits for the source before it is sent from the reserve. */
const PATIENT_MS = 250;
const THROTTLED_MS = 4_000;
/** Nothing is left: below the 10 s of the device with what the answer before took. */
const LAST_MS = 6_000;
/** Below this the reserve is stretched. */
const LOW_BYTES = 16 * 1024;

export class SteadySource {
  readonly #checksums: number[] = [];
  #reserve: Uint8Array[] = [];
  /** Of the image: where the reserve begins and ends; multiples of a piece, or the end of the image. */
  #from = 0;
  #to = 0;

  private constructor(private readonly image: ImageDescription) {}

  get sizeBytes(): number {
    return this.image.sizeBytes;
  }

  /**
   * Reads the image once and compares it with its description.
   * @returns the source, with its reserve filled from the first byte on.
   * @throws ArtifactError `artifact.digest`; DrydockError `gateway.download` when the source is too slow to begin.
   */
  static *open(talk: Conversation, image: ImageDescription): Session<SteadySource> {
    const source = new SteadySource(image);
    const hash = sha256.create();
    for (let offset = 0; offset < image.sizeBytes; offset += PIECE_BYTES) {
      const bytes = yield* talk.tryRead(source.#name, offset, source.#pieceAt(offset), BEGIN_MS);
      if (!bytes) throw sourceTooSlow(offset, BEGIN_MS);
      hash.update(bytes);
      source.#checksums.push(crc32(bytes));
      if (source.#to < RESERVE_BYTES) source.#keep(bytes);
    }
    if (toHex(hash.digest()) !== image.sha256) throw new ArtifactError('artifact.digest', { field: source.#name });
    return source;
  }

  /** Back to the first byte, for another try: the reserve is filled before the device is asked for anything. */
  *rewind(talk: Conversation): Session<void> {
    if (this.#from > 0) {
      this.#reserve = [];
      this.#from = 0;
      this.#to = 0;
    }
    while (this.#to < Math.min(RESERVE_BYTES, this.sizeBytes)) {
      if (!(yield* this.#fetch(talk, BEGIN_MS))) throw sourceTooSlow(this.#to, BEGIN_MS);
    }
  }

  /** Bytes from here on are taken once more: the target asks for a block again. */
  back(offset: number): void {
    if (offset >= this.#from) return;
    this.#reserve = [];
    this.#from = offset - (offset % PIECE_BYTES);
    this.#to = this.#from;
  }

  /**
   * The next bytes, in order; what lies before them is forgotten.
   * @throws DrydockError `gateway.download` when neither reserve nor source have them in time.
   */
  *take(talk: Conversation, offset: number, length: number): Session<Uint8Array> {
    while (this.#from + (this.#reserve[0]?.length ?? PIECE_BYTES) <= offset && this.#reserve.length > 0) {
      this.#from += this.#reserve.shift()!.length;
    }
    const end = offset + length;
    const ahead = this.#to - end;
    // One piece each time is more than a block takes, so the reserve grows back after a stall.
    if (this.#to < this.sizeBytes && ahead < RESERVE_BYTES - PIECE_BYTES) {
      yield* this.#fetch(talk, ahead < LOW_BYTES && ahead >= 0 ? THROTTLED_MS : PATIENT_MS);
    }
    while (this.#to < end) {
      if (!(yield* this.#fetch(talk, LAST_MS))) throw sourceTooSlow(this.#to, LAST_MS);
    }
    return this.#slice(offset, end);
  }

  get #name(): string {
    return `image:${this.image.image}`;
  }

  #pieceAt(offset: number): number {
    return Math.min(PIECE_BYTES, this.sizeBytes - offset);
  }

  #keep(bytes: Uint8Array): void {
    this.#reserve.push(bytes);
    this.#to += bytes.length;
  }

  /** @returns false when the source did not deliver in time. @throws ArtifactError when the bytes changed meanwhile. */
  *#fetch(talk: Conversation, withinMs: number): Session<boolean> {
    const at = this.#to;
    const bytes = yield* talk.tryRead(this.#name, at, this.#pieceAt(at), withinMs);
    if (!bytes) return false;
    if (crc32(bytes) !== this.#checksums[at / PIECE_BYTES]) {
      throw new ArtifactError('artifact.digest', { field: this.#name });
    }
    this.#keep(bytes);
    return true;
  }

  #slice(offset: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - offset);
    let at = this.#from;
    for (const piece of this.#reserve) {
      const from = Math.max(offset, at);
      const to = Math.min(end, at + piece.length);
      if (from < to) bytes.set(piece.subarray(from - at, to - at), from - offset);
      at += piece.length;
      if (at >= end) break;
    }
    return bytes;
  }
}
