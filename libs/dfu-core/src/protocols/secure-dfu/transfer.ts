/**
 * The transfer of one image: init packet as command object, firmware as data objects, resumed where the target stands.
 *
 * The link is kept full: packets leave without waiting, and the receipt interval is set to the packets of one object, so
 * that its checksum comes by itself with the answer to execute. `Pace` says when to be more careful.
 *
 * Sources: nRF5 SDK 17, nrf_dfu_req_handler.c; resume as in pc-nrfutil, dfu_transport_ble.py, and Android-DFU-Library,
 * SecureDfuImpl.java.
 */
import { ArtifactError, DrydockError, TargetRefusedError } from '../../errors.js';
import { crc32 } from '../../framing/crc32.js';
import type { ArtifactDescription } from '../../image/description.js';
import type { Session } from '../../session/session.js';
import type { AnswerTo, Conversation } from './conversation.js';
import { refusalError } from './errors.js';
import { type ChecksumReport, ObjectType, Opcode, type Refusal, ResultCode } from './messages.js';
import { BLE_LEVELS, Pace, SERIAL_LEVELS } from './pace.js';
import type { Payload } from './payload.js';

/** Signature check in software; nrfutil waits 20 s. */
const VERIFY_MS = 30_000;
/** Hash over the whole image, and flash until it is idle. */
const FINISH_MS = 60_000;
const RECEIPT_MS = 3_000;
const ERASE_BUSY_MS = 500;
/** Data objects are as long as 4096-byte pages (or four of 1024) everywhere; the target's own word is taken all the same. */
const USUAL_OBJECT_BYTES = 4096;
const MAX_OBJECT_BYTES = 64 * 1024;
const MAX_TRIES_PER_OBJECT = 6;
const MAX_RESTARTS = 3;
/** A target on a serial line restarts unseen; then it is asked again where it stands. */
const MAX_LOOKS_AGAIN = 16;

/** What the caller wants to hear, and may forbid by throwing. */
export interface TransferHooks {
  /** Before the first request that changes the target. */
  touch(): Session<void>;
  /** Before the first data object is created: a target with one bank erases the running application then. */
  erase(): Session<void>;
  /** The target holds the first `offset` bytes of the image: said after select, and after each object. */
  advanced(offset: number): Session<void>;
  /** Every byte is there; the next request starts the new image. */
  finish(): Session<void>;
}

/** Where the target stands in the image. */
interface Position {
  /** Begin of the current object: all before it is executed. */
  readonly start: number;
  /** Bytes it has, all of them right. */
  readonly at: number;
  /** The current object exists already, so that create would throw its bytes away. */
  readonly created: boolean;
}

/** Wrong bytes lie in executed objects: only a new init packet gets rid of them. */
class StartOverError extends Error {}

/** The target has less than it had: it was restarted, and nobody saw it. */
class LookAgainError extends Error {}

const isRefusal = (answer: object): answer is Refusal => 'refused' in answer;

export class Transfer {
  readonly #pace: Pace;
  #packetBytes = 4;
  /** As set on the target; undefined while nobody knows. */
  #receiptEvery: number | undefined;
  #restarts = 0;
  #looks = 0;
  #discardWhatIsThere = false;
  /** Number of the image at work. */
  #image = 0;

  constructor(
    private readonly talk: Conversation,
    private readonly artifact: ArtifactDescription,
    private readonly hooks: TransferHooks,
  ) {
    this.#pace = new Pace(talk.isSerial ? SERIAL_LEVELS : BLE_LEVELS);
  }

