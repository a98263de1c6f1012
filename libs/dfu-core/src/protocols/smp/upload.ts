/**
 * Brings a file into a slot: first chunk alone, then as many requests under way as the target has buffers.
 * `off` in the answer leads: backwards when something was lost, forwards when the target already has more.
 *
 * Source: Zephyr `smp_group_1.rst` ("Image upload"), `img_mgmt.c`; window and recovery as the vendor's mobile
 * libraries do it (IOS-nRF-Connect-Device-Manager, Android-nRF-Connect-Device-Manager).
 */
import { DrydockError, InvariantError, LinkError, TargetRefusedError } from '../../errors.js';
import { CancelledError, type SmpClient, type Step } from './client.js';
import type { ImageReader } from './artifact-bytes.js';
import { type ChunkPlan, firstChunk, nextChunkBytes } from './chunks.js';
import { decodeRefusal, decodeUploadAnswer } from './codec.js';
import { Rc, SmpRefusedError } from './errors.js';
import { awaitFirstAnswer } from './first-answer.js';
import type { Message, UploadAnswer } from './messages.js';

export interface UploadPlan {
  readonly reader: ImageReader;
  /** Value of the `image` key; undefined: left out, which means the first image. */
  readonly image: number | undefined;
  /** Bytes of other images of the same update, before this one and in all. */
  readonly progress: { readonly beforeBytes: number; readonly totalBytes: number };
  /** SHA-256 of the file, by which applications resume; serial recovery knows none. */
  readonly sha: Uint8Array | undefined;
  /** Longest message, and most requests under way, that the target's buffers allow. */
  readonly limit: number;
  readonly window: number;
  readonly alignBytes: number;
  /** The slot was just erased: a target that resumes now would leave a hole (Zephyr before end of 2022). */
  readonly afterErase: boolean;
  /**
   * Asked after the target lost its place or went silent: reconnects if need be, and reads the list.
   * Throws when it is not the unit, or not in the state, that the upload began with.
   */
  readonly recover: (lost: boolean) => Step<'complete' | 'go-on'>;
}

const CHUNK_MS = 2000;
const CHUNK_LONGEST_MS = 10_000;
/** The last chunk: the target flushes and, where built so, hashes what it stored. Asking again too early is harmless. */
const LAST_CHUNK_MS = 5000;
/** At 9600 baud. */
const MS_PER_BYTE_UNDER_WAY = 1.2;
const FAILURES_BEFORE_RECOVERY = 4;
/** Recoveries (restart of the target, lost link, lost place) without a single new byte between them. */
const IDLE_RECOVERIES = 4;
/** In all: more links lost, each with some bytes between them, is no transfer any more. The caller's own limit comes first. */
const RECOVERIES = 1000;
/** Times the whole file is sent again because the target found other bytes in its slot. */
const MISMATCHES = 2;
/** Clean answers after which one more request is let under way again. */
const CLEAN_BEFORE_GROWTH = 16;
const SMALLEST_LIMIT = 100;
const LOSSES_BEFORE_SHORTER = 8;
/** Answers to nothing that is under way, and pieces that are none: more of them in a row are worth no more than silence. */
const STRANGERS_IN_A_ROW = 300;
const BUSY_PAUSE_MS = 100;
const BUSY_IN_A_ROW = 100;

/** One chunk under way. */
interface Outstanding {
  readonly sequence: number;
  readonly offset: number;
  readonly end: number;
}

export class Upload {
  /** What the target is known to have. */
  #acknowledged = 0;
  /** The most it ever had: progress is measured by it, so that nothing goes in circles. */
  #highWater = 0;
  #shownBytes = 0;
  /** Rises with lost messages, falls with clean ones: a line that loses every third wants shorter ones. */
  #losses = 0;
  #limit: number;
  #window: number;
  #alignBytes: number;
  #sha: Uint8Array | undefined;
  #afterErase: boolean;
  #recoveries = 0;
  #idleRecoveries = 0;
  #mismatches = 0;
  #fellSilent = false;
  #busy = 0;
  /** Set when a refusal made the target forget the upload. */
  #resetByError = false;
  #lastRefusal: SmpRefusedError | undefined;
  #sentBytes = 0;

