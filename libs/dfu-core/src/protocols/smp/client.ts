/**
 * The client's end of a conversation: numbers requests, matches answers, and turns what the link says into errors.
 * It holds no link and no clock; every method is a piece of a session.
 */
import type { ErrorParams } from '@drydock/contracts';
import { DrydockError, InvariantError, LinkError, MalformedFrameError } from '../../errors.js';
import { AnswerNote } from '../../session/answer-note.js';
import type { Effect, Input, LinkInfo, MarkStep, ReconnectHint } from '../../session/session.js';
import { addressOf, decodeMessage, decodeRefusal, encodeRequest } from './codec.js';
import { Rc, SmpRefusedError } from './errors.js';
import { type Body, type Message, type Request, Version } from './messages.js';
import { openTransport, type SmpTransport, type TransportEvent } from './transport.js';

/** A part of a session. */
export type Step<T> = Generator<Effect, T, Input>;

/** What came while waiting for answers. */
export type Received =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'damaged'; readonly detail: string }
  | { readonly kind: 'timeout' };

/** A person or a rule asked to stop, and the unit is at a safe point. */
export class CancelledError extends DrydockError {
  constructor() {
    super('order.cancelled');
  }
}

export interface Patience {
  readonly withinMs: number;
  /** How often the request is sent before silence is an error. */
  readonly tries: number;
}

/** Hosts in the field wait 2.5 s for what needs no flash work. */
export const USUAL: Patience = { withinMs: 2500, tries: 3 };

/** The fastest UART in use, 921600 baud, carries less in a millisecond: more than this is talk without end. */
const NOISE_BYTES_PER_MS = 100;
/** The slowest UART in use, 9600 baud with base64 around the message. */
const SLOWEST_MS_PER_BYTE = 1.5;
/** The largest buffers in use (2475 bytes) on that line. */
const LONGEST_ANSWER_MS = 5000;
const BUSY_PAUSE_MS = 100;
const BUSY_TRIES = 50;

export class SmpClient {
  #link: LinkInfo;
  #transport: SmpTransport;
  #sequence: number;
  #version: number = Version.V2;
  #versionSettled = false;
  readonly #queue: TransportEvent[] = [];
  #stopAsked = false;
  #committed = false;
  readonly #note = new AnswerNote();
  /** Numbers of the requests since `touched`: an answer to an earlier one is not the one that the note waits for. */
  readonly #sinceTouched = new Set<number>();
  /** Whoever spoke on this line before us may have been cut off in the middle of his. */
  #desynchronised = true;

  /** @param firstSequence 0..255; should differ between connections, so that late answers of an earlier one are known. */
  constructor(
    link: LinkInfo,
    readonly options: Readonly<Record<string, string>>,
    firstSequence: number,
  ) {
    this.#link = link;
    this.#transport = openTransport(link, options);
    this.#sequence = firstSequence & 0xff;
  }

  get link(): LinkInfo {
    return this.#link;
  }

  get transport(): SmpTransport {
    return this.#transport;
  }

  /** Somebody asked to stop; to be obeyed at the next safe point. After the activation there is none any more. */
  get stopAsked(): boolean {
    return this.#stopAsked && !this.#committed;
  }

  /** What follows leads back to a safe point, so a stop does not end it. */
  finish(): void {
    this.#committed = true;
  }

  /** @throws CancelledError when a stop was asked for. */
  checkStop(): void {
    if (this.stopAsked) throw new CancelledError();
  }

  /** Performs one effect; a cancellation is noted, and the effect asked for again. */
  *perform(effect: Effect): Step<Exclude<Input, { kind: 'cancel' | 'closed' | 'failed' }>> {
    for (;;) {
      const input = yield effect;
      if (input.kind === 'cancel') this.#stopAsked = true;
      else if (input.kind === 'closed') throw new LinkError('link.lost', { detail: 'the other end is gone' });
      else if (input.kind === 'failed') throw failureOf(input.code, input.params);
      else return input;
    }
  }