  /**
   * To be called after each connection: its packets may be longer or shorter, and the receipt interval that the target
   * keeps is not known.
   * @param limit what the caller allows for one packet.
   */
  connected(limit: number): void {
    // A serial target that stopped answering was perhaps overrun; a radio link that was lost says nothing of the kind.
    if (this.talk.isSerial && this.#receiptEvery !== undefined) this.#pace.slowDown();
    this.#packetBytes = this.talk.packetBytes(limit);
    this.#receiptEvery = undefined;
  }

  /** Ends when the target has accepted the whole image and is about to restart. */
  *deliver(payload: Payload): Session<void> {
    this.#image = payload.image.image;
    for (;;) {
      try {
        yield* this.#receipts(this.#packetsOf(USUAL_OBJECT_BYTES));
        yield* this.#sendInitPacket(payload);
        yield* this.#sendImage(payload);
        return;
      } catch (error) {
        if (error instanceof StartOverError) {
          this.#restarts += 1;
          this.#discardWhatIsThere = true;
        } else if (error instanceof LookAgainError) {
          this.#looks += 1;
          this.#receiptEvery = undefined;
        } else throw error;
        if (this.#restarts > MAX_RESTARTS || this.#looks > MAX_LOOKS_AGAIN) {
          throw mismatch('the image, from its first byte', 'something else');
        }
        this.#pace.slowDown();
        yield* this.talk.drainAnswers();
      }
    }
  }

  // Init packet

  *#sendInitPacket(payload: Payload): Session<void> {
    const bytes = payload.initPacket;
    const { maxSizeBytes, offsetBytes, crc32: crc } = yield* this.#select(ObjectType.Command);
    if (bytes.length > maxSizeBytes) {
      throw new ArtifactError('artifact.limit', { field: 'init packet', actual: bytes.length, limit: maxSizeBytes });
    }
    yield* this.hooks.touch();
    const fits =
      !this.#discardWhatIsThere && offsetBytes <= bytes.length && crc32(bytes.subarray(0, offsetBytes)) === crc;
    let from = fits ? offsetBytes : 0;
    for (let tries = 1; ; tries++) {
      if (from === 0) {
        const create = { opcode: Opcode.CreateObject, type: ObjectType.Command, sizeBytes: bytes.length } as const;
        yield* this.#must(this.talk.request(create), ObjectType.Command);
        this.#discardWhatIsThere = false;
      }
      if (from < bytes.length) {
        yield* this.#receipts(this.#packetsOf(USUAL_OBJECT_BYTES));
        yield* this.#sendPackets(bytes.subarray(from));
        const report = yield* this.#must(this.talk.request({ opcode: Opcode.CalculateChecksum }), ObjectType.Command);
        if (report.offsetBytes !== bytes.length || report.crc32 !== crc32(bytes)) {
          if (tries >= MAX_TRIES_PER_OBJECT) throw mismatch(spell(bytes.length, crc32(bytes)), spellReport(report));
          yield* this.talk.drainAnswers();
          from = 0;
          continue;
        }
      }
      const answer = yield* this.talk.request({ opcode: Opcode.Execute }, VERIFY_MS);
      if (!isRefusal(answer)) return;
      // A packet that begins alike but has another length was left by somebody: the object has the wrong size.
      if (answer.result !== ResultCode.OperationNotPermitted || tries >= MAX_TRIES_PER_OBJECT) {
        throw refusalError(answer, ObjectType.Command, this.artifact, this.#image);
      }
      from = 0;
    }
  }

  // Image

  *#sendImage(payload: Payload): Session<void> {
    const selected = yield* this.#select(ObjectType.Data);
    const objectBytes = selected.maxSizeBytes;
    if (objectBytes === 0 || objectBytes % 4 !== 0 || objectBytes > MAX_OBJECT_BYTES) {
      throw new TargetRefusedError('select object (image)', objectBytes, 'this is no usable object size');
    }
    yield* this.hooks.erase();
    let position = yield* this.#whereToResume(payload, selected, objectBytes);
    yield* this.hooks.advanced(position.at);
    while (position.start < payload.sizeBytes) {
      const end = Math.min(position.start + objectBytes, payload.sizeBytes);
      yield* this.#sendObject(payload, position, end, objectBytes);
      position = { start: end, at: end, created: false };
    }
  }

