/**
 * The transfer to an enhanced target: identify, start, blocks by request, enable.
 *
 * A target takes blocks in strict order and queues a few, so one block is kept on its way while another is being written:
 * the air is not idle for the turn of each request. Where the target erases (the block that completes the headers) and
 * after any trouble it is one at a time. Nothing can be resumed: whatever goes wrong is `StartOverError`, and the caller
 * begins anew.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `profiles/oad/cc26xx/oad.c`; TI low-power F3 SDK, `oad_profile.c`; TI
 * BLE5-Stack User's Guide, "Performing a BLE OAD".
 */
import { DrydockError, LinkError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import { TI_OAD_FORMAT } from '../../image/ti-oad/format.js';
import type { Session } from '../../session/session.js';
import {
  BLOCK_NUMBER_BYTES,
  decodeControl,
  decodeIdentifyStatus,
  encodeBlock,
  encodeIdentify,
  encodeMcubootIdentify,
} from './codec.js';
import { type Conversation, readOrNoise } from './conversation.js';
import { isStateTrouble, statusError } from './errors.js';
import { blockSize } from './identify.js';
import { CONTROL, type ControlAnswer, Event, IMAGE_BLOCK, IMAGE_IDENTIFY, Opcode, Status } from './messages.js';
import type { SteadySource } from './source.js';
import { blockCount, StartOverError, type TransferHooks, type TransferPace } from './transfer.js';

const IDENTIFY_MS = 5_000;
const START_MS = 5_000;
/** After this the next block is sent all the same: a lost request must not become the 10 s of silence. */
const BLOCK_MS = 5_000;
/** All pages of the image are erased before the request that follows the headers. */
const ERASE_MS = 30_000;
/** The target checks the whole image; its timer runs on meanwhile and forgets everything 10 s after the last block. */
const LAST_MS = 9_000;
const ENABLE_MS = 5_000;
/** The state reset clears the connection before the answer is sent, so it may never come. */
const CANCEL_MS = 1_500;
/** A target that still holds the state of a lost connection forgets it after its 10 s. */
const FORGET_MS = 11_000;
const MAX_TRIES = 3;
const MAX_STRAYS = 64;
const MAX_SILENCES = 2;
/** Blocks under way unless the caller says otherwise: about 1 kB of the target's queue keeps the air full. */
const DEFAULT_WINDOW = 4;
const MAX_WINDOW = 8;
const HEAD_BYTES = 44;
/** `DL_COMPLETE`, and every error, also travel as block requests. */
type BlockRequest = Extract<ControlAnswer, { kind: 'block-request' }>;

export class EnhancedTransfer {
  #blockBytes = 0;

  constructor(
    private readonly talk: Conversation,
    private readonly artifact: ArtifactDescription,
    private readonly source: SteadySource,
    private readonly hooks: TransferHooks,
    private readonly headerBytes: number,
  ) {}

  /** From the open link to the enabled image. @throws StartOverError, LinkError, and what the target refuses for good. */
  *deliver(pace: TransferPace): Session<void> {
    const { talk } = this;
    yield* talk.subscribe(IMAGE_IDENTIFY);
    yield* talk.subscribe(CONTROL);
    this.#blockBytes = yield* blockSize(talk);
    this.#checkBlockSize();
    yield* this.source.rewind(talk);
    yield* this.hooks.touch();
    // What another host, or a lost connection of ours, left behind.
    if (!pace.isFirst) yield* this.cancel();
    yield* this.#identify();
    const first = yield* this.#start();
    yield* this.hooks.advanced(0);
    yield* this.#sendBlocks(first, pace);
    yield* this.#enable();
  }

  /** Asks the target to forget what it has; its answer may never come. */
  *cancel(): Session<void> {
    const isAnswer = (answer: ControlAnswer): answer is ControlAnswer =>
      answer.kind === 'status' && answer.of === Opcode.Cancel;
    yield* this.talk.ask({ opcode: Opcode.Cancel }, isAnswer, CANCEL_MS);
  }

  #checkBlockSize(): void {
    const { maxWriteBytes } = this.talk.link;
    const size = this.#blockBytes;
    if (size <= BLOCK_NUMBER_BYTES || size > 512) {
      throw new DrydockError('target.wrong-kind', {
        expected: 'TI OAD target with a usable block size',
        detail: `it says ${size} bytes`,
      });
    }
    if (size > maxWriteBytes) {
      throw new LinkError('link.open-failed', {
        link: this.talk.link.identity.value,
        detail: `the device wants writes of ${size} bytes, and this connection carries ${maxWriteBytes} (ATT_MTU ${maxWriteBytes + 3})`,
      });
    }
  }

  get #dataBytes(): number {
    return this.#blockBytes - BLOCK_NUMBER_BYTES;
  }

  // Identify and start

  *#identify(): Session<void> {
    const { talk } = this;
    const head = yield* this.source.take(talk, 0, Math.min(HEAD_BYTES, this.source.sizeBytes));
    const payload =
      this.artifact.format === TI_OAD_FORMAT
        ? encodeIdentify(head, talk.link.maxWriteBytes)
        : encodeMcubootIdentify(head, this.source.sizeBytes);
    for (let tries = 1; ; tries++) {
      yield* talk.send(IMAGE_IDENTIFY, payload, true);
      const status = yield* this.#identifyStatus();
      if (status === Status.Success) return;
      if (status !== undefined && !isStateTrouble(status)) throw statusError(status, 'identify', this.artifact);
      if (tries === MAX_TRIES) {
        if (status !== undefined) throw statusError(status, 'identify', this.artifact);
        const detail = 'the image identify was not answered (its external flash may not open)';
        throw new StartOverError(new LinkError('link.timeout', { withinMs: IDENTIFY_MS, detail }));
      }
      yield* this.cancel();
      if (tries === MAX_TRIES - 1) yield* talk.sleep(FORGET_MS);
    }
  }

  /** On FFC1; where the state does not fit, on FFC5 (`00 04`, `00 05`, or `12 05` of the older generation). */
  *#identifyStatus(): Session<number | undefined> {
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      const frame = yield* this.talk.receiveAny([IMAGE_IDENTIFY, CONTROL], IDENTIFY_MS);
      if (!frame) return undefined;
      if (frame.channel === IMAGE_IDENTIFY) {
        const status = readOrNoise(() => decodeIdentifyStatus(frame.bytes));
        if (status !== 'noise') return status;
        continue;
      }
      const answer = readOrNoise(() => decodeControl(frame.bytes));
      if (answer === 'noise') continue;
      if (answer.kind === 'status' && answer.of === Event.Identify) return answer.status;
      if (answer.kind === 'block-request' && answer.status === Status.NotStarted) return answer.status;
    }
    return undefined;
  }

  /** @returns the number of the first block that is asked for: 0. */
  *#start(): Session<number> {
    const isAnswer = (answer: ControlAnswer): answer is ControlAnswer =>
      answer.kind === 'block-request' || (answer.kind === 'status' && answer.of === Opcode.Start);
    for (let tries = 1; ; tries++) {
      const answer = yield* this.talk.ask({ opcode: Opcode.Start }, isAnswer, START_MS);
      if (answer === undefined) {
        if (tries < MAX_TRIES - 1) continue;
        const detail =
          'no block was asked for (if another host has switched block requests off, only a restart of the device helps)';
        throw new StartOverError(new LinkError('link.timeout', { withinMs: START_MS, detail }));
      }
      if (answer.kind === 'block-request') {
        if (answer.status === Status.Success) return answer.block;
        this.#refused(answer.status, 'start');
      }
      const status = answer.kind === 'status' ? answer.status : Status.Internal;
      // Asked twice because the first answer was lost: it has started.
      if (tries > 1 && (status === Status.NotStarted || status === Status.AlreadyStarted)) return 0;
      this.#refused(status, 'start');
    }
  }

  /** @throws StartOverError where beginning anew may help, else the error to end with. */
  #refused(status: number, doing: 'start' | 'block' | 'enable'): never {
    const error = statusError(status, doing, this.artifact);
    throw isStateTrouble(status) || error.recovery === 'resume' ? new StartOverError(error) : error;
  }

  // Blocks

  *#sendBlocks(first: number, pace: TransferPace): Session<void> {
    const { talk, source, hooks } = this;
    const dataBytes = this.#dataBytes;
    const total = blockCount(source.sizeBytes, dataBytes);
    const eraseBlock = this.headerBytes > 0 ? Math.ceil(this.headerBytes / dataBytes) - 1 : -1;
    const window = Math.max(1, Math.min(pace.isCareful ? 1 : (pace.window ?? DEFAULT_WINDOW), MAX_WINDOW));
    if (first !== 0)
      throw new StartOverError(new DrydockError('target.busy', { detail: `it asks for block ${first} first` }));
    let next = 0;
    let acknowledged = 0;
    let silences = 0;
    while (acknowledged < total) {
      // Up to the erase one at a time: the target is busy for seconds and holds its queue.
      const allowed = acknowledged <= eraseBlock ? 1 : window;
      while (next < total && next - acknowledged < allowed) {
        // Before the bytes that make the target erase.
        if (next === Math.max(0, eraseBlock)) yield* hooks.erase();
        const offset = next * dataBytes;
        const data = yield* source.take(talk, offset, Math.min(dataBytes, source.sizeBytes - offset));
        yield* talk.send(IMAGE_BLOCK, encodeBlock(next, data), false);
        next += 1;
      }
      const waitMs = next === total ? LAST_MS : acknowledged <= eraseBlock && next > eraseBlock ? ERASE_MS : BLOCK_MS;
      const request = yield* this.#blockRequest(waitMs);
      if (!request) {
        silences += 1;
        // The last block, or its answer, may be lost: enabling tells.
        if (next === total && silences === 1) return;
        if (silences > MAX_SILENCES || next === total) {
          throw new StartOverError(
            new LinkError('link.timeout', { withinMs: waitMs, detail: `block ${acknowledged} was not answered` }),
          );
        }
        // Its request got lost, or the block did: the next one tells, and keeps the target's timer from running out.
        acknowledged = next;
        continue;
      }
      if (request.status === Status.Complete) {
        if (next < total)
          throw new StartOverError(new LinkError('link.corrupt', { detail: 'complete before its end' }));
        yield* hooks.advanced(source.sizeBytes);
        return;
      }
      if (request.status !== Status.Success) this.#refused(request.status, 'block');
      // The number is only believed where it can be meant.
      if (request.block > acknowledged && request.block <= next) {
        acknowledged = request.block;
        silences = 0;
        yield* hooks.advanced(Math.min(acknowledged * dataBytes, source.sizeBytes));
      }
    }
  }

  /** The next block request; an MCUboot-based target may say in its own way that it expects no block. */
  *#blockRequest(withinMs: number): Session<BlockRequest | undefined> {
    for (let strays = 0; strays < MAX_STRAYS; strays++) {
      const answer = yield* this.talk.control(withinMs);
      if (answer === undefined) return undefined;
      if (answer === 'noise') continue;
      if (answer.kind === 'block-request') return answer;
      if (answer.kind === 'status' && answer.of === Event.Block) this.#refused(answer.status, 'block');
    }
    throw new LinkError('link.corrupt', { detail: `${MAX_STRAYS} answers to nothing that was asked` });
  }

  // Enable

  *#enable(): Session<void> {
    yield* this.hooks.finish();
    const isAnswer = (answer: ControlAnswer): answer is ControlAnswer =>
      answer.kind === 'status' && answer.of === Opcode.Enable;
    for (let tries = 1; ; tries++) {
      const answer = yield* this.talk.ask({ opcode: Opcode.Enable }, isAnswer, ENABLE_MS);
      if (answer?.kind === 'status') {
        if (answer.status === Status.Success) return;
        // It was enabled already, and the answer lost.
        if (tries > 1 && answer.status === Status.AlreadyStarted) return;
        this.#refused(answer.status, 'enable');
      }
      // Not answered twice: it is restarting, or will be seen to run what it ran before.
      if (tries === 2) return;
    }
  }
}
