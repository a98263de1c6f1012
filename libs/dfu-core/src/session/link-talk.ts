/**
 * One open link as a session sees it: effects out, bytes in, every trouble a typed error. What is said is up to the
 * protocols, which extend it. Which troubles can be mended by connecting again is told by `isLinkTrouble`.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { DrydockError, InvariantError, LinkError } from '../errors.js';
import { AnswerNote } from './answer-note.js';
import type { Channel, Effect, Input, LineSettings, LinkInfo, MarkStep, ReconnectHint, Session } from './session.js';

const SEND_MS = 15_000;
const SUBSCRIBE_MS = 15_000;
const QUERY_MS = 15_000;
const BOOKKEEPING_MS = 15_000;
/** Frames that answer nothing that was asked; more of them in a row than this is noise. */
export const MAX_STRAY_FRAMES = 64;
const DRAIN_MS = 100;

/** The session was asked to leave, and here it may. */
export class LeaveError extends DrydockError {
  constructor() {
    super('order.cancelled');
  }
}

/** A fence (or the journal) forbids the step: nothing may be written any more. */
export class ForbiddenStepError extends DrydockError {}

const NOT_REPEATED: readonly Effect['kind'][] = ['send', 'sleep', 'progress'];

const LINK_TROUBLES: readonly ErrorCode[] = ['link.not-found', 'link.open-failed'];

/** Whether connecting again may help: links that drop, stay silent, or deliver noise. */
export function isLinkTrouble(error: unknown): error is DrydockError {
  return error instanceof DrydockError && (error.recovery === 'resume' || LINK_TROUBLES.includes(error.code));
}

export interface Frame {
  readonly channel: Channel;
  readonly bytes: Uint8Array;
}

/** @returns undefined instead of a time-out of the link. */
function* orSilence<T>(work: Session<T>): Session<T | undefined> {
  try {
    return yield* work;
  } catch (error) {
    if (error instanceof LinkError && error.code === 'link.timeout') return undefined;
    throw error;
  }
}

export class LinkTalk {
  /** False once the link is known to be gone, until a reconnect. */
  isOpen = true;
  /** Cancellation is obeyed only while this is true; otherwise it is noted, and the way goes on to the next safe end. */
  mayLeave = true;
  /** How long the last `receive` took, where something came. */
  waitedMs = 0;
  #leaveAsked = false;
  readonly #note = new AnswerNote();

  constructor(public link: LinkInfo) {}

