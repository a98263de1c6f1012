/** One conversation with a target: requests and typed answers, on top of the link. */
import { LinkError, MalformedFrameError } from '../../errors.js';
import { LinkTalk, MAX_STRAY_FRAMES } from '../../session/link-talk.js';
import type { LinkInfo, ReconnectHint, Session } from '../../session/session.js';
import { decodeAnswer, encodeRequest } from './codec.js';
import { type Answer, CONTROL_POINT, Opcode, type Refusal, type Request, type RequestOpcode } from './messages.js';
import { type Wire, wireOf } from './wire.js';

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
const DRAIN_MS = 100;

export { ForbiddenStepError, isLinkTrouble, LeaveError } from '../../session/link-talk.js';

export type AnswerTo<Op extends RequestOpcode> = Extract<Answer, { opcode: Op }>;

export class Conversation extends LinkTalk {
  /** Told of each receipt (or late checksum) that arrives while another answer is awaited. */
  onReceipt: ((report: AnswerTo<typeof Opcode.CalculateChecksum> | Refusal) => void) | undefined;

  #wire: Wire;
  #serialMtu = DEFAULT_SERIAL_MTU;
  #pingId = 0;

  constructor(link: LinkInfo) {
    super(link);
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

  override *reconnect(as: ReconnectHint, withinMs: number): Session<LinkInfo> {
    const link = yield* super.reconnect(as, withinMs);
    this.#wire = this.#newWire();
    return link;
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
    yield* this.drainAnswers();
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
    yield* this.drainAnswers();
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
  *drainAnswers(): Session<void> {
    for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
      if (!(yield* this.#wire.answer(DRAIN_MS))) return;
    }
  }
}

function isAnswerTo<Op extends RequestOpcode>(answer: Answer | Refusal, opcode: Op): answer is AnswerTo<Op> | Refusal {
  return 'refused' in answer ? answer.refused === opcode : answer.opcode === opcode;
}
