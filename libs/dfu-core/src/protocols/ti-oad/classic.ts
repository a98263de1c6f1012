/**
 * The transfer to a classic target: identify, then 16 bytes for each block request. The last block starts the new image.
 *
 * A CC254x ignores a block that it does not expect and asks for the right one again; CC26x0 give the update up. Either way
 * a few blocks may be under way: TI's own host for these chips keeps up to twenty.
 *
 * Sources: TI BLE-Stack 1.x `oad_target.c`, BLE-Stack 2.x `oad.c`; TI SensorTag Android application,
 * `FwUpdateActivity_CC26xx.java`.
 */
import { ArtifactError, LinkError, TargetRefusedError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { decodeClassicHeader } from '../../image/ti-oad/classic.js';
import { TI_OAD_OFF_CHIP_FORMAT } from '../../image/ti-oad/format.js';
import type { Session } from '../../session/session.js';
import {
  CLASSIC_DATA_BYTES,
  decodeClassicRequest,
  decodeClassicStatus,
  decodeRunningHeader,
  encodeClassicBlock,
  encodeOnChipIdentify,
} from './codec.js';
import { type Conversation, readOrNoise } from './conversation.js';
import { classicStatusError, isStateTrouble } from './errors.js';
import { IMAGE_BLOCK, IMAGE_COUNT, IMAGE_IDENTIFY, IMAGE_STATUS, type RunningHeader, Status } from './messages.js';
import type { SteadySource } from './source.js';
import { blockCount, StartOverError, type TransferHooks, type TransferPace } from './transfer.js';

const IDENTIFY_MS = 5_000;
const BLOCK_MS = 5_000;
/** The first block may wait for an erase. */
const FIRST_BLOCK_MS = 30_000;
/** Checksum over the whole image, at 32 MHz without cache. */
const LAST_MS = 20_000;
const DRAIN_MS = 300;
const MAX_STRAYS = 64;
const MAX_SILENCES = 3;
/** Times that a target may ask for the same block again, over the whole image. */
const MAX_REPEATS = 50;
const ON_CHIP_WINDOW = 2;
/** TI's own host keeps up to twenty under way. */
const OFF_CHIP_WINDOW = 16;
const MAX_WINDOW = 16;

type Heard =
  | { readonly kind: 'wants'; readonly block: number }
  | { readonly kind: 'rejected'; readonly running: RunningHeader }
  | { readonly kind: 'status'; readonly status: number };

export class ClassicTransfer {
  constructor(
    private readonly talk: Conversation,
    private readonly artifact: ArtifactDescription,
    private readonly source: SteadySource,
    private readonly hooks: TransferHooks,
    /** The 16 bytes of metadata. */
    private readonly header: Uint8Array,
  ) {}

  /**
   * From the open link to the last block. @returns with the link gone, or with a target that stays silent: whether it
   * runs the image has to be seen.
   */
  *deliver(pace: TransferPace): Session<void> {
    const { talk } = this;
    yield* talk.subscribe(IMAGE_IDENTIFY);
    yield* talk.subscribe(IMAGE_BLOCK);
    if (talk.has(IMAGE_STATUS)) yield* talk.subscribe(IMAGE_STATUS);
    yield* this.source.rewind(talk);
    yield* this.hooks.touch();
    // It restarts when that many images are in.
    if (talk.has(IMAGE_COUNT)) yield* talk.send(IMAGE_COUNT, Uint8Array.of(1), true);
    yield* this.#identify();
    yield* this.hooks.advanced(0);
    yield* this.#sendBlocks(pace);
  }

  get #isOffChip(): boolean {
    return this.artifact.format === TI_OAD_OFF_CHIP_FORMAT;
  }

  *#identify(): Session<void> {
    const payload = this.#isOffChip ? this.header : encodeOnChipIdentify(this.header);
    for (let tries = 1; ; tries++) {
      yield* this.talk.send(IMAGE_IDENTIFY, payload, true);
      const heard = yield* this.#heard(IDENTIFY_MS);
      if (heard?.kind === 'wants' && heard.block === 0) return;
      if (heard?.kind === 'rejected') throw this.#rejected(heard.running);
      if (heard?.kind === 'status' && heard.status !== Status.Success) this.#failed(heard.status);
      if (tries === MAX_SILENCES) {
        const detail = 'the image identify was not answered';
        throw new StartOverError(new LinkError('link.timeout', { withinMs: IDENTIFY_MS, detail }));
      }
      yield* this.#drain();
    }
  }

  /** The target answers with what it runs, and leaves the reason to be guessed: in the order in which it checks. */
  #rejected(running: RunningHeader): Error {
    const mine = decodeClassicHeader(this.header);
    if (this.#isOffChip) {
      if (running.version !== 0xffff && mine.version !== 0 && mine.version <= running.version) {
        return new ArtifactError('artifact.downgrade', { actual: mine.version, expected: running.version });
      }
    } else if ((mine.version & 1) === (running.version & 1)) {
      const area = (running.version & 1) === 0 ? 'A' : 'B';
      return new ArtifactError('artifact.requires', {
        expected: `a device that runs area ${area === 'A' ? 'B' : 'A'} (the file is linked for area ${area})`,
        actual: `area ${area}`,
      });
    }
    const detail = `its length (${mine.lengthWords * 4} bytes), type or address is not taken there`;
    return new TargetRefusedError('identify', 'its own header', detail, 'target.refused-image');
  }

  #failed(status: number): never {
    const error = classicStatusError(status, this.artifact);
    throw isStateTrouble(status) ? new StartOverError(error) : error;
  }

  *#sendBlocks(pace: TransferPace): Session<void> {
    const { source, talk, hooks } = this;
    const total = blockCount(source.sizeBytes, CLASSIC_DATA_BYTES);
    const usual = pace.window ?? (this.#isOffChip ? OFF_CHIP_WINDOW : ON_CHIP_WINDOW);
    let window = Math.max(1, Math.min(pace.isCareful ? 1 : usual, MAX_WINDOW));
    let next = 0;
    let acknowledged = 0;
    let silences = 0;
    let repeats = 0;
    for (;;) {
      while (next < total && next - acknowledged < window) {
        if (next === total - 1) {
          // It starts the new image, so it goes alone, and nothing else is under way then.
          if (acknowledged < next) break;
          yield* hooks.finish();
        }
        const data = yield* source.take(talk, next * CLASSIC_DATA_BYTES, CLASSIC_DATA_BYTES);
        yield* talk.send(IMAGE_BLOCK, encodeClassicBlock(next, data), false);
        next += 1;
      }
      if (next === total) return yield* this.#awaitEnd(total);
      const heard = yield* this.#heard(acknowledged === 0 ? FIRST_BLOCK_MS : BLOCK_MS);
      if (!heard) {
        silences += 1;
        if (silences > MAX_SILENCES) {
          const detail = `block ${acknowledged} was not answered`;
          throw new StartOverError(new LinkError('link.timeout', { withinMs: BLOCK_MS, detail }));
        }
        // Its request got lost, or the block did: the next one tells.
        acknowledged = next;
        window = 1;
        continue;
      }
      if (heard.kind === 'rejected') continue;
      if (heard.kind === 'status') {
        if (heard.status === Status.Success) continue;
        this.#failed(heard.status);
      }
      if (heard.block > acknowledged && heard.block <= next) {
        acknowledged = heard.block;
        silences = 0;
        yield* hooks.advanced(Math.min(acknowledged * CLASSIC_DATA_BYTES, source.sizeBytes));
      } else if (heard.block < next && this.#mayGoBack(heard.block, acknowledged)) {
        // A CC254x that missed a block asks for it again, once for each of those behind it.
        repeats += 1;
        if (repeats > MAX_REPEATS)
          throw new StartOverError(new LinkError('link.corrupt', { detail: 'blocks get lost' }));
        yield* this.#drain();
        source.back(heard.block * CLASSIC_DATA_BYTES);
        acknowledged = heard.block;
        next = heard.block;
        window = 1;
      }
    }
  }

  /** Only what was under way can be asked for again; older numbers are noise. */
  #mayGoBack(block: number, acknowledged: number): boolean {
    return !this.#isOffChip && block > 0 && acknowledged - block <= MAX_WINDOW;
  }

  /** Success is a restart, with or without a word before it; a failed checksum is a status, or silence for ever. */
  *#awaitEnd(total: number): Session<void> {
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      let heard: Heard | undefined;
      try {
        heard = yield* this.#heard(LAST_MS);
      } catch (error) {
        if (error instanceof LinkError && error.code === 'link.lost') {
          return yield* this.hooks.advanced(this.source.sizeBytes);
        }
        throw error;
      }
      if (!heard) {
        const detail = 'it stays silent after the last block: the checksum in the image does not match what it holds';
        throw new TargetRefusedError('last block', 'silence', detail, 'target.refused-image');
      }
      if (heard.kind === 'status') {
        if (heard.status !== Status.Success) this.#failed(heard.status);
        yield* this.hooks.advanced(this.source.sizeBytes);
      }
      if (heard.kind === 'wants' && heard.block < total) {
        throw new StartOverError(
          new LinkError('link.corrupt', { detail: `the last block was not taken, ${heard.block} is wanted` }),
        );
      }
    }
  }

  *#heard(withinMs: number): Session<Heard | undefined> {
    const channels = [IMAGE_IDENTIFY, IMAGE_BLOCK, ...(this.talk.has(IMAGE_STATUS) ? [IMAGE_STATUS] : [])];
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      const frame = yield* this.talk.receiveAny(channels, withinMs);
      if (!frame) return undefined;
      const heard = readOrNoise((): Heard => {
        switch (frame.channel) {
          case IMAGE_BLOCK:
            return { kind: 'wants', block: decodeClassicRequest(frame.bytes) };
          case IMAGE_STATUS:
            return { kind: 'status', status: decodeClassicStatus(frame.bytes) };
          default:
            return { kind: 'rejected', running: decodeRunningHeader(frame.bytes) };
        }
      });
      if (heard !== 'noise') return heard;
    }
    throw new LinkError('link.corrupt', { detail: `${MAX_STRAYS} answers to nothing that was asked` });
  }

  *#drain(): Session<void> {
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      if (!(yield* this.#heard(DRAIN_MS))) return;
    }
  }
}