  /**
   * Whether an effect that `cancel` answered was performed is not known. Unless the session leaves here, what may be
   * repeated is given again; bytes are taken as sent: lost ones are noticed, doubled ones are worse.
   */
  *#perform(
    effect: Effect,
    what: string,
  ): Session<Exclude<Input, { kind: 'cancel' | 'closed' | 'timeout' | 'failed' }>> {
    for (;;) {
      const input = yield effect;
      switch (input.kind) {
        case 'cancel':
          this.#leaveAsked = true;
          this.leaveIfAsked();
          if (NOT_REPEATED.includes(effect.kind)) return { kind: 'done' };
          break;
        case 'closed':
          this.isOpen = false;
          throw new LinkError('link.lost', { detail: what });
        case 'timeout':
          throw new LinkError('link.timeout', { withinMs: effect.withinMs, detail: what });
        case 'failed':
          throw failure(input.code, { detail: what, ...input.params });
        default:
          return input;
      }
    }
  }

  /** @throws LeaveError when a cancellation was noted earlier and may be obeyed now. */
  leaveIfAsked(): void {
    if (this.#leaveAsked && this.mayLeave) throw new LeaveError();
  }

  /** @param withinMs for an acknowledged write: until the answer. */
  *send(channel: Channel, bytes: Uint8Array, acknowledged = false, withinMs = SEND_MS): Session<void> {
    yield* this.#perform({ kind: 'send', channel, bytes, acknowledged, withinMs }, 'while sending');
    this.#note.sent();
  }

  *subscribe(channel: Channel): Session<void> {
    yield* this.#perform({ kind: 'subscribe', channel, withinMs: SUBSCRIBE_MS }, 'while enabling notifications');
  }

  /** @returns undefined when nothing came in time. */
  *receive(channel: Channel, withinMs: number): Session<Uint8Array | undefined> {
    return (yield* this.receiveAny([channel], withinMs))?.bytes;
  }

  /** The next frame of any of the channels. @returns undefined when nothing came in time. */
  *receiveAny(channels: readonly Channel[], withinMs: number): Session<Frame | undefined> {
    this.waitedMs = 0;
    const input = yield* orSilence(this.#perform({ kind: 'await', channels, withinMs }, 'while waiting'));
    if (!input) return undefined;
    if (input.kind !== 'frame') throw new InvariantError(`the driver answered an await with ${input.kind}`);
    this.waitedMs = input.waitedMs ?? 0;
    return { channel: input.channel, bytes: input.bytes };
  }

  /** GATT read. */
  *query(channel: Channel): Session<Uint8Array> {
    const input = yield* this.#perform({ kind: 'query', channel, withinMs: QUERY_MS }, `while reading ${channel}`);
    if (input.kind !== 'frame') throw new InvariantError(`the driver answered a query with ${input.kind}`);
    return input.bytes;
  }

  /** Bytes of the artifact. */
  *read(source: string, offset: number, length: number, withinMs: number): Session<Uint8Array> {
    const input = yield* this.#perform(
      { kind: 'read', source, offset, length, withinMs },
      'while reading the artifact',
    );
    if (input.kind !== 'data') throw new InvariantError(`the driver answered a read with ${input.kind}`);
    if (input.bytes.length !== length) {
      throw new DrydockError('artifact.truncated', {
        field: source,
        actual: offset + input.bytes.length,
        expected: offset + length,
      });
    }
    return input.bytes;
  }

  /** Closes the link if it is open, looks for the target as the hint says, and connects. */
  *reconnect(as: ReconnectHint, withinMs: number): Session<LinkInfo> {
    this.isOpen = false;
    const input = yield* this.#perform({ kind: 'reconnect', as, withinMs }, 'while looking for the device');
    if (input.kind !== 'opened') throw new InvariantError(`the driver answered a reconnect with ${input.kind}`);
    this.link = input.link;
    this.isOpen = true;
    return input.link;
  }

  *close(): Session<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    yield* this.#perform({ kind: 'close', withinMs: BOOKKEEPING_MS }, 'while closing');
  }

  /** Bytes of the artifact. @returns undefined when its source did not deliver them in time. */
  tryRead(source: string, offset: number, length: number, withinMs: number): Session<Uint8Array | undefined> {
    return orSilence(this.read(source, offset, length, withinMs));
  }

  /** UART line settings. */
  *configure(line: LineSettings): Session<void> {
    yield* this.#perform({ kind: 'configure', line, withinMs: BOOKKEEPING_MS }, 'while setting the line');
  }

  *sleep(ms: number): Session<void> {
    if (ms > 0) yield* this.#perform({ kind: 'sleep', withinMs: ms }, 'while pausing');
  }

  /** @throws ForbiddenStepError when a fence or the journal does not allow the step. */
  *mark(step: MarkStep): Session<void> {
    yield* this.#perform({ kind: 'mark', step, withinMs: BOOKKEEPING_MS }, `before ${step}`);
    if (step === 'touched') this.#note.touched();
  }

  /** What came was understood as an answer: it lifts the fence of `startBy`. */
  *heardAnswer(): Session<void> {
    yield* this.#note.heard(this.link, (effect) => this.#perform(effect, 'in between'));
  }

  *progress(sentBytes: number, totalBytes: number): Session<void> {
    yield* this.#perform({ kind: 'progress', sentBytes, totalBytes, withinMs: BOOKKEEPING_MS }, 'in between');
  }

  /** Throws away what was said and not asked for, so that the next answer is the answer to the next request. */
  *drain(channel: Channel): Session<void> {
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      if (!(yield* this.receive(channel, DRAIN_MS))) return;
    }
  }
}

function failure(code: ErrorCode, params: ErrorParams): DrydockError {
  if (code.startsWith('fence.') || code === 'gateway.journal') return new ForbiddenStepError(code, params);
  return code.startsWith('link.') ? new LinkError(code, params) : new DrydockError(code, params);
}
