/**
 * One update of one unit, from wherever it is found to the proof, and the way out when something is in the way.
 * A package of several images is sent in its order, each to the bootloader that the one before left running.
 *
 * Over BLE nobody can ask how many banks a target has, so the application counts as lost (`erased`) from the first data
 * object on. Until then the way back is open: abort the transfer and the application starts again. From then on a
 * cancellation is noted and the way goes on to the next state with a running application, the new one.
 */
import { DrydockError, InvariantError, LinkError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { bothFaces, isElsewhere } from './addresses.js';
import { serialReturn, settleSerial } from './serial-return.js';
import { Conversation, ForbiddenStepError, isLinkTrouble, LeaveError } from './conversation.js';
import { enterBootloader } from './entry.js';
import { mayBeThereAlready } from './errors.js';
import { fit, isOlder } from './fit.js';
import { applicationAddresses, identify, modeOf, otherUnit } from './identify.js';
import { judge } from './judge.js';
import { CONTROL_POINT, Opcode } from './messages.js';
import { Payload } from './payload.js';
import { Transfer } from './transfer.js';

const FIND_MS = 30_000;
/** Targets end the link 200 ms after they accepted the image; copying starts after that. */
const LEAVE_MS = 5_000;
/** A bootloader that restarts after a refused image answers within this. */
const GONE_MS = 5_000;
/** So long a bootloader waits for an application to follow a SoftDevice or itself (10 s), and a little. */
const CONTINUATION_MS = 12_000;
const MAX_LOOKS = 3;
const ABORT_MS = 2_000;
/** Connections in a row that brought the target no byte further, or did not come about. */
const MAX_STALLS = 6;
const MAX_RECONNECTS = 200;
const STALL_PAUSE_MS = 500;

type Ending = Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before' | 'after'>;

export class Update {
  readonly #talk: Conversation;
  readonly #transfer: Transfer;
  #before: Identification | undefined;
  /** Of the application: where the proof is looked for. */
  #addresses: readonly string[] = [];
  #payloads: readonly Payload[] = [];
  /** Index of the image at work; those before it are accepted. */
  #current = 0;
  #touched = false;
  #erased = false;
  #complete = false;
  /** The last execute may have reached the target. */
  #started = false;
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
    this.#talk = new Conversation(link);
    this.#transfer = new Transfer(this.#talk, request.artifact, {
      touch: () => this.#touch(),
      erase: () => this.#erase(),
      advanced: (offset) => this.#advanced(offset),
      finish: () => this.#finish(),
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
        yield* this.#leaveStranger();
        if (modeOf(this.#talk.link) === 'application') {
          // The last execute was under way when the link went: it got through.
          if (this.#started) break;
          yield* this.#enter();
        }
        // Its answer got lost on a line that says nothing when the bootloader goes.
        if (this.#started && this.#talk.isSerial && !(yield* this.#talk.isAlive(GONE_MS))) break;
        yield* this.#deliver();
        // Behind a serial line nothing comes back that could be awaited.
        if (!this.#talk.isSerial) yield* this.#awaitReturn();
        break;
      } catch (error) {
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
    const before = yield* identify(this.#talk, this.#options);
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

    const fitting = fit(before, request.artifact, {
      allowDowngrade: request.allowDowngrade,
      allowDebug: request.allowDebug === true,
    });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
    const version = before.running[0]?.version;
    const onlyApplication = request.artifact.images.every(({ kind }) => kind === 'application');
    if (onlyApplication && version !== undefined && version === request.expectVersion && request.versionProves) {
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
    // Once the request is out, the unit leaves whatever we want; where it then is has to be seen before we go.
    yield* enterBootloader(this.#talk, this.#addresses, () => this.#touch());
    this.#talk.mayLeave = !this.#erased;
    this.#talk.leaveIfAsked();
    if (modeOf(this.#talk.link) === 'application') {
      throw new LinkError('link.timeout', { withinMs: FIND_MS, detail: 'the application did not leave' });
    }
  }

  *#deliver(): Session<void> {
    yield* this.#openControl();
    for (;;) {
      const payload = this.#payloads[this.#current];
      if (!payload) throw new InvariantError('nothing is left to deliver');
      const isLast = this.#current === this.#payloads.length - 1;
      let skipped = false;
      try {
        yield* this.#transfer.deliver(payload);
      } catch (error) {
        if (isLast || !mayBeThereAlready(error, payload.image.kind)) throw error;
        skipped = true;
      }
      if (isLast) return;
      this.#current += 1;
      this.#farthest = -1;
      this.#confirmed = undefined;
      if (skipped) continue;
      // The bootloader restarts after each image and waits for the next one.
      yield* this.#awaitReturn();
      if (modeOf(this.#talk.link) === 'application') {
        throw new LinkError('link.timeout', {
          withinMs: FIND_MS,
          detail: 'its bootloader did not wait for the next image',
        });
      }
      yield* this.#openControl();
    }
  }

  *#openControl(): Session<void> {
    yield* this.#talk.openControl(this.request.returnWithinMs);
    this.#transfer.connected(this.request.tuning?.maxWriteBytes ?? this.#talk.link.maxWriteBytes);
  }

  get #options(): Readonly<Record<string, string>> {
    return this.request.linkOptions ?? {};
  }

  // What the transfer announces

  *#touch(): Session<void> {
    if (!this.#touched) yield* this.#talk.mark('touched');
    this.#touched = true;
    if (modeOf(this.#talk.link) === 'application') this.#talk.mayLeave = false;
  }

  *#erase(): Session<void> {
    if (this.#erased) return;
    yield* this.#talk.mark('erased');
    this.#erased = true;
    this.#talk.mayLeave = false;
  }

  *#advanced(offset: number): Session<void> {
    // What was there when it was first asked came from somebody before; what is taken a second time counts again.
    this.#sentBytes += Math.max(0, offset - (this.#confirmed ?? offset));
    this.#confirmed = offset;
    if (offset > this.#farthest) {
      this.#progressed ||= this.#farthest >= 0;
      this.#farthest = offset;
    }
    const size = (payload: Payload): number => payload.sizeBytes;
    const sum = (payloads: readonly Payload[]): number => payloads.map(size).reduce((a, b) => a + b, 0);
    yield* this.#talk.progress(sum(this.#payloads.slice(0, this.#current)) + offset, sum(this.#payloads));
  }

  *#finish(): Session<void> {
    if (this.#current < this.#payloads.length - 1) return;
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
    return modeOf(this.#talk.link) === 'application' && isElsewhere(this.#talk.link, this.#addresses);
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
    const { returnWithinMs: withinMs } = this.request;
    if (this.#talk.isSerial) return yield* serialReturn(this.#talk, withinMs);
    for (let tries = 1; ; tries++) {
      const left = yield* this.#seesItLeave();
      try {
        yield* this.#talk.reconnect({ addresses: bothFaces(this.#addresses) }, withinMs);
      } catch (error) {
        if (!isLinkTrouble(error)) throw error;
        throw new DrydockError('target.did-not-return', { withinMs }, { cause: error });
      }
      yield* this.#leaveStranger();
      // A bootloader that never left has perhaps not restarted yet.
      if (left || modeOf(this.#talk.link) === 'application' || tries === MAX_LOOKS) return;
    }
  }

  *#seesItLeave(): Session<boolean> {
    try {
      yield* this.#talk.receive(CONTROL_POINT, LEAVE_MS);
      return false;
    } catch (error) {
      if (error instanceof LinkError && error.code === 'link.lost') return true;
      throw error;
    }
  }

  *#prove(): Session<UpdateOutcome> {
    if (this.#talk.isSerial) {
      const settled = yield* settleSerial(this.#talk, this.request);
      return { ...settled, ...this.#ending(settled.outcome === 'failed') };
    }
    const applicationFollows = this.request.artifact.images.at(-1)?.kind !== 'application';
    if (applicationFollows && modeOf(this.#talk.link) === 'bootloader') {
      const withinMs = CONTINUATION_MS + this.request.returnWithinMs;
      yield* this.#talk.reconnect({ afterMs: CONTINUATION_MS, addresses: bothFaces(this.#addresses) }, withinMs);
    }
    const after = yield* this.#identifyPatiently();
    yield* this.#close();
    const verdict = judge(this.#before, after, this.#addresses, this.request);
    return { ...verdict, ...this.#ending(after.mode === 'bootloader', after) };
  }

  /** A link that drops while the version is read is no reason to doubt the device. */
  *#identifyPatiently(): Session<Identification> {
    for (let tries = 1; ; tries++) {
      try {
        yield* this.#leaveStranger();
        return yield* identify(this.#talk, this.#options, true);
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

  /** Aborts the transfer; a target that has an application starts it. */
  *#backToApplication(): Session<boolean> {
    if (!this.#touched) {
      yield* this.#close();
      return true;
    }
    if (!this.#talk.isOpen) yield* this.#talk.reconnect({ addresses: bothFaces(this.#addresses) }, FIND_MS);
    if (modeOf(this.#talk.link) === 'bootloader') {
      try {
        // Requests are refused while notifications are off, answer or no answer.
        yield* this.#talk.openControl(ABORT_MS);
        yield* this.#talk.ask({ opcode: Opcode.Abort });
        yield* this.#talk.answer(Opcode.Abort, ABORT_MS);
      } catch (error) {
        if (!isLinkTrouble(error)) throw error;
      }
      if (this.#talk.isSerial) return yield* this.#isStillThere();
      yield* this.#talk.reconnect({ addresses: bothFaces(this.#addresses) }, this.request.returnWithinMs);
    }
    const needsRescue = modeOf(this.#talk.link) === 'bootloader' || this.#isStranger;
    yield* this.#close();
    return needsRescue;
  }

  /** Over a serial line only bootloaders speak: silence is the application's. */
  *#isStillThere(): Session<boolean> {
    yield* this.#talk.sleep(ABORT_MS);
    const needsRescue = yield* this.#talk.isAlive(ABORT_MS);
    yield* this.#close();
    return needsRescue;
  }

  *#close(): Session<void> {
    try {
      yield* this.#talk.close();
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
  }
}

/** What a session may not throw becomes an outcome. */
export function unexpected(error: unknown): InvariantError {
  return new InvariantError(error instanceof Error ? error.message : String(error));
}
