/**
 * One conversation with a Silicon Labs unit: effects out, typed answers in, every trouble a typed error. Shared by its
 * three protocols; what is said is theirs.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { DrydockError, InvariantError, LinkError } from '../../errors.js';
import { AnswerNote } from '../../session/answer-note.js';
import type {
  Channel,
  Effect,
  Input,
  LineSettings,
  LinkInfo,
  MarkStep,
  ReconnectHint,
  Session,
} from '../../session/session.js';

const SEND_MS = 15_000;
const QUERY_MS = 15_000;
const BOOKKEEPING_MS = 15_000;
/** A link calls bytes sent up to so long before the wire is done with them. */
const DRAIN_MS = 30;
const RESTORE_TRIES = 3;

/** The session was asked to leave, and here it may. */
export class LeaveError extends DrydockError {
  constructor() {
    super('order.cancelled');
  }
}

/** A fence (or the journal) forbids the step: nothing may be written any more. */
export class ForbiddenStepError extends DrydockError {}

/** What was sent is lost or spoilt, and these targets cannot resume: begin the upload again. */
export class StartOverError extends DrydockError {}

const LINK_TROUBLES: readonly ErrorCode[] = ['link.not-found', 'link.open-failed'];
const NOT_REPEATED: readonly Effect['kind'][] = ['send', 'sleep', 'progress'];

/** Whether connecting again, or beginning again, may help. */
export function isLinkTrouble(error: unknown): error is DrydockError {
  return (
    error instanceof StartOverError ||
    (error instanceof DrydockError && (error.recovery === 'resume' || LINK_TROUBLES.includes(error.code)))
  );
}

export class Talk {
  /** False once the link is known to be gone, until a reconnect. */
  isOpen = true;
  /** Cancellation is obeyed only while this is true; otherwise it is noted, and the way goes on to the next safe end. */
  mayLeave = true;
  #leaveAsked = false;
  readonly #note = new AnswerNote();
  #line: LineSettings | undefined;
  #ownLine: LineSettings | undefined;

  constructor(public link: LinkInfo) {}

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
          // Bytes count as sent: lost ones are noticed, doubled ones are worse.
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

  /** @returns undefined when nothing came in time. */
  *receive(channel: Channel, withinMs: number): Session<Uint8Array | undefined> {
    try {
      const input = yield* this.#perform({ kind: 'await', channels: [channel], withinMs }, 'while waiting');
      if (input.kind !== 'frame') throw new InvariantError(`the driver answered an await with ${input.kind}`);
      return input.bytes;
    } catch (error) {
      if (error instanceof LinkError && error.code === 'link.timeout') return undefined;
      throw error;
    }
  }

  /** GATT read. */
  *query(channel: Channel): Session<Uint8Array> {
    const input = yield* this.#perform({ kind: 'query', channel, withinMs: QUERY_MS }, `while reading ${channel}`);
    if (input.kind !== 'frame') throw new InvariantError(`the driver answered a query with ${input.kind}`);
    return input.bytes;
  }

  /** Bytes of the artifact. */
  *read(source: string, offset: number, length: number, withinMs: number): Session<Uint8Array> {
    const effect: Effect = { kind: 'read', source, offset, length, withinMs };
    const input = yield* this.#perform(effect, 'while reading the artifact');
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
    const hint = this.#line ? { ...as, line: this.#line } : as;
    const input = yield* this.#perform({ kind: 'reconnect', as: hint, withinMs }, 'while looking for the device');
    if (input.kind !== 'opened') throw new InvariantError(`the driver answered a reconnect with ${input.kind}`);
    this.link = input.link;
    this.isOpen = true;
    return input.link;
  }

  /** Sets the speed of a UART; `own` is the one it had, for `restoreLine`. Nothing is done where it is set already. */
  *setLine(line: LineSettings, own: LineSettings): Session<void> {
    this.#ownLine = own;
    const current = this.#line ?? own;
    if (current.baud === line.baud) return;
    // What was written may still be on its way at the old speed.
    yield* this.sleep(DRAIN_MS);
    yield* this.#perform({ kind: 'configure', line, withinMs: BOOKKEEPING_MS }, 'while setting the speed');
    this.#line = line;
  }

  /** Whatever happened: the line is left at the speed at which it was found. */
  *restoreLine(): Session<void> {
    if (!this.#ownLine || !this.#line) return;
    const own = this.#ownLine;
    if (this.#line.baud === own.baud) return;
    // A cancellation here changes nothing: the speed is set all the same.
    this.mayLeave = false;
    for (let tries = 0; tries < RESTORE_TRIES && this.isOpen; tries++) {
      try {
        yield* this.sleep(DRAIN_MS);
        yield* this.#perform({ kind: 'configure', line: own, withinMs: BOOKKEEPING_MS }, 'while restoring the speed');
        break;
      } catch (error) {
        // Once more; a link that is gone or closed is opened at its own speed.
        if (!(error instanceof DrydockError)) throw error;
      }
    }
    this.#line = own;
  }

  *close(): Session<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    yield* this.#perform({ kind: 'close', withinMs: BOOKKEEPING_MS }, 'while closing');
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
}

function failure(code: ErrorCode, params: ErrorParams): DrydockError {
  if (code.startsWith('fence.') || code === 'gateway.journal') return new ForbiddenStepError(code, params);
  return code.startsWith('link.') ? new LinkError(code, params) : new DrydockError(code, params);
}
