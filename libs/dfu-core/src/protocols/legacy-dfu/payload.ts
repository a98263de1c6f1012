/**
 * The bytes of one image as the session reads them: checked as a whole before the device is touched, and again piece by
 * piece as they leave.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../../bytes/hex.js';
import { ArtifactError } from '../../errors.js';
import { crc16CcittFalse } from '../../framing/crc16-ccitt-false.js';
import { crc32 } from '../../framing/crc32.js';
import type { ImageDescription } from '../../image/description.js';
import { decodeLegacyInitPacket, type LegacyInitPacket } from '../../image/nordic-legacy/init-packet.js';
import type { Session } from '../../session/session.js';
import { decodeSizes } from './codec.js';
import type { LinkTalk } from '../../session/link-talk.js';
import { ImageType, type ImageSizes } from './messages.js';

const READ_MS = 30_000;
const GRAIN_BYTES = 4096;
const SIZES_BYTES = 12;

export class Payload {
  readonly #checksums: readonly number[];

  private constructor(
    readonly image: ImageDescription,
    /** Empty where the file has none. */
    readonly initPacket: Uint8Array,
    readonly init: LegacyInitPacket | undefined,
    readonly sizes: ImageSizes,
    /** Over the whole image: all the init packet that SDK 6.1 and older know. */
    readonly crc16: number,
    checksums: readonly number[],
  ) {
    this.#checksums = checksums;
  }

  get sizeBytes(): number {
    return this.image.sizeBytes;
  }

  /** Which parts it consists of, as the start request names them. */
  get types(): number {
    const { softdevice, bootloader, application } = this.sizes;
    return (
      (softdevice > 0 ? ImageType.Softdevice : 0) |
      (bootloader > 0 ? ImageType.Bootloader : 0) |
      (application > 0 ? ImageType.Application : 0)
    );
  }

  get isApplication(): boolean {
    return this.types === ImageType.Application;
  }

  /**
   * Reads init packet, sizes and image once and compares them with the description.
   * @throws ArtifactError `artifact.digest` when the bytes are not what was described; as `decodeLegacyInitPacket`.
   */
  static *open(talk: LinkTalk, image: ImageDescription): Session<Payload> {
    const number = image.image;
    const initBytes = image.initPacketBytes ?? 0;
    const initPacket = initBytes === 0 ? new Uint8Array() : yield* talk.read(`init:${number}`, 0, initBytes, READ_MS);
    const init = initBytes === 0 ? undefined : decodeLegacyInitPacket(initPacket, `init packet of ${image.kind}`);
    const sizes = decodeSizes(yield* talk.read(`sizes:${number}`, 0, SIZES_BYTES, READ_MS));
    if (sizes.softdevice + sizes.bootloader + sizes.application !== image.sizeBytes) {
      throw new ArtifactError('artifact.digest', { field: `sizes:${number}` });
    }
    const hash = sha256.create();
    const checksums: number[] = [];
    let crc = 0xffff;
    for (let offset = 0; offset < image.sizeBytes; offset += GRAIN_BYTES) {
      const length = Math.min(GRAIN_BYTES, image.sizeBytes - offset);
      const bytes = yield* talk.read(`image:${number}`, offset, length, READ_MS);
      hash.update(bytes);
      crc = crc16CcittFalse(bytes, crc);
      checksums.push(crc32(bytes));
    }
    const digest = toHex(hash.digest());
    if (digest !== image.sha256) throw new ArtifactError('artifact.digest', { field: `image:${number}` });
    if (init && !vouches(init, crc, digest)) throw new ArtifactError('artifact.digest', { field: `init:${number}` });
    return new Payload(image, initPacket, init, sizes, crc, checksums);
  }

  /**
   * @param offset a multiple of `GRAIN_BYTES`.
   * @returns the grain that begins there.
   * @throws ArtifactError `artifact.digest` when the bytes changed since they were checked.
   */
  *grain(talk: LinkTalk, offset: number): Session<Uint8Array> {
    const from = offset - (offset % GRAIN_BYTES);
    const length = Math.min(GRAIN_BYTES, this.sizeBytes - from);
    const bytes = yield* talk.read(`image:${this.image.image}`, from, length, READ_MS);
    if (crc32(bytes) !== this.#checksums[from / GRAIN_BYTES]) {
      throw new ArtifactError('artifact.digest', { field: `image:${this.image.image}` });
    }
    return bytes;
  }

  /** Bytes `[offset, offset + length)`, which may cross a border between grains. `cache` keeps the last grain. */
  *read(talk: LinkTalk, offset: number, length: number, cache: GrainCache): Session<Uint8Array> {
    const end = Math.min(offset + length, this.sizeBytes);
    const out = new Uint8Array(end - offset);
    for (let at = offset; at < end;) {
      const from = at - (at % GRAIN_BYTES);
      if (cache.from !== from || cache.of !== this) {
        cache.bytes = yield* this.grain(talk, from);
        cache.from = from;
        cache.of = this;
      }
      const take = Math.min(end, from + cache.bytes.length) - at;
      out.set(cache.bytes.subarray(at - from, at - from + take), at - offset);
      at += take;
    }
    return out;
  }
}

/** The grain that was read last. */
export interface GrainCache {
  of?: Payload;
  from: number;
  bytes: Uint8Array;
}

function vouches({ extension }: LegacyInitPacket, crc16: number, digest: string): boolean {
  return 'crc16' in extension ? extension.crc16 === crc16 : toHex(extension.sha256) === digest;
}
