/**
 * The transfer of one image: start, init packet, firmware, validation.
 *
 * The link is kept full: packets leave without waiting, up to a window beyond the last receipt. A target has no way to
 * name the packet that it lost, so a transfer with a hole in it begins again; one that was only interrupted goes on where
 * the target says it stands.
 *
 * Sources: nRF5 SDK 4 to 11, dfu_transport_ble.c, ble_dfu.c, dfu_dual_bank.c; hosts read beside it: Android-DFU-Library,
 * LegacyDfuImpl.java; IOS-DFU-Library, LegacyDFUService.swift.
 */
import { ArtifactError, type DrydockError, LinkError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import type { Session } from '../../session/session.js';
import { encodeApplicationSize, encodeSizes } from './codec.js';
import { ControlPoint, tooMuch } from './control-point.js';
import { statusError } from './errors.js';
import { type LinkTalk, MAX_STRAY_FRAMES } from '../../session/link-talk.js';
import { CONTROL_POINT, Opcode, PACKET, SIGNING_REVISION, Status } from './messages.js';
import type { Pace } from './pace.js';
import type { GrainCache, Payload } from './payload.js';

/** Flash of the whole bank is erased: 64 pages of 90 ms, with the radio in between. */
const START_MS = 60_000;
const INIT_MS = 30_000;
/** From the last packet to the answer that all is in flash. */
const FINISH_MS = 15_000;
const RECEIPT_MS = 10_000;
/** CRC over the flash, or a signature check in software. */
const VALIDATE_MS = 60_000;
/** Attribute limit of the packet characteristic in every stock bootloader, whatever the MTU. */
const PACKET_BYTES = 20;
/** Adafruit's takes what the MTU allows; its buffers are larger. */
const MAX_ADAFRUIT_PACKET_BYTES = 244;
/** Init buffer before SDK 9. */
const SMALL_INIT_BUFFER_BYTES = 64;
/** What hosts give targets without revision before start and before data (IOS-DFU-Library). */
const BEFORE_START_MS = 1_000;
const BEFORE_DATA_MS = 2_000;
const ADVANCE_BYTES = 2_048;

/** What the caller wants to hear, and may forbid by throwing. */
export interface TransferHooks {
  /** Before the first request that changes the target: it erases flash at once. */
  erase(): Session<void>;
  /** The target holds the first `offset` bytes of the image. */
  advanced(offset: number): Session<void>;
}

/** The transfer cannot be mended: the target is to be reset, and it begins again. */
export class StartOverError extends Error {
  constructor(
    /** What to end with when it has happened too often. */
    readonly reason: DrydockError,
    /** Whether packets came too fast or were lost: then the next try is more careful. */
    readonly wasTooFast: boolean,
  ) {
    super(reason.message);
  }
}

export interface TargetTraits {
  /** Undefined for SDK 6.1 and older. */
  readonly revision: number | undefined;
  readonly isAdafruit: boolean;
  readonly maxWriteBytes: number;
}

/** What was sent of the image at work, by which a target that kept its state is known. */
interface Interrupted {
  readonly payload: Payload;
  /** Bytes the target said it has, at the last receipt. */
  confirmed: number;
  sent: number;
}

export class Transfer {
  readonly #control: ControlPoint;
  readonly #cache: GrainCache = { from: -1, bytes: new Uint8Array() };
  #traits: TargetTraits = { revision: undefined, isAdafruit: false, maxWriteBytes: PACKET_BYTES };
  /** Learned: starts without type, sizes of four bytes (SDK 6.0 and older). */
  #isFirstForm = false;
  #interrupted: Interrupted | undefined;

  constructor(
    private readonly talk: LinkTalk,
    private readonly artifact: ArtifactDescription,
    private readonly pace: Pace,
    private readonly hooks: TransferHooks,
  ) {
    this.#control = new ControlPoint(talk);
  }

  /** To be called after each connection to the bootloader. */
  connected(traits: TargetTraits): void {
    this.#traits = traits;
    if (traits.isAdafruit || traits.revision === undefined) this.pace.beCareful();
  }

  /**
   * What a bootloader of this revision must not be sent.
   * @throws ArtifactError `artifact.unsupported`, `artifact.limit`.
   */
  check(payload: Payload): void {
    const { revision } = this.#traits;
    const { init, initPacket, image } = payload;
    if (revision === undefined) return;
    if (init?.deviceType === undefined) {
      throw new ArtifactError('artifact.unsupported', {
        detail: `the ${image.kind} has no full init packet, which this bootloader (revision ${revision}) requires`,
      });
    }
    if (revision >= SIGNING_REVISION) return;
    if (!('crc16' in init.extension)) {
      throw new ArtifactError('artifact.unsupported', {
        detail: `the init packet of the ${image.kind} carries a hash; this bootloader (revision ${revision}) knows a CRC only and would break`,
      });
    }
    if (initPacket.length > SMALL_INIT_BUFFER_BYTES) {
      throw new ArtifactError('artifact.limit', {
        field: 'init packet',
        actual: initPacket.length,
        limit: SMALL_INIT_BUFFER_BYTES,
      });
    }
  }

  /** A reset forgot what was sent. */
  forget(): void {
    this.#interrupted = undefined;
  }

  /**
   * Ends when the target has the whole image and found it good: the next request starts it.
   * @throws StartOverError when only a reset helps.
   */
  *deliver(payload: Payload): Session<void> {
    let from = yield* this.#whereToResume(payload);
    if (from === undefined) {
      yield* this.#start(payload);
      yield* this.#sendInitPacket(payload);
      this.#interrupted = { payload, confirmed: 0, sent: 0 };
      from = 0;
    }
    yield* this.hooks.advanced(from);
    if (from < payload.sizeBytes) yield* this.#sendImage(payload, from);
    yield* this.#validate();
  }

  /** After a lost link: bootloaders keep their state while they have power, and count on. */
  *#whereToResume(payload: Payload): Session<number | undefined> {
    const before = this.#interrupted;
    this.#interrupted = undefined;
    if (before?.payload !== payload) return undefined;
    const has = this.#unwrapped(yield* this.#control.receivedBytes(), before);
    if (has === undefined || has === 0) return undefined;
    this.#interrupted = { payload, confirmed: has, sent: has };
    return has;
  }

  /** Before SDK 6 the counter has 16 bits that mean something: the rest follows from what was sent. */
  #unwrapped(received: number | undefined, { confirmed, sent }: Interrupted): number | undefined {
    if (received === undefined || received % 4 !== 0) return undefined;
    const wraps = this.#traits.revision === undefined && received < 0x10000;
    for (let value = received; value <= sent; value += 0x10000) {
      if (value >= confirmed) return value;
      if (!wraps) return undefined;
    }
    return undefined;
  }

  // Start and init packet

  *#start(payload: Payload): Session<void> {
    if (this.#traits.revision === undefined) yield* this.talk.sleep(BEFORE_START_MS);
    yield* this.hooks.erase();
    if (!this.#isFirstForm) {
      const status = yield* this.#startWith(payload.types, encodeSizes(payload.sizes));
      if (status === Status.Success) return;
      const mayBeOlder = this.#traits.revision === undefined && payload.isApplication;
      if (status !== Status.NotSupported || !mayBeOlder) throw this.#refusedStart(status);
      this.#isFirstForm = true;
    }
    const status = yield* this.#startWith(undefined, encodeApplicationSize(payload.sizeBytes));
    if (status !== Status.Success) throw this.#refusedStart(status);
  }

  *#startWith(types: number | undefined, sizes: Uint8Array): Session<number> {
    yield* this.#control.send({ opcode: Opcode.Start, ...(types === undefined ? {} : { types }) });
    yield* this.talk.send(PACKET, sizes, false);
    return yield* this.#control.status(Opcode.Start, START_MS);
  }

  #refusedStart(status: number): Error {
    const error = statusError(Opcode.Start, status, this.artifact);
    return status === Status.InvalidState ? new StartOverError(error, false) : error;
  }

  *#sendInitPacket(payload: Payload): Session<void> {
    if (this.#traits.revision === undefined) {
      yield* this.#control.send({ opcode: Opcode.Init });
      yield* this.talk.send(PACKET, Uint8Array.of(payload.crc16 & 0xff, payload.crc16 >>> 8), false);
    } else {
      yield* this.#control.send({ opcode: Opcode.Init, step: 'begin' });
      for (let at = 0; at < payload.initPacket.length; at += PACKET_BYTES) {
        yield* this.talk.send(PACKET, payload.initPacket.subarray(at, at + PACKET_BYTES), false);
      }
      yield* this.#control.send({ opcode: Opcode.Init, step: 'complete' });
    }
    const status = yield* this.#control.status(Opcode.Init, INIT_MS);
    if (status === Status.Success) return;
    const error = statusError(Opcode.Init, status, this.artifact);
    throw status === Status.InvalidState ? new StartOverError(error, false) : error;
  }

  // Firmware

  *#sendImage(payload: Payload, from: number): Session<void> {
    const { receiptEvery, windowPackets } = this.pace.now;
    const packetBytes = this.#packetBytes();
    if (this.#isFirstForm) yield* this.talk.sleep(BEFORE_DATA_MS);
    yield* this.#control.send({ opcode: Opcode.SetReceipts, packets: receiptEvery });
    yield* this.#control.send({ opcode: Opcode.ReceiveImage });
    const state = this.#interrupted!;
    let told = from;
    for (let at = from; at < payload.sizeBytes;) {
      const length = Math.min(packetBytes, payload.sizeBytes - at);
      const bytes = yield* payload.read(this.talk, at, length, this.#cache);
      at += length;
      // Said before: a link that is lost while sending may have brought it all the same.
      state.sent = at;
      yield* this.talk.send(PACKET, bytes, false);
      while (at < payload.sizeBytes && at - state.confirmed >= windowPackets * packetBytes) {
        yield* this.#awaitReceipt(state);
      }
      if (state.confirmed - told >= ADVANCE_BYTES) {
        told = state.confirmed;
        yield* this.hooks.advanced(told);
      }
    }
    yield* this.#awaitImage(payload, state);
    state.confirmed = payload.sizeBytes;
    yield* this.hooks.advanced(payload.sizeBytes);
  }

  #packetBytes(): number {
    if (!this.#traits.isAdafruit) return PACKET_BYTES;
    const usable = Math.max(PACKET_BYTES, Math.min(this.#traits.maxWriteBytes, MAX_ADAFRUIT_PACKET_BYTES));
    return usable - (usable % 4);
  }

  /** One receipt, or what takes its place when it was lost. */
  *#awaitReceipt(state: Interrupted): Session<void> {
    const notice = yield* this.#control.notice(RECEIPT_MS);
    let received: number | undefined;
    if (notice?.kind === 'receipt') received = notice.receivedBytes;
    else if (notice?.kind === 'response') {
      if (notice.request === Opcode.ReceiveImage) throw this.#refusedData(notice.status);
      return;
    } else if (notice === undefined) received = yield* this.#control.receivedBytes();
    const counted = this.#unwrapped(received, state);
    if (counted === undefined) throw lost(state.sent, received);
    // Asked because nothing came: everything is there, or something is missing for good.
    if (notice === undefined && counted !== state.sent) throw lost(state.sent, counted);
    state.confirmed = counted;
  }

  /** The answer that the last byte is in flash. */
  *#awaitImage(payload: Payload, state: Interrupted): Session<void> {
    for (let notices = 0; notices < MAX_STRAY_FRAMES; notices++) {
      const notice = yield* this.#control.notice(FINISH_MS);
      if (notice?.kind === 'receipt') {
        const counted = this.#unwrapped(notice.receivedBytes, state);
        if (counted === undefined) throw lost(state.sent, notice.receivedBytes);
        state.confirmed = counted;
        continue;
      }
      if (notice?.kind === 'response' && notice.request === Opcode.ReceiveImage) {
        if (notice.status === Status.Success) return;
        throw this.#refusedData(notice.status);
      }
      if (notice) continue;
      const counted = this.#unwrapped(yield* this.#control.receivedBytes(), state);
      if (counted === payload.sizeBytes) return;
      throw lost(state.sent, counted);
    }
    throw tooMuch();
  }

  #refusedData(status: number): Error {
    // Too fast, or a packet was lost on the way so that the last one is too long: worth another, slower try.
    return new StartOverError(statusError(Opcode.ReceiveImage, status, this.artifact), true);
  }

  *#validate(): Session<void> {
    yield* this.#control.send({ opcode: Opcode.Validate });
    const status = yield* this.#control.status(Opcode.Validate, VALIDATE_MS);
    if (status === Status.Success) return;
    const error = statusError(Opcode.Validate, status, this.artifact);
    if (status === Status.CrcError || status === Status.InvalidState) throw new StartOverError(error, true);
    throw error;
  }

  /** Notifications that nobody waits for any more. */
  *drain(): Session<void> {
    yield* this.talk.drain(CONTROL_POINT);
  }
}

function lost(sent: number, received: number | undefined): StartOverError {
  const detail = `${sent} bytes were sent, ${received === undefined ? 'an unknown number' : received} arrived`;
  return new StartOverError(new LinkError('link.corrupt', { detail }), true);
}
