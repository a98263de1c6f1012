/**
 * One conversation with a target: effects out, typed answers in, every trouble a typed error.
 *
 * Which troubles can be mended by connecting again is told by `isLinkTrouble`.
 */
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { DrydockError, InvariantError, LinkError, MalformedFrameError } from '../../errors.js';
import { AnswerNote } from '../../session/answer-note.js';
import type { Channel, Effect, Input, LinkInfo, MarkStep, ReconnectHint, Session } from '../../session/session.js';
import { decodeAnswer, encodeRequest } from './codec.js';
import { type Answer, CONTROL_POINT, Opcode, type Refusal, type Request, type RequestOpcode } from './messages.js';
import { type Wire, wireOf } from './wire.js';

const SEND_MS = 15_000;
const SUBSCRIBE_MS = 15_000;
const QUERY_MS = 15_000;
const BOOKKEEPING_MS = 15_000;
/** A create waits for the start of a flash erase, a checksum for nothing; slow flash and a slow link stay below this. */
export const ANSWER_MS = 10_000;
/** A serial line loses frames without a word; asked again soon, nothing is lost but time. */
const SERIAL_ANSWER_MS = 3_000;
/** A bootloader answers a ping at once; one that just copies an image answers none. */
const PING_MS = 500;
const MTU_MS = 1_000;
const MTU_TRIES = 3;
/** Of UART bootloaders of SDK 15 and newer; taken where a target does not say. */
const DEFAULT_SERIAL_MTU = 131;
/** Frames that answer nothing that was asked; more of them in a row than this is noise. */
const MAX_STRAY_FRAMES = 64;
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

export type AnswerTo<Op extends RequestOpcode> = Extract<Answer, { opcode: Op }>;

export class Conversation {
  /** False once the link is known to be gone, until a reconnect. */
  isOpen = true;
  /** Cancellation is obeyed only while this is true; otherwise it is noted, and the way goes on to the next safe end. */
  mayLeave = true;
  /** How long the last `receive` took, where something came. */
  waitedMs = 0;
  #leaveAsked = false;
  readonly #note = new AnswerNote();
  /** Told of each receipt (or late checksum) that arrives while another answer is awaited. */
  onReceipt: ((report: AnswerTo<typeof Opcode.CalculateChecksum> | Refusal) => void) | undefined;

  #wire: Wire;
  #serialMtu = DEFAULT_SERIAL_MTU;
  #pingId = 0;

  constructor(public link: LinkInfo) {
    this.#wire = this.#newWire();
  }

  get isSerial(): boolean {
    return this.link.kind === 'serial';
  }

  /** Longest packet of an object, a multiple of 4. @param limit what the caller allows for one write. */
  packetBytes(limit: number): number {
    return this.#wire.packetBytes(limit);
  }

  #newWire(): Wire {
    return wireOf(this.link, this, () => this.#serialMtu);
  }

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

  *send(channel: Channel, bytes: Uint8Array, acknowledged: boolean): Session<void> {
    yield* this.#perform({ kind: 'send', channel, bytes, acknowledged, withinMs: SEND_MS }, 'while sending');
    this.#note.sent();
  }

  *subscribe(channel: Channel): Session<void> {
    yield* this.#perform({ kind: 'subscribe', channel, withinMs: SUBSCRIBE_MS }, 'while enabling notifications');
  }