  *#done(effect: Effect): Step<void> {
    const input = yield* this.perform(effect);
    if (input.kind === 'timeout') {
      throw new LinkError('link.timeout', { withinMs: effect.withinMs, detail: `the link did not ${effect.kind}` });
    }
    if (input.kind !== 'done') throw new InvariantError(`${effect.kind} was answered by ${input.kind}`);
  }

  /** Makes the link ready: notifications over BLE, nothing elsewhere. */
  *start(): Step<void> {
    if (this.#link.kind !== 'ble') return;
    yield* this.#done({ kind: 'subscribe', channel: this.#transport.channel, withinMs: 10_000 });
  }

  *sleep(ms: number): Step<void> {
    yield* this.#done({ kind: 'sleep', withinMs: ms });
  }

  *progress(sentBytes: number, totalBytes: number): Step<void> {
    yield* this.#done({ kind: 'progress', sentBytes, totalBytes, withinMs: 5000 });
  }

  /**
   * Journals a point of no return.
   * @throws CancelledError when a stop was asked for before it, or is the answer: then nothing after it may be sent.
   */
  *mark(step: MarkStep): Step<void> {
    this.checkStop();
    const effect: Effect = { kind: 'mark', step, withinMs: 10_000 };
    const input = yield effect;
    if (input.kind === 'cancel') {
      this.#stopAsked = true;
      throw new CancelledError();
    }
    if (input.kind === 'closed') throw new LinkError('link.lost', { detail: 'the other end is gone' });
    if (input.kind === 'failed') throw failureOf(input.code, input.params);
    if (input.kind === 'done' && step === 'activating') this.#committed = true;
    if (input.kind === 'done' && step === 'touched') this.#note.touched();
    if (input.kind !== 'done')
      throw new DrydockError('gateway.journal', { detail: `mark was answered by ${input.kind}` });
  }

  /** A stretch of the artifact. @throws DrydockError when the driver has no such bytes. */
  *readArtifact(offset: number, length: number, source: string): Step<Uint8Array> {
    const input = yield* this.perform({ kind: 'read', offset, length, source, withinMs: 30_000 });
    if (input.kind !== 'data' || input.bytes.length !== length) {
      throw new DrydockError('gateway.download', { detail: `${source} has no ${length} bytes at ${offset}` });
    }
    return input.bytes;
  }

  /** Closes, waits for the unit, opens again. Numbering goes on, what was half received is forgotten. */
  *reconnect(hint: ReconnectHint, withinMs: number): Step<void> {
    const input = yield* this.perform({ kind: 'reconnect', as: hint, withinMs });
    if (input.kind === 'timeout') throw new LinkError('link.not-found', { link: this.#link.identity.value, withinMs });
    if (input.kind !== 'opened') throw new InvariantError(`reconnect was answered by ${input.kind}`);
    this.#link = input.link;
    this.#transport = openTransport(input.link, this.options);
    this.#queue.length = 0;
    yield* this.start();
  }

  /** Sends one request. @returns the sequence number that its answer will carry. */
  *send(request: Request): Step<number> {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) & 0xff;
    const message = encodeRequest(request, this.#version, sequence);
    const channel = this.#transport.channel;
    if (this.#desynchronised) {
      this.#desynchronised = false;
      // A line cut off on its way would swallow the next one; its end costs one byte.
      if (this.#link.kind === 'serial' && this.options['framing'] !== 'raw') {
        yield* this.#done({ kind: 'send', channel, bytes: Uint8Array.of(0x0a), withinMs: 5000 });
      }
    }
    for (const bytes of this.#transport.cut(message)) {
      const withinMs = 5000 + Math.ceil(bytes.length * SLOWEST_MS_PER_BYTE);
      yield* this.#done({ kind: 'send', channel, bytes, acknowledged: false, withinMs });
    }
    this.#note.sent();
    if (this.#note.isOpen) this.#sinceTouched.add(sequence);
    return sequence;
  }

  /** After silence: what was half said on either side is void. */
  *settle(): Step<void> {
    this.#transport.clear();
    this.#desynchronised = true;
    if (this.#transport.settleMs > 0) yield* this.sleep(this.#transport.settleMs);
  }

  /** The next message, damage or silence. What is no SMP at all (a log on the console) is passed over, within a bound. */
  *receive(withinMs: number): Step<Received> {
    let noise = 0;
    let leftMs = withinMs;
    let spareMs = LONGEST_ANSWER_MS;
    for (;;) {
      const event = this.#queue.shift();
      if (event) {
        if (event.kind === 'damaged') return event;
        try {
          const message = decodeMessage(event.bytes);
          if (this.#note.isOpen && isAnswer(message, this.#sinceTouched)) {
            yield* this.#note.heard(this.#link, (effect) => this.perform(effect));
          }
          return { kind: 'message', message };
        } catch (error) {
          if (!(error instanceof MalformedFrameError)) throw error;
          return { kind: 'damaged', detail: error.message };
        }
      }
      if (leftMs <= 0 || noise > withinMs * NOISE_BYTES_PER_MS) return { kind: 'timeout' };
      const input = yield* this.perform({ kind: 'await', channels: [this.#transport.channel], withinMs: leftMs });
      if (input.kind === 'timeout') return input;
      if (input.kind !== 'frame') throw new InvariantError(`await was answered by ${input.kind}`);
      noise += input.bytes.length + 1;
      // A log that goes on and on is no reason to wait on and on; a long answer on a slow line is given its bytes' time.
      const underWayMs = Math.min(spareMs, input.waitedMs ?? 0, input.bytes.length * SLOWEST_MS_PER_BYTE);
      spareMs -= underWayMs;
      leftMs -= (input.waitedMs ?? 0) - underWayMs;
      this.#queue.push(...this.#transport.push(input.bytes));
    }
  }

  /** @returns true when a message is the answer to a request of this kind. */
  answers(message: Message, kind: Request['kind']): boolean {
    const { op, group, command } = addressOf(kind);
    const { header } = message;
    return header.op === op + 1 && header.group === group && header.command === command;
  }

  /**
   * Asks until it is answered. Requests asked this way may be repeated without harm.
   * @throws SmpRefusedError when the target says no; LinkError `link.timeout` after the last try; CancelledError.
   */
  *ask(request: Request, patience: Patience = USUAL): Step<Body> {
    const sent = new Set<number>();
    let busy = 0;
    for (let attempt = 0; attempt < patience.tries; attempt++) {
      this.checkStop();
      sent.add(yield* this.send(request));
      const answer = yield* this.#answerTo(request, sent, patience.withinMs);
      if (!answer) {
        yield* this.settle();
        continue;
      }
      const refusal = decodeRefusal(answer.body);
      if (!refusal) return answer.body;
      const error = new SmpRefusedError(request.kind, refusal);
      if (error.isShared(Rc.VersionTooOld, Rc.VersionTooNew) && this.#switchVersion(refusal.code)) attempt--;
      else if (error.isShared(Rc.Busy) && ++busy < BUSY_TRIES) {
        yield* this.sleep(BUSY_PAUSE_MS);
        attempt--;
      } else throw error;
    }
    throw new LinkError('link.timeout', { withinMs: patience.withinMs, detail: `${request.kind} got no answer` });
  }

  /** The answer, or undefined after silence; damage counts as silence, for it was probably the answer. */
  *#answerTo(request: Request, sent: ReadonlySet<number>, withinMs: number): Step<Message | undefined> {
    for (let strangers = 0; strangers < 300; strangers++) {
      const got = yield* this.receive(withinMs);
      if (got.kind !== 'message') return undefined;
      const { message } = got;
      if (sent.has(message.header.sequence) && this.answers(message, request.kind)) return message;
    }
    return undefined;
  }

  /** Once only: a target that finds version 2 too new and version 1 too old cannot be spoken to. */
  #switchVersion(code: number): boolean {
    const wanted = code === Rc.VersionTooOld ? Version.V2 : Version.V1;
    if (this.#versionSettled || this.#version === wanted) return false;
    this.#versionSettled = true;
    this.#version = wanted;
    return true;
  }
}

/** A console that repeats what it hears sends requests back, not answers. */
function isAnswer({ header }: Message, sent: ReadonlySet<number>): boolean {
  return (header.op & 1) === 1 && sent.has(header.sequence);
}

function failureOf(code: DrydockError['code'], params: ErrorParams | undefined): DrydockError {
  return code.startsWith('link.') ? new LinkError(code, params) : new DrydockError(code, params);
}
