/**
 * One update of one unit, from wherever it is found to the proof, and the way out when something is in the way.
 *
 * Nobody can ask how many banks a target has, so the application counts as lost (`erased`) from the start request on,
 * which erases. Until then the way back is open: reset, and the application starts again. From then on a cancellation is
 * noted and the way goes on to the next state with a running application, the new one.
 */
import { DrydockError, InvariantError, LinkError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { bothFaces, isElsewhere } from '../secure-dfu/addresses.js';
import { isOlder } from '../secure-dfu/fit.js';
import { applicationAddresses, otherUnit } from '../secure-dfu/identify.js';
import { judge } from '../secure-dfu/judge.js';
import { unexpected } from '../secure-dfu/update.js';
import { encodeRequest } from './codec.js';
import { enterBootloader } from './entry.js';
import { fit } from './fit.js';
import { ADAFRUIT_NAME, identify, look, type Look } from './identify.js';
import { ForbiddenStepError, isLinkTrouble, LeaveError, LinkTalk, MAX_STRAY_FRAMES } from '../../session/link-talk.js';
import { CONTROL_POINT, Opcode } from './messages.js';
import { Pace } from './pace.js';
import { Payload } from './payload.js';
import { StartOverError, Transfer } from './transfer.js';

const FIND_MS = 30_000;
const LEAVE_MS = 5_000;
const MAX_LOOKS = 3;
/** Connections in a row that brought the target no byte further, or did not come about. */
const MAX_STALLS = 6;
const MAX_RECONNECTS = 200;
const STALL_PAUSE_MS = 500;
/** Each costs a whole erase and a whole transfer. */
const MAX_RESTARTS = 4;
/** Adafruit's bootloaders take no other device type. */
const ADAFRUIT_DEVICE_TYPE = 0x0052;

type Ending = Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before' | 'after'>;

export class Update {
  readonly #talk: LinkTalk;
  readonly #pace: Pace;
  readonly #transfer: Transfer;
  #before: Identification | undefined;
  /** Of the application: where the proof is looked for. */
  #addresses: readonly string[] = [];
  #payloads: readonly Payload[] = [];
  /** Index of the image at work; those before it are accepted. */
  #current = 0;
  #seen: Look = { mode: 'application', revision: undefined };
  #touched = false;
  #erased = false;
  #complete = false;
  /** The request that starts the last image may have reached the target. */
  #started = false;
  #restarts = 0;
  #sentBytes = 0;
  /** Bytes of the present image that the target last confirmed. */
  #confirmed: number | undefined;
  /** The farthest byte that the target has confirmed: what makes a reconnect worth while. */
  #farthest = -1;
  #progressed = false;

  constructor(
    link: LinkInfo,
    private readonly request: UpdateRequest,
  ) {
    this.#talk = new LinkTalk(link);
    this.#pace = new Pace(request.tuning?.window);
    this.#transfer = new Transfer(this.#talk, request.artifact, this.#pace, {
      erase: () => this.#erase(),
      advanced: (offset) => this.#advanced(offset),
    });
  }

  /** Never throws. */
  *run(): Session<UpdateOutcome> {
    try {
      return yield* this.#run();
    } catch (error) {
      return yield* this.#end(error);
    }
  }

  *#run(): Session<UpdateOutcome> {
    const skip = yield* this.#prepare();
    if (skip) return skip;
    for (let reconnects = 0, stalls = 0; ;) {
      try {
        this.#seen = yield* look(this.#talk);
        yield* this.#leaveStranger();
        if (this.#seen.mode === 'application') {
          // The last request was under way when the link went: it got through.
          if (this.#started) break;
          yield* this.#enter();
        }
        yield* this.#deliver();
        yield* this.#awaitReturn();
        break;
      } catch (error) {
        if (error instanceof StartOverError) {
          yield* this.#startOver(error);
          continue;
        }
        if (!isLinkTrouble(error)) throw error;
        if (this.#before?.mode === 'application' && !this.#touched) throw error;
        stalls = this.#progressed ? 1 : stalls + 1;
        this.#progressed = false;
        reconnects += 1;
        if (stalls > MAX_STALLS || reconnects > MAX_RECONNECTS) throw error;
        yield* this.#findAgain(stalls);
      }
    }
    return yield* this.#prove();
  }

  /** Everything that can be known before the unit is touched. */
  *#prepare(): Session<UpdateOutcome | undefined> {
    const { request } = this;
    const before = yield* identify(this.#talk, request.linkOptions ?? {});
    const expected = request.expectIdentity;
    this.#before = before;
    this.#addresses = applicationAddresses(before, expected);
    const stranger = expected && otherUnit(before, expected);
    if (expected && stranger !== undefined) {
      throw new DrydockError('target.wrong-identity', {
        expected: `${expected.kind} ${expected.value}`,
        actual: stranger,
      });
    }
    if (expected && before.mode === 'bootloader') this.#before = { ...before, identity: expected };

    const fitting = fit(before, request.artifact, { allowDowngrade: request.allowDowngrade });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
    const version = before.running[0]?.version;
    if (version !== undefined && version === request.expectVersion && request.versionProves) {
      yield* this.#close();
      return { outcome: 'skipped', reason: 'already-running', ...this.#ending(false) };
    }
    if (!request.allowDowngrade && isOlder(request.expectVersion, version)) {
      throw new DrydockError('artifact.downgrade', { actual: request.expectVersion ?? '', expected: version ?? '' });
    }
    const payloads: Payload[] = [];
    for (const image of request.artifact.images) payloads.push(yield* Payload.open(this.#talk, image));
    this.#payloads = payloads;
    return undefined;
  }

  *#enter(): Session<void> {
    this.#transfer.forget();
    // Once the request is out, the unit leaves whatever we want; where it then is has to be seen before we go.
    yield* enterBootloader(this.#talk, this.#addresses, () => this.#touch());
    this.#seen = yield* look(this.#talk);
    this.#talk.mayLeave = !this.#erased;
    this.#talk.leaveIfAsked();
    if (this.#seen.mode === 'application') {
      throw new LinkError('link.timeout', { withinMs: FIND_MS, detail: 'the application did not leave' });
    }
  }

  *#deliver(): Session<void> {
    for (;;) {
      const payload = this.#payloads[this.#current];
      if (!payload) throw new InvariantError('nothing is left to deliver');
      yield* this.#connectTransfer();
      for (const each of this.#payloads.slice(this.#current)) this.#transfer.check(each);
      yield* this.#transfer.deliver(payload);
      const isLast = this.#current === this.#payloads.length - 1;
      if (isLast) yield* this.#beforeActivation();
      yield* this.#activate();
      if (isLast) return;
      // The new bootloader, or the same with the new SoftDevice, waits for the next image.
      this.#current += 1;
      this.#farthest = -1;
      this.#confirmed = undefined;
      this.#transfer.forget();
      yield* this.#awaitReturn();
      this.#seen = yield* look(this.#talk);
      if (this.#seen.mode === 'application') yield* this.#enter();
    }
  }

  *#connectTransfer(): Session<void> {
    yield* this.#talk.subscribe(CONTROL_POINT);
    const { link } = this.#talk;
    const most = this.request.tuning?.maxWriteBytes ?? link.maxWriteBytes;
    this.#transfer.connected({
      revision: this.#seen.revision,
      isAdafruit: link.name === ADAFRUIT_NAME && this.request.artifact.hardware['deviceType'] === ADAFRUIT_DEVICE_TYPE,
      maxWriteBytes: Math.min(link.maxWriteBytes, most),
    });
  }

  /** The target drops the link while it obeys; the response to the write may or may not arrive. */
  *#activate(): Session<void> {
    try {
      yield* this.#talk.send(CONTROL_POINT, encodeRequest({ opcode: Opcode.Activate }), true);
    } catch (error) {
      if (!(error instanceof LinkError && (error.code === 'link.lost' || error.code === 'link.timeout'))) throw error;
    }
  }

  /** A transfer that cannot be mended: reset the target, and begin again more carefully. */
  *#startOver(error: StartOverError): Session<void> {
    this.#restarts += 1;
    this.#transfer.forget();
    if (this.#restarts > MAX_RESTARTS) throw error.reason;
    if (error.wasTooFast) this.#pace.slowDown();
    yield* this.#reset(this.request.returnWithinMs);
  }

  // What the transfer announces

  *#touch(): Session<void> {
    if (!this.#touched) yield* this.#talk.mark('touched');
    this.#touched = true;
    if (this.#seen.mode === 'application') this.#talk.mayLeave = false;
  }

  *#erase(): Session<void> {
    if (this.#erased) return;
    yield* this.#touch();
    yield* this.#talk.mark('erased');
    this.#erased = true;
    this.#talk.mayLeave = false;
  }

  *#advanced(offset: number): Session<void> {
    this.#sentBytes += Math.max(0, offset - (this.#confirmed ?? 0));
    this.#confirmed = offset;
    if (offset > this.#farthest) {
      this.#progressed ||= this.#farthest >= 0;
      this.#farthest = offset;
    }
    const sum = (payloads: readonly Payload[]): number => payloads.reduce((total, each) => total + each.sizeBytes, 0);
    yield* this.#talk.progress(sum(this.#payloads.slice(0, this.#current)) + offset, sum(this.#payloads));
  }

  *#beforeActivation(): Session<void> {
    if (!this.#complete) yield* this.#talk.mark('complete');
    this.#complete = true;
    yield* this.#talk.mark('activating');
    this.#started = true;
  }

  // Leaving and coming back

  /** @throws LinkError `link.not-found`, so that our unit is looked for again; nothing is written to another one. */
  *#leaveStranger(): Session<void> {
    if (!this.#isStranger) return;
    yield* this.#close();
    throw new LinkError('link.not-found', { link: this.#addresses.join(' or '), withinMs: FIND_MS });
  }

  get #isStranger(): boolean {
    return this.#seen.mode === 'application' && isElsewhere(this.#talk.link, this.#addresses);
  }

  *#findAgain(stalls: number): Session<void> {
    const afterMs = (stalls - 1) * STALL_PAUSE_MS;
    try {
      yield* this.#talk.reconnect({ afterMs, addresses: bothFaces(this.#addresses) }, FIND_MS + afterMs);
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      // Not found this time: the next round meets a closed link, fails at once, and counts.
    }
  }

  /** The target restarts: sees it go, and waits for what comes back. */
  *#awaitReturn(): Session<void> {
    for (let tries = 1; ; tries++) {
      const left = yield* this.#seesItLeave();
      yield* this.#reconnectWithin(this.request.returnWithinMs);
      this.#seen = yield* look(this.#talk);
      yield* this.#leaveStranger();
      // A bootloader that never left has perhaps not restarted yet.
      if (left || this.#seen.mode === 'application' || tries === MAX_LOOKS) return;
    }
  }

  *#reconnectWithin(returnWithinMs: number): Session<void> {
    try {
      yield* this.#talk.reconnect({ addresses: bothFaces(this.#addresses) }, returnWithinMs);
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs }, { cause: error });
    }
  }

  *#seesItLeave(): Session<boolean> {
    if (!this.#talk.isOpen) return true;
    try {
      yield* this.#talk.receive(CONTROL_POINT, LEAVE_MS);
      return false;
    } catch (error) {
      if (error instanceof LinkError && error.code === 'link.lost') return true;
      throw error;
    }
  }

  *#prove(): Session<UpdateOutcome> {
    const after = yield* this.#identifyPatiently();
    yield* this.#close();
    const verdict = judge(this.#before, after, this.#addresses, this.request);
    return { ...verdict, ...this.#ending(after.mode === 'bootloader', after) };
  }

  /** A link that drops while the version is read is no reason to doubt the device. */
  *#identifyPatiently(): Session<Identification> {
    for (let tries = 1; ; tries++) {
      try {
        if (tries > 1) this.#seen = yield* look(this.#talk);
        yield* this.#leaveStranger();
        return yield* identify(this.#talk, this.request.linkOptions ?? {}, true);
      } catch (error) {
        if (!isLinkTrouble(error) || tries === MAX_STALLS) throw error;
        yield* this.#findAgain(tries);
      }
    }
  }

  // Endings

  #ending(needsRescue: boolean, after?: Identification): Ending {
    return {
      sentBytes: this.#sentBytes,
      needsRescue,
      ...(this.#before && { before: this.#before }),
      ...(after && { after }),
    };
  }

  *#end(error: unknown): Session<UpdateOutcome> {
    const needsRescue = yield* this.#leave(error);
    const ending = this.#ending(needsRescue);
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...ending };
    const known = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code: known.code, params: known.params, ...ending };
  }

  /**
   * Leaves the unit as well as it can be left.
   * @returns whether it stays behind without a running application, as far as can be seen.
   */
  *#leave(error: unknown): Session<boolean> {
    this.#talk.mayLeave = false;
    const inBootloader = this.#before?.mode === 'bootloader' || this.#touched;
    try {
      if (!inBootloader || error instanceof ForbiddenStepError) {
        yield* this.#close();
        return inBootloader;
      }
      if (isLinkTrouble(error) && !this.#talk.isOpen) return true;
      if (error instanceof DrydockError && error.code === 'target.did-not-return') return true;
      return yield* this.#backToApplication();
    } catch {
      return inBootloader;
    }
  }

  /** Resets the target; one that has an application starts it. */
  *#backToApplication(): Session<boolean> {
    if (!this.#touched) {
      yield* this.#close();
      return true;
    }
    if (!this.#talk.isOpen) yield* this.#talk.reconnect({ addresses: bothFaces(this.#addresses) }, FIND_MS);
    this.#seen = yield* look(this.#talk);
    if (this.#seen.mode === 'bootloader') yield* this.#reset(this.request.returnWithinMs);
    this.#seen = yield* look(this.#talk);
    const needsRescue = this.#seen.mode === 'bootloader' || this.#isStranger;
    yield* this.#close();
    return needsRescue;
  }

  *#reset(returnWithinMs: number): Session<void> {
    try {
      // Requests are refused while notifications are off, answer or no answer.
      yield* this.#talk.subscribe(CONTROL_POINT);
      yield* this.#talk.send(CONTROL_POINT, encodeRequest({ opcode: Opcode.Reset }), true);
      // Receipts of the transfer that was given up come before the link goes.
      for (let strays = 0; strays < MAX_STRAY_FRAMES; strays++) {
        if (!(yield* this.#talk.receive(CONTROL_POINT, LEAVE_MS))) break;
      }
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
    yield* this.#reconnectWithin(returnWithinMs);
  }

  *#close(): Session<void> {
    try {
      yield* this.#talk.close();
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
  }
}