  /** From what the target said after select: see the README, "Resume". */
  *#whereToResume(payload: Payload, has: ChecksumReport, objectBytes: number): Session<Position> {
    const offset = has.offsetBytes;
    if (offset > payload.sizeBytes) throw new StartOverError();
    if (offset === 0) return { start: 0, at: 0, created: false };
    const partial = offset % objectBytes;
    if ((yield* payload.checksum(this.talk, offset)) === has.crc32) {
      if (offset === payload.sizeBytes) {
        return { start: offset - (partial || objectBytes), at: offset, created: true };
      }
      if (partial > 0) return { start: offset - partial, at: offset, created: true };
      // Full objects, the last of them executed or not; 0x08 says that the next one was created already.
      const answer = yield* this.talk.request({ opcode: Opcode.Execute });
      if (isRefusal(answer) && answer.result !== ResultCode.OperationNotPermitted) {
        throw refusalError(answer, ObjectType.Data, this.artifact, this.#image);
      }
      return { start: offset, at: offset, created: false };
    }
    // Create rewinds to the last executed boundary, wherever that is; the checksum then tells.
    const start = offset - (partial || objectBytes);
    yield* this.#create(start, Math.min(start + objectBytes, payload.sizeBytes), 0);
    const rewound = yield* this.#must(this.talk.request({ opcode: Opcode.CalculateChecksum }), ObjectType.Data);
    const boundary = rewound.offsetBytes;
    if (boundary > start || boundary % objectBytes !== 0) throw new StartOverError();
    if ((yield* payload.checksum(this.talk, boundary)) !== rewound.crc32) throw new StartOverError();
    return { start: boundary, at: boundary, created: boundary === start };
  }

