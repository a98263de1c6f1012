/**
 * One update of one unit over a UART. The bootloader acknowledges packets and judges in silence: what it refused shows in
 * that it starts again, what it took in that it is gone. What then runs, nobody can ask: the best end is `unproven`.
 */
import { DrydockError, InvariantError, LinkError, TargetRefusedError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LineSettings, LinkInfo, Session } from '../../session/session.js';
import { fit } from '../legacy-dfu/fit.js';
import { ForbiddenStepError, isLinkTrouble, LeaveError, LinkTalk } from '../../session/link-talk.js';
import { type GrainCache, Payload } from '../legacy-dfu/payload.js';
import { findBootloader, hasTouch, identify, lineSettings } from './identify.js';
import { SerialLine, TargetRestartedError } from './line.js';
import { DATA_BYTES, FIRST_SEQUENCE_NUMBER, PacketType } from './messages.js';
import { activationMs, eraseMs, FRAMES_PER_PAUSE, PAGE_WRITE_MS } from './timing.js';

const START_MS = 10_000;
const DATA_MS = 10_000;
const STOP_MS = 10_000;
const MAX_RESTARTS = 3;
const FIND_MS = 30_000;
/** Looks at whether the bootloader is still there after it was told to start the image. */
const LOOKS = 3;
const BETWEEN_LOOKS_MS = 2_000;
const TOUCH_BAUD = 1_200;
const TOUCH_OPEN_MS = 100;
const TOUCH_WAIT_MS = 1_500;
const ADVANCE_BYTES = 4_096;

type Ending = Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before'>;

/** The transfer did not come to its end: it begins again. */
class TransferLostError extends Error {
  constructor(readonly reason: DrydockError) {
    super(reason.message);
  }
}

export class Update {
  readonly #talk: LinkTalk;
  readonly #line: SerialLine;
  readonly #cache: GrainCache = { from: -1, bytes: new Uint8Array() };
  #settings: LineSettings | undefined;
  #before: Identification | undefined;
  #payloads: readonly Payload[] = [];
  #current = 0;
  #touched = false;
  #erased = false;
  #complete = false;
  /** Told to start the last image. */
  #started = false;
  /** A transfer got lost: pause as the vendor's tool does. */
  #isCareful = false;
  /** Transfers that broke off at the first data. */
  #lostAfterInit = 0;
  #sentBytes = 0;

  constructor(
    link: LinkInfo,
    private readonly request: UpdateRequest,
  ) {
    this.#talk = new LinkTalk(link);
    this.#line = new SerialLine(this.#talk);
  }