  /** @returns undefined when nothing came in time. */
  *receive(channel: Channel, withinMs: number): Session<Uint8Array | undefined> {
    this.waitedMs = 0;
    try {
      const input = yield* this.#perform({ kind: 'await', channels: [channel], withinMs }, 'while waiting');
      if (input.kind !== 'frame') throw new InvariantError(`the driver answered an await with ${input.kind}`);
      this.waitedMs = input.waitedMs ?? 0;
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
    this.#wire = this.#newWire();
    this.isOpen = true;
    return input.link;
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

  /**
   * Makes the bootloader listen: notifications over BLE; over a serial line it is pinged until it answers, which also
   * clears what was half said, and asked how long a frame may be.
   * @throws LinkError `link.timeout` when nobody answers within the time.
   */
  *openControl(withinMs: number): Session<void> {
    if (!this.isSerial) return yield* this.subscribe(CONTROL_POINT);
    if (!(yield* this.isAlive(withinMs))) {
      const detail =
        'no bootloader answers on the line: is the device in its bootloader, is the baud rate right, and the flow control (rtscts)?';
      throw new LinkError('link.timeout', { withinMs, detail });
    }
    this.#serialMtu = DEFAULT_SERIAL_MTU;
    for (let tries = 1; tries <= MTU_TRIES; tries++) {
      yield* this.#wire.request(encodeRequest({ opcode: Opcode.GetMtu }));
      const answer = yield* this.answer(Opcode.GetMtu, MTU_MS);
      if (!answer) continue;
      if (!('refused' in answer)) this.#serialMtu = answer.mtu;
      break;
    }
    yield* this.drain();
  }

  /** Whether a bootloader answers to a ping on the serial line. Any word about pings is one. */
  *isAlive(withinMs: number): Session<boolean> {
    for (let waited = 0; waited < withinMs; waited += PING_MS) {
      this.#pingId = (this.#pingId % 255) + 1;
      yield* this.#wire.request(encodeRequest({ opcode: Opcode.Ping, id: this.#pingId }));
      if (yield* this.answer(Opcode.Ping, PING_MS)) return true;
    }
    return false;
  }

  /** Gives bytes of the present object to the target. No answer but receipts follows. */
  *packets(bytes: Uint8Array, packetBytes: number): Session<void> {
    yield* this.#wire.packets(bytes, packetBytes);
  }

  /** Writes a request and leaves it at that. */
  *ask(request: Request): Session<void> {
    yield* this.#wire.request(encodeRequest(request));
  }

  /**
   * One request on the control point and its answer. A request whose answer does not come is repeated once: each of them
   * may be (create rewinds, execute of nothing new succeeds).
   * @throws LinkError, MalformedFrameError.
   */
  *request<Op extends RequestOpcode>(
    request: Request & { opcode: Op },
    withinMs = this.isSerial ? SERIAL_ANSWER_MS : ANSWER_MS,
  ): Session<AnswerTo<Op> | Refusal> {
    yield* this.ask(request);
    const first = yield* this.answer(request.opcode, withinMs);
    if (first) return first;
    yield* this.ask(request);
    const second = yield* this.answer(request.opcode, withinMs);
    if (!second) throw new LinkError('link.timeout', { withinMs, detail: `opcode ${request.opcode} was not answered` });
    yield* this.drain();
    return second;
  }

  /** The next answer to this request; receipts in between go to `onReceipt`. */
  *answer<Op extends RequestOpcode>(opcode: Op, withinMs: number): Session<AnswerTo<Op> | Refusal | undefined> {
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      const frame = yield* this.#wire.answer(withinMs);
      if (!frame) return undefined;
      const answer = this.#decode(frame);
      if (!answer) continue;
      if (isAnswerTo(answer, opcode)) {
        yield* this.heardAnswer();
        return answer;
      }
      if (isAnswerTo(answer, Opcode.CalculateChecksum)) this.onReceipt?.(answer);
    }
    throw new LinkError('link.corrupt', { detail: `${MAX_STRAY_FRAMES} answers to nothing that was asked` });
  }

  /** A line without checksums delivers noise between its frames; over BLE noise is the target's own. */
  #decode(frame: Uint8Array): Answer | Refusal | undefined {
    if (!this.isSerial) return decodeAnswer(frame);
    try {
      return decodeAnswer(frame);
    } catch (error) {
      if (error instanceof MalformedFrameError) return undefined;
      throw error;
    }
  }

  /** Throws away what was said and not asked for, so that the next answer is the answer to the next request. */
  *drain(): Session<void> {
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      if (!(yield* this.#wire.answer(DRAIN_MS))) return;
    }
  }
}

function isAnswerTo<Op extends RequestOpcode>(answer: Answer | Refusal, opcode: Op): answer is AnswerTo<Op> | Refusal {
  return 'refused' in answer ? answer.refused === opcode : answer.opcode === opcode;
}

function failure(code: ErrorCode, params: ErrorParams): DrydockError {
  if (code.startsWith('fence.') || code === 'gateway.journal') return new ForbiddenStepError(code, params);
  return code.startsWith('link.') ? new LinkError(code, params) : new DrydockError(code, params);
}