  *#sendObject(payload: Payload, position: Position, end: number, objectBytes: number): Session<void> {
    const { start } = position;
    const last = end === payload.sizeBytes;
    const crc = yield* payload.checksum(this.talk, end);
    let from = position.at;
    let created = position.created;
    for (let tries = 1; ; tries++) {
      if (!created) {
        yield* this.#receipts(this.#pace.waitEveryPackets ?? this.#packetsOf(objectBytes));
        yield* this.#create(start, end, this.#pace.pauseAfterCreateMs);
        from = start;
      }
      const wholeObject = !created && from === start;
      const complete = yield* this.#sendData(payload, from, end);
      // One receipt is on its way exactly when the object filled the interval.
      const receiptIsDue = wholeObject && this.#packetsOf(end - start) === this.#receiptEvery;
      let report: ChecksumReport | undefined;
      if (!complete || last || this.#pace.checksumBeforeExecute || !receiptIsDue) {
        report = yield* this.#report(complete && receiptIsDue);
      }
      if (report === undefined || (report.offsetBytes === end && report.crc32 === crc)) {
        if (last) yield* this.hooks.finish();
        const executed = yield* this.#execute(end, crc, last);
        if (executed) {
          if (tries === 1) this.#pace.wentWell();
          yield* this.hooks.advanced(end);
          return;
        }
        report = yield* this.#report(false);
        // All is there and execute still says no: the object was created with another size.
        if (report.offsetBytes === end) report = { offsetBytes: start, crc32: 0 };
      }
      this.#pace.slowDown();
      if (tries >= MAX_TRIES_PER_OBJECT) throw mismatch(spell(end, crc), spellReport(report));
      yield* this.talk.drainAnswers();
      if (this.talk.isSerial && report.offsetBytes < start) throw new LookAgainError();
      // What is missing may be only the tail; what is wrong is sent again as a whole.
      const kept = report.offsetBytes;
      created =
        kept > start && kept < end && kept % 4 === 0 && (yield* payload.checksum(this.talk, kept)) === report.crc32;
      if (created) from = kept;
    }
  }

  /** @returns false when the target stopped counting in between: the rest was not sent. */
  *#sendData(payload: Payload, from: number, end: number): Session<boolean> {
    if (from === end) return true;
    const bytes = yield* payload.read(this.talk, from, end - from);
    const every = this.#pace.waitEveryPackets;
    if (every === undefined) {
      yield* this.#sendPackets(bytes);
      return true;
    }
    yield* this.#receipts(every);
    const step = every * this.#packetBytes;
    for (let at = 0; at < bytes.length; at += step) {
      const piece = bytes.subarray(at, at + step);
      yield* this.#sendPackets(piece);
      if (piece.length < step) break;
      const receipt = yield* this.talk.answer(Opcode.CalculateChecksum, RECEIPT_MS);
      if (!receipt || isRefusal(receipt) || receipt.offsetBytes !== from + at + piece.length) return false;
    }
    return true;
  }

  *#sendPackets(bytes: Uint8Array): Session<void> {
    yield* this.talk.packets(bytes, this.#packetBytes);
  }

  /** What the target has: the receipt that is on its way, or its answer when asked. */
  *#report(receiptIsDue: boolean): Session<ChecksumReport> {
    if (receiptIsDue) {
      const receipt = yield* this.talk.answer(Opcode.CalculateChecksum, RECEIPT_MS);
      if (receipt && !isRefusal(receipt)) return receipt;
    } else if (this.#pace.waitEveryPackets !== undefined) {
      yield* this.talk.drainAnswers();
    }
    return yield* this.#must(this.talk.request({ opcode: Opcode.CalculateChecksum }), ObjectType.Data);
  }

  /**
   * @returns false when the target says that bytes are missing.
   * @throws StartOverError when the receipt shows that wrong bytes were executed.
   */
  *#execute(end: number, crc: number, last: boolean): Session<boolean> {
    let wrong = false;
    this.talk.onReceipt = (receipt) => {
      if (!isRefusal(receipt) && receipt.offsetBytes === end) wrong = receipt.crc32 !== crc;
    };
    let answer: AnswerTo<typeof Opcode.Execute> | Refusal | undefined;
    try {
      answer = last ? yield* this.#executeLast() : yield* this.talk.request({ opcode: Opcode.Execute });
    } finally {
      this.talk.onReceipt = undefined;
    }
    if (!isRefusal(answer)) {
      if (wrong) throw new StartOverError();
      return true;
    }
    if (answer.result === ResultCode.OperationNotPermitted) return false;
    throw refusalError(answer, ObjectType.Data, this.artifact, this.#image);
  }

  /** Not repeated when it stays unanswered: the target may be starting the image. Once more on 0x05, which SDK 15-17 also say when busy. */
  *#executeLast(): Session<AnswerTo<typeof Opcode.Execute> | Refusal> {
    let first: Refusal | undefined;
    for (;;) {
      try {
        yield* this.talk.ask({ opcode: Opcode.Execute });
        const answer = yield* this.talk.answer(Opcode.Execute, FINISH_MS);
        if (!answer) {
          throw new DrydockError('link.timeout', { withinMs: FINISH_MS, detail: 'the last execute was not answered' });
        }
        if (!isRefusal(answer) || first || answer.result !== ResultCode.InvalidObject) return answer;
        first = answer;
      } catch (error) {
        // It said no and went away, as targets do after a failed last execute.
        if (first && error instanceof DrydockError) return first;
        throw error;
      }
    }
  }

  // Requests

  *#create(start: number, end: number, pauseMs: number): Session<void> {
    const request = { opcode: Opcode.CreateObject, type: ObjectType.Data, sizeBytes: end - start } as const;
    let answer = yield* this.talk.request(request);
    if (isRefusal(answer) && answer.result === ResultCode.InvalidObject) {
      // The erase could not be started while the radio was busy.
      yield* this.talk.sleep(ERASE_BUSY_MS);
      answer = yield* this.talk.request(request);
    }
    if (isRefusal(answer)) {
      // The target stands elsewhere than it said, or has lost its init packet.
      const lost = answer.result === ResultCode.OperationNotPermitted || answer.result === ResultCode.InvalidParameter;
      if (lost && this.#restarts < MAX_RESTARTS) throw new StartOverError();
      throw refusalError(answer, ObjectType.Data, this.artifact, this.#image);
    }
    yield* this.talk.sleep(pauseMs);
  }

  *#select(type: ObjectType): Session<AnswerTo<typeof Opcode.SelectObject>> {
    return yield* this.#must(this.talk.request({ opcode: Opcode.SelectObject, type }), type);
  }

  *#receipts(packets: number): Session<void> {
    if (this.#receiptEvery === packets) return;
    const request = { opcode: Opcode.SetReceipts, packets } as const;
    yield* this.#must(this.talk.request(request), ObjectType.Data);
    this.#receiptEvery = packets;
  }

  *#must<T extends object>(asked: Session<T | Refusal>, doing: ObjectType): Session<T> {
    const answer = yield* asked;
    if (isRefusal(answer)) throw refusalError(answer, doing, this.artifact, this.#image);
    return answer;
  }

  #packetsOf(bytes: number): number {
    return Math.ceil(bytes / this.#packetBytes);
  }
}

const spell = (offset: number, crc: number): string => `0x${crc.toString(16)} over ${offset} bytes`;
const spellReport = (report: ChecksumReport): string => spell(report.offsetBytes, report.crc32);

function mismatch(expected: string, actual: string): DrydockError {
  return new DrydockError('target.digest-mismatch', { expected, actual });
}