  /** Never throws. */
  *run(): Session<UpdateOutcome> {
    try {
      yield* this.#prepare();
      for (let restarts = 0; ; restarts++) {
        try {
          yield* this.#enter();
          yield* this.#deliverAll();
          break;
        } catch (error) {
          const reason = error instanceof TransferLostError ? error.reason : error;
          if (!(error instanceof TransferLostError) && !isLinkTrouble(error)) throw error;
          if (!this.#touched || restarts >= MAX_RESTARTS) throw reason;
          this.#isCareful = true;
          yield* this.#findAgain();
          // Told to start, then silent: it was activated, and nobody can ask what runs.
          if (this.#started && !this.#settings) break;
        }
      }
      yield* this.#close();
      return { outcome: 'unproven', reason: 'version-not-readable', ...this.#ending(false) };
    } catch (error) {
      return yield* this.#end(error);
    }
  }

  /** Everything that can be known before the unit is touched. */
  *#prepare(): Session<void> {
    const { request } = this;
    const options = request.linkOptions ?? {};
    const before = yield* identify(this.#line, options);
    this.#before = before;
    if (before.mode === 'bootloader') this.#settings = { baud: Number(before.hardware['baud']) };
    const expected = request.expectIdentity;
    const { identity } = before;
    if (expected && (expected.kind !== identity.kind || expected.value !== identity.value)) {
      throw new DrydockError('target.wrong-identity', {
        expected: `${expected.kind} ${expected.value}`,
        actual: `${identity.kind} ${identity.value}`,
      });
    }
    const fitting = fit(before, request.artifact, { allowDowngrade: request.allowDowngrade });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
    const payloads: Payload[] = [];
    for (const image of request.artifact.images) {
      const payload = yield* Payload.open(this.#talk, image);
      if (payload.init?.deviceType === undefined) {
        throw new DrydockError('artifact.unsupported', {
          detail: `the ${image.kind} has no full init packet, without which serial bootloaders take nothing`,
        });
      }
      payloads.push(payload);
    }
    this.#payloads = payloads;
  }

  /** Into the bootloader, unless it is there already: the port is opened at 1200 baud and closed. */
  *#enter(): Session<void> {
    if (this.#settings) return;
    const options = this.request.linkOptions ?? {};
    if (!hasTouch(options)) {
      if (this.#lostAfterInit > 0) throw this.#rejectedInit('silence');
      throw new LinkError('link.timeout', { withinMs: 0, detail: 'the bootloader does not answer any more' });
    }
    yield* this.#touch();
    yield* this.#talk.configure({ baud: TOUCH_BAUD });
    yield* this.#talk.sleep(TOUCH_OPEN_MS);
    yield* this.#talk.close();
    const [first] = lineSettings(options);
    yield* this.#talk.reconnect({ afterMs: TOUCH_WAIT_MS, line: first! }, FIND_MS);
    this.#line.reset();
    this.#settings = yield* findBootloader(this.#line, lineSettings(options));
    if (!this.#settings) {
      throw new DrydockError('target.wrong-kind', {
        expected: 'board that enters its bootloader by a touch at 1200 baud',
        detail: 'it does not answer after the touch',
      });
    }
  }

  *#deliverAll(): Session<void> {
    for (;;) {
      const payload = this.#payloads[this.#current];
      if (!payload) throw new InvariantError('nothing is left to deliver');
      yield* this.#deliver(payload);
      yield* this.#awaitActivation(payload);
      if (this.#current === this.#payloads.length - 1) return;
      this.#current += 1;
      yield* this.#enter();
    }
  }

  *#deliver(payload: Payload): Session<void> {
    const { softdevice, bootloader, application } = payload.sizes;
    yield* this.#touch();
    if (!this.#erased) yield* this.#talk.mark('erased');
    this.#erased = true;
    this.#talk.mayLeave = false;
    yield* this.#line.deliver(
      {
        type: PacketType.Start,
        mode: payload.types,
        softdeviceBytes: softdevice,
        bootloaderBytes: bootloader,
        applicationBytes: application,
      },
      START_MS,
    );
    const busyMs = eraseMs(payload.sizeBytes);
    if (this.#isCareful) yield* this.#talk.sleep(busyMs);
    yield* this.#announce(payload, busyMs);
    yield* this.#sendImage(payload, busyMs);
    if (this.#current === this.#payloads.length - 1) {
      if (!this.#complete) yield* this.#talk.mark('complete');
      this.#complete = true;
      yield* this.#talk.mark('activating');
      this.#started = true;
    }
    yield* this.#line.deliver({ type: PacketType.Stop }, STOP_MS);
  }

  *#announce(payload: Payload, busyMs: number): Session<void> {
    try {
      yield* this.#line.deliver({ type: PacketType.Init, initPacket: payload.initPacket }, busyMs + DATA_MS);
    } catch (error) {
      if (!(error instanceof TargetRestartedError)) throw error;
      const detail = 'it restarted when it was told the sizes: the image is larger than its bank, or not for it';
      throw new TargetRefusedError('start', 'restart', detail, 'target.refused-image');
    }
  }

  *#sendImage(payload: Payload, busyMs: number): Session<void> {
    yield* this.#progress(0);
    for (let at = 0, told = 0; at < payload.sizeBytes;) {
      const bytes = yield* payload.read(this.#talk, at, DATA_BYTES, this.#cache);
      try {
        yield* this.#line.deliver({ type: PacketType.Data, bytes }, at < 4 * DATA_BYTES ? busyMs + DATA_MS : DATA_MS);
      } catch (error) {
        // What the init packet says is judged when the first data are on their way. Once may be an accident.
        if (isLinkTrouble(error) && at < 4 * DATA_BYTES) {
          this.#lostAfterInit += 1;
          if (error instanceof TargetRestartedError && this.#lostAfterInit > 1) throw this.#rejectedInit('restart');
        }
        throw error;
      }
      at += bytes.length;
      this.#sentBytes += bytes.length;
      if (this.#isCareful && (at / DATA_BYTES) % FRAMES_PER_PAUSE === 0) yield* this.#talk.sleep(PAGE_WRITE_MS);
      if (at - told >= ADVANCE_BYTES || at === payload.sizeBytes) {
        told = at;
        yield* this.#progress(at);
      }
    }
  }

  /** @param how a restart of the bootloader is its no; silence may be that, with the old application running, or the line. */
  #rejectedInit(how: 'restart' | 'silence'): DrydockError {
    const { deviceType, deviceRevision, sdReq } = this.request.artifact.hardware;
    const names = [
      `device type ${deviceType ?? 'any (Adafruit wants 82)'}`,
      ...(deviceRevision === undefined ? [] : [`revision ${deviceRevision}`]),
      `SoftDevice ${sdReq ?? 'any'}`,
    ];
    const did = how === 'restart' ? 'it restarted' : 'it fell silent';
    const so = how === 'restart' ? 'the file is not meant for it' : 'perhaps the file is not meant for it';
    return new TargetRefusedError(
      'init packet',
      how,
      `${did} when it got the init packet, which names ${names.join(', ')}: ${so}`,
      how === 'restart' ? 'target.refused-image' : 'target.refused',
    );
  }

  /** The bootloader checks, copies, restarts: it must be gone, or (for the next image) count from the beginning. */
  *#awaitActivation(payload: Payload): Session<void> {
    const isLast = this.#current === this.#payloads.length - 1;
    yield* this.#talk.sleep(activationMs(payload.sizeBytes));
    for (let looks = 1; ; looks++) {
      const expected = yield* this.#look();
      const isGone = expected === undefined;
      if (isGone && isLast) {
        this.#settings = undefined;
        return;
      }
      if (!isLast && expected === FIRST_SEQUENCE_NUMBER) return;
      if (looks >= LOOKS) {
        if (isGone) this.#settings = undefined;
        const detail = isGone
          ? 'it did not come back for the next image'
          : 'it stayed in its bootloader: the image it received did not pass its check';
        throw new TransferLostError(new DrydockError('target.in-bootloader', { detail }));
      }
      yield* this.#talk.sleep(BETWEEN_LOOKS_MS);
    }
  }

  /** Whether a bootloader answers; a port that left with the device is waited for. */
  *#look(): Session<number | undefined> {
    try {
      return yield* this.#line.probe(2);
    } catch (error) {
      if (!(error instanceof LinkError && error.code === 'link.lost')) throw error;
    }
    const { returnWithinMs } = this.request;
    try {
      yield* this.#talk.reconnect(this.#settings ? { line: this.#settings } : {}, returnWithinMs);
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs }, { cause: error });
    }
    this.#line.reset();
    return yield* this.#line.probe(2);
  }

  *#findAgain(): Session<void> {
    if (!this.#talk.isOpen) yield* this.#talk.reconnect(this.#settings ? { line: this.#settings } : {}, FIND_MS);
    this.#line.reset();
    const known = this.#settings ? [this.#settings] : lineSettings(this.request.linkOptions ?? {});
    this.#settings = yield* findBootloader(this.#line, known);
  }

  *#touch(): Session<void> {
    if (!this.#touched) yield* this.#talk.mark('touched');
    this.#touched = true;
  }

  *#progress(offset: number): Session<void> {
    const sum = (payloads: readonly Payload[]): number => payloads.reduce((total, each) => total + each.sizeBytes, 0);
    yield* this.#talk.progress(sum(this.#payloads.slice(0, this.#current)) + offset, sum(this.#payloads));
  }

  // Endings

  #ending(needsRescue: boolean): Ending {
    return { sentBytes: this.#sentBytes, needsRescue, ...(this.#before && { before: this.#before }) };
  }

  *#end(error: unknown): Session<UpdateOutcome> {
    this.#talk.mayLeave = false;
    // There is no way back: a bootloader without transfer starts its application when it is reset by hand, if it has one.
    const inBootloader = this.#before?.mode === 'bootloader' || this.#touched;
    if (!(error instanceof ForbiddenStepError)) yield* this.#closeQuietly();
    const ending = this.#ending(inBootloader);
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...ending };
    const known =
      error instanceof DrydockError
        ? error
        : new InvariantError(error instanceof Error ? error.message : String(error));
    return { outcome: 'failed', code: known.code, params: known.params, ...ending };
  }

  *#close(): Session<void> {
    try {
      yield* this.#talk.close();
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
  }

  *#closeQuietly(): Session<void> {
    try {
      yield* this.#talk.close();
    } catch {
      // It is the end that counts.
    }
  }
}