  constructor(
    readonly client: SmpClient,
    readonly plan: UploadPlan,
  ) {
    this.#limit = plan.limit;
    this.#window = plan.window;
    this.#alignBytes = plan.alignBytes;
    this.#sha = plan.sha;
    this.#afterErase = plan.afterErase;
  }

  /** Image bytes that the target took in this run. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /**
   * Runs until the target has the whole file.
   * @throws CancelledError at a safe point after a cancellation; DrydockError when it cannot be done.
   */
  *run(): Step<void> {
    for (;;) {
      let lost = false;
      try {
        const ended = yield* this.#attempt();
        if (ended === 'complete') return yield* this.#show();
      } catch (error) {
        if (
          error instanceof DrydockError &&
          error.code === 'target.digest-mismatch' &&
          this.#mismatches++ < MISMATCHES
        ) {
          continue; // the list would show the image all the same: its hash is only read there
        }
        if (!(error instanceof LinkError) || error.code !== 'link.lost') throw error;
        lost = true;
      }
      this.#recoveries++;
      this.#idleRecoveries++;
      if (this.#idleRecoveries > IDLE_RECOVERIES || this.#recoveries > RECOVERIES) {
        if (this.#lastRefusal) throw this.#lastRefusal;
        throw new LinkError('link.timeout', {
          withinMs: CHUNK_LONGEST_MS,
          detail: `the upload stands still at byte ${this.#highWater}`,
        });
      }
      this.client.checkStop();
      if ((yield* this.plan.recover(lost)) === 'complete') return;
    }
  }

  *#attempt(): Step<'complete' | 'recover'> {
    // Recovery knows no resume by name: after mere silence its own place is asked for with the chunk that is next.
    const goesOn = this.#fellSilent && !this.#sha && this.#acknowledged > 0;
    this.#fellSilent = false;
    if (!goesOn && (yield* this.#begin()) === 'recover') return 'recover';
    yield* this.#show();
    return this.#acknowledged >= this.#totalBytes ? 'complete' : yield* this.#stream();
  }

  get #chunks(): ChunkPlan {
    const { image } = this.plan;
    return {
      totalBytes: this.#totalBytes,
      limit: this.#limit,
      alignBytes: this.#alignBytes,
      ...(this.#sha && { sha: this.#sha }),
      ...(image !== undefined && { image }),
    };
  }

  get #totalBytes(): number {
    return this.plan.reader.length;
  }

  /** The first chunk, alone: it erases, or tells where to go on. */
  *#begin(): Step<'begun' | 'recover'> {
    const sent = new Set<number>();
    for (let attempt = 0; attempt < FAILURES_BEFORE_RECOVERY; attempt++) {
      this.client.checkStop();
      const first = firstChunk(this.#chunks);
      if (!first) {
        const detail = 'its messages are too short to upload an image';
        throw new TargetRefusedError('upload', this.#limit, detail, 'target.no-memory');
      }
      const request = first.make(yield* this.plan.reader.read(0, first.length));
      sent.add(yield* this.client.send(request));
      const message = yield* awaitFirstAnswer(this.client, sent);
      if (!message) {
        yield* this.client.settle();
        if (attempt > 0) this.#shrink();
        continue;
      }
      const answer = yield* this.#readAnswer(message, 'upload-first');
      if (answer === 'again') {
        if (this.#lastRefusal) {
          this.#resetByError = false;
          return 'recover';
        }
        attempt--; // bounded by the counters of busy answers and of the smallest message
        this.#resetByError = false;
        continue;
      }
      if (this.#afterErase && answer.offset !== request.data.length) {
        this.#afterErase = false;
        this.#sha = undefined; // another name for the same upload makes the target begin anew
        continue;
      }
      this.#afterErase = false;
      this.#highWater = Math.min(this.#highWater, answer.offset);
      this.#accept(answer.offset, request.data.length);
      return answer.offset > 0 ? 'begun' : 'recover';
    }
    return 'recover';
  }

  /** All other chunks, with several under way. */
  *#stream(): Step<'complete' | 'recover'> {
    const total = this.#totalBytes;
    const underWay: Outstanding[] = [];
    let sendAt = this.#acknowledged;
    let rewindTo: number | undefined;
    let failures = 0;
    let clean = 0;
    let window = this.#window;
    let strangers = 0;

    while (this.#acknowledged < total) {
      const draining = rewindTo !== undefined || this.client.stopAsked;
      while (!draining && underWay.length < window && sendAt < total) {
        const length = nextChunkBytes(this.#chunks, sendAt);
        if (length === 0) throw new InvariantError(`no chunk fits into ${this.#limit} bytes`);
        const data = yield* this.plan.reader.read(sendAt, length);
        const sequence = yield* this.client.send({ kind: 'upload-next', data, offset: sendAt });
        underWay.push({ sequence, offset: sendAt, end: sendAt + length });
        sendAt += length;
      }
      if (underWay.length === 0) {
        this.client.checkStop();
        if (rewindTo === 0) return 'recover'; // the target lost its place, or has finished without our knowing
        sendAt = rewindTo ?? this.#acknowledged;
        rewindTo = undefined;
        if (failures > FAILURES_BEFORE_RECOVERY) return 'recover';
        continue;
      }
      yield* this.#show();

      const got = yield* this.client.receive(this.#waitMs(underWay, failures, total));
      if (got.kind === 'damaged' && underWay.length > 1 && strangers++ < STRANGERS_IN_A_ROW) {
        window = 1;
        continue; // the answer to a later request will tell what became of it
      }
      const at = got.kind === 'message' ? this.#requestOf(got.message, underWay) : -1;
      if (got.kind === 'message' && at < 0 && strangers++ < STRANGERS_IN_A_ROW) continue;
      const chunk = underWay[at];
      if (got.kind !== 'message' || !chunk) {
        if (this.client.stopAsked) throw new CancelledError();
        yield* this.client.settle();
        failures++;
        clean = 0;
        window = 1;
        strangers = 0;
        underWay.length = 0;
        rewindTo = undefined;
        sendAt = this.#acknowledged;
        if (got.kind === 'timeout' && failures > 1) this.#shrink();
        this.#lose();
        this.#fellSilent = failures > FAILURES_BEFORE_RECOVERY;
        if (this.#fellSilent) return 'recover';
        continue;
      }

      strangers = 0;
      if (at > 0) window = 1; // a request or an answer before this one was lost
      underWay.splice(0, at + 1);

      const answer = yield* this.#readAnswer(got.message, 'upload-next');
      if (answer === 'again') {
        rewindTo ??= chunk.offset;
        if (this.#resetByError) return yield* this.#drain(underWay);
        continue;
      }
      const before = this.#highWater;
      this.#accept(answer.offset, chunk.end);
      if (this.#highWater > before) failures = 0;
      if (answer.offset >= chunk.end) {
        if (answer.offset > sendAt) sendAt = answer.offset;
        this.#losses = Math.max(0, this.#losses - 1);
        if (++clean >= CLEAN_BEFORE_GROWTH && window < this.#window) {
          window++;
          clean = 0;
        }
        continue;
      }
      clean = 0;
      if (answer.offset <= chunk.offset) {
        // Every request behind a lost one is answered with the same offset: one loss, one failure.
        if (rewindTo !== answer.offset) {
          failures++;
          this.#lose();
        }
        window = 1;
      } else if (chunk.end - answer.offset < 32) {
        this.#alignBytes = Math.max(this.#alignBytes, 16); // it keeps whole flash words only
      }
      rewindTo = answer.offset;
    }
    return 'complete';
  }

  /** -1 for what answers none of them. */
  #requestOf(message: Message, underWay: readonly Outstanding[]): number {
    if (!this.client.answers(message, 'upload-next')) return -1;
    return underWay.findIndex(({ sequence }) => sequence === message.header.sequence);
  }

  /** Lets the answers to what is under way go by. */
  *#drain(underWay: Outstanding[]): Step<'recover'> {
    this.#resetByError = false;
    for (let heard = 0; underWay.length > 0 && heard < STRANGERS_IN_A_ROW; heard++) {
      const got = yield* this.client.receive(CHUNK_MS);
      if (got.kind === 'timeout') break;
      if (got.kind === 'message') {
        const at = underWay.findIndex(({ sequence }) => sequence === got.message.header.sequence);
        underWay.splice(0, at + 1);
      }
    }
    return 'recover';
  }

  #waitMs(underWay: readonly Outstanding[], failures: number, total: number): number {
    const bytes = underWay.reduce((sum, { offset, end }) => sum + end - offset, 0);
    const usual = Math.min(CHUNK_MS * 2 ** failures, CHUNK_LONGEST_MS);
    const flushes = underWay.some(({ end }) => end === total);
    return Math.ceil(Math.max(usual, flushes ? LAST_CHUNK_MS : 0) + bytes * MS_PER_BYTE_UNDER_WAY);
  }

  /** @returns 'again' for refusals that pass by: busy, or a message too long for the target. */
  *#readAnswer(message: Message, kind: 'upload-first' | 'upload-next'): Step<UploadAnswer | 'again'> {
    const refusal = decodeRefusal(message.body);
    if (!refusal) {
      this.#busy = 0;
      const answer = decodeUploadAnswer(message.body);
      if (answer.offset > this.#totalBytes) {
        throw new DrydockError('target.malformed-answer', {
          detail: `it wants byte ${answer.offset} of a file of ${this.#totalBytes}`,
        });
      }
      if (answer.match === false) throw mismatch('the target compared what it stored');
      return answer;
    }
    const error = new SmpRefusedError(kind, refusal);
    if (error.isShared(Rc.Busy) && this.#busy++ < BUSY_IN_A_ROW) {
      yield* this.client.sleep(BUSY_PAUSE_MS);
      return 'again';
    }
    if (error.isShared(Rc.Corrupt, Rc.NoMemory, Rc.ResponseTooLarge) && this.#shrink()) {
      this.#resetByError = true;
      return 'again';
    }
    if (error.isShared(Rc.Invalid)) {
      // What we send is sound, so it arrived otherwise: a fragment is missing. Found again from a clean start.
      this.#lastRefusal = error;
      this.#resetByError = true;
      return 'again';
    }
    throw error;
  }

  #lose(): void {
    this.#losses += 2;
    if (this.#losses < LOSSES_BEFORE_SHORTER) return;
    this.#losses = 0;
    this.#shrink();
  }

  /** Shorter messages, after silence or refusal. @returns false when they are as short as they can be. */
  #shrink(): boolean {
    // Over BLE the usual reason is a server without reassembly, which takes one write per message.
    const write = this.client.link.kind === 'ble' ? this.client.link.maxWriteBytes : 0;
    const shorter = this.#limit > write && write >= SMALLEST_LIMIT ? write : Math.floor(this.#limit / 2);
    if (shorter < SMALLEST_LIMIT) return false;
    this.#limit = shorter;
    return true;
  }

  #accept(offset: number, sentEnd: number): void {
    if (offset > this.#acknowledged) this.#sentBytes += Math.max(0, Math.min(offset, sentEnd) - this.#acknowledged);
    this.#acknowledged = offset;
    if (offset > this.#highWater) {
      this.#highWater = offset;
      this.#idleRecoveries = 0;
      this.#lastRefusal = undefined;
    }
  }

  /** Tells how far it is, but not more than a few hundred times. */
  *#show(): Step<void> {
    const total = this.#totalBytes;
    const more = this.#acknowledged - this.#shownBytes;
    if (more === 0 || (more < total / 200 && this.#acknowledged < total)) return;
    this.#shownBytes = this.#acknowledged;
    const { beforeBytes, totalBytes } = this.plan.progress;
    yield* this.client.progress(beforeBytes + this.#acknowledged, totalBytes);
  }
}

export function mismatch(detail: string): DrydockError {
  return new DrydockError('target.digest-mismatch', { expected: 'the file', actual: `other bytes (${detail})` });
}
