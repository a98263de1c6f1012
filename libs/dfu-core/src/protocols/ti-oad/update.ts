/**
 * One update of one unit, from wherever it is found to the proof, and the way out when something is in the way.
 *
 * No target of this family can resume, so every try begins with the first byte; tries are counted. Where the running
 * application is erased on the way (on-chip, out of a persistent application) a cancellation is noted from then on, and
 * the way goes on to the next state with a running application.
 */
import { DrydockError, InvariantError, LinkError } from '../../errors.js';
import { CORE_HEADER_BYTES, TI_OAD_FORMAT } from '../../image/ti-oad/format.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { LinkInfo, Session } from '../../session/session.js';
import { ClassicTransfer } from './classic.js';
import { Conversation, ForbiddenStepError, isLinkTrouble, LeaveError } from './conversation.js';
import { EnhancedTransfer } from './enhanced.js';
import { enterPersistent, isUserApplication, leavePersistent, restarted } from './entry.js';
import { fit, isOlder, isOnChip, statedVersion, variantOf } from './fit.js';
import { HEAD_BYTES, readHeaderBytes } from './header-bytes.js';
import { identify, otherUnit } from './identify.js';
import { judge, type Verdict } from './judge.js';
import { CONTROL } from './messages.js';
import { SteadySource } from './source.js';
import { StartOverError, type TransferHooks, type TransferPace } from './transfer.js';

const FIND_MS = 30_000;
const READ_MS = 10_000;
/** Tries from the first byte, and connections that did not come about, in one update. */
const MAX_TRIES = 6;
const PAUSE_MS = 1_000;
/** Progress is told about as often as the blocks of other protocols are. */
const PROGRESS_BYTES = 4096;

type Ending = Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before' | 'after'>;

export class Update {
  readonly #talk: Conversation;
  #before: Identification | undefined;
  /** Of whoever answers now; in a persistent application it tells what the user application could not. */
  #present: Identification | undefined;
  #addresses: readonly string[] = [];
  #source: SteadySource | undefined;
  #classicHeader: Uint8Array = new Uint8Array();
  #touched = false;
  #entered = false;
  #erased = false;
  #complete = false;
  /** The last write may have started the image; cleared when the old one is seen to run and a try is left. */
  #started = false;
  #tries = 0;
  #triedAgain = false;
  #sentBytes = 0;
  #confirmed = 0;
  #toldBytes = -1;
  readonly #hooks: TransferHooks = {
    touch: () => this.#touch(),
    erase: () => this.#erase(),
    advanced: (offset) => this.#advanced(offset),
    finish: () => this.#finish(),
  };

  constructor(
    link: LinkInfo,
    private readonly request: UpdateRequest,
  ) {
    this.#talk = new Conversation(link);
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
    for (;;) {
      yield* this.#tryUntilStarted();
      const ended = yield* this.#prove();
      if (ended) return ended;
    }
  }

  /** Everything that can be known before the unit is touched. */
  *#prepare(): Session<UpdateOutcome | undefined> {
    const { request } = this;
    const before = yield* identify(this.#talk);
    const expected = request.expectIdentity;
    this.#before = before;
    this.#present = before;
    this.#addresses = [expected?.kind === 'ble-address' ? expected.value : before.identity.value];
    const stranger = expected && otherUnit(before, expected);
    if (expected && stranger !== undefined) {
      throw new DrydockError('target.wrong-identity', {
        expected: `${expected.kind} ${expected.value}`,
        actual: stranger,
      });
    }
    this.#mustFit(before);
    const version = before.running[0]?.version;
    const wanted = request.expectVersion ?? statedVersion(before, request.artifact);
    if (version !== undefined && version === wanted && request.versionProves) {
      yield* this.#close();
      return { outcome: 'skipped', reason: 'already-running', ...this.#ending(false) };
    }
    if (!request.allowDowngrade && isOlder(request.expectVersion, version)) {
      throw new DrydockError('artifact.downgrade', { actual: request.expectVersion ?? '', expected: version ?? '' });
    }
    yield* this.#openSource();
    return undefined;
  }

  #mustFit(found: Identification): void {
    const { artifact, allowDowngrade, allowDebug } = this.request;
    const fitting = fit(found, artifact, { allowDowngrade, allowDebug: allowDebug === true });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
  }

  *#openSource(): Session<void> {
    const { artifact } = this.request;
    const image = artifact.images[0];
    if (!image || artifact.images.length !== 1) {
      throw new DrydockError('artifact.unsupported', { detail: `${artifact.images.length} images; one is delivered` });
    }
    this.#source = yield* SteadySource.open(this.#talk, image);
    if (artifact.format.startsWith('ti-oad-classic')) {
      const header = yield* this.#talk.tryRead(`header:${image.image}`, 0, 16, READ_MS);
      if (!header) throw new LinkError('link.timeout', { withinMs: READ_MS, detail: 'the metadata cannot be read' });
      this.#classicHeader = header;
    }
  }

  // Tries

  *#tryUntilStarted(): Session<void> {
    let isCareful = this.#tries > 0;
    for (;;) {
      try {
        if (!this.#talk.isOpen) yield* this.#talk.reconnect({ addresses: this.#addresses }, FIND_MS);
        // It went while the last write was under way: what runs has to be seen first.
        if (this.#started) return;
        if (isUserApplication(this.#talk)) yield* this.#enter();
        yield* this.#deliver({ isFirst: this.#tries === 0, isCareful, window: this.request.tuning?.window });
        return;
      } catch (error) {
        const trouble = error instanceof StartOverError ? error.cause : error;
        if (!(error instanceof StartOverError) && !isLinkTrouble(error)) throw error;
        if (!this.#touched) throw trouble;
        if (this.#started && isLinkTrouble(trouble) && !this.#talk.isOpen) return;
        this.#started = false;
        this.#tries += 1;
        if (this.#tries >= MAX_TRIES) throw trouble;
        // A lost link says nothing about the pace; a refused or unanswered block may.
        isCareful ||= error instanceof StartOverError;
        yield* this.#talk.sleep(PAUSE_MS);
      }
    }
  }

  *#enter(): Session<void> {
    const { artifact } = this.request;
    yield* this.#touch();
    // MCUboot-based user applications overwrite their own header before they leave.
    if (artifact.format !== TI_OAD_FORMAT) yield* this.#loseApplication();
    // Once it was asked the unit leaves, whatever we want; where it then is has to be seen before we go.
    this.#entered = true;
    this.#talk.mayLeave = false;
    yield* enterPersistent(this.#talk, this.#addresses);
    this.#talk.mayLeave = !this.#erased;
    const present = yield* identify(this.#talk, { entered: true });
    this.#present = present;
    this.#mustFit(present);
    this.#talk.leaveIfAsked();
  }

  *#deliver(pace: TransferPace): Session<void> {
    const source = this.#source;
    if (!source) throw new InvariantError('nothing was read of the artifact');
    const { artifact } = this.request;
    this.#confirmed = 0;
    this.#toldBytes = -1;
    if (!this.#talk.has(CONTROL)) {
      return yield* new ClassicTransfer(this.#talk, artifact, source, this.#hooks, this.#classicHeader).deliver(pace);
    }
    const headerBytes = artifact.format === TI_OAD_FORMAT ? yield* this.#headerBytes(source) : 0;
    yield* new EnhancedTransfer(this.#talk, artifact, source, this.#hooks, headerBytes).deliver(pace);
  }

  *#headerBytes(source: SteadySource): Session<number> {
    yield* source.rewind(this.#talk);
    return readHeaderBytes(yield* source.take(this.#talk, 0, Math.min(source.sizeBytes, HEAD_BYTES)));
  }

  // What the transfer announces

  *#touch(): Session<void> {
    if (!this.#touched) yield* this.#talk.mark('touched');
    this.#touched = true;
  }

  *#erase(): Session<void> {
    if (this.#present && isOnChip(this.#present)) yield* this.#loseApplication();
  }

  *#loseApplication(): Session<void> {
    if (!this.#erased) yield* this.#talk.mark('erased');
    this.#erased = true;
    this.#talk.mayLeave = false;
  }

  *#advanced(offset: number): Session<void> {
    this.#sentBytes += Math.max(0, offset - this.#confirmed);
    this.#confirmed = offset;
    const total = this.#source?.sizeBytes ?? 0;
    if (offset < total && offset - this.#toldBytes < PROGRESS_BYTES && this.#toldBytes >= 0) return;
    this.#toldBytes = offset;
    yield* this.#talk.progress(offset, total);
  }

  *#finish(): Session<void> {
    if (!this.#complete) yield* this.#talk.mark('complete');
    this.#complete = true;
    yield* this.#talk.mark('activating');
    this.#started = true;
    this.#talk.mayLeave = false;
  }

  // Proof

  /** @returns undefined when the image was perhaps never started and another try is left. */
  *#prove(): Session<UpdateOutcome | undefined> {
    const { returnWithinMs } = this.request;
    let sawLeave: boolean;
    const wasOpen = this.#talk.isOpen;
    try {
      sawLeave = yield* restarted(this.#talk, this.#addresses, returnWithinMs);
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      throw new DrydockError('target.did-not-return', { withinMs: returnWithinMs }, { cause: error });
    }
    const after = yield* this.#identifyPatiently();
    const verdict = judge(this.#before, after, this.#addresses[0], this.request);
    if (this.#isWorthAnother(verdict, after, wasOpen && sawLeave)) return undefined;
    yield* this.#close();
    return { ...verdict, ...this.#ending(after.mode === 'bootloader', after) };
  }

  /**
   * The old image runs, and nobody saw the device say that it starts the new one: the last write may have been lost with
   * the link. One more try tells.
   */
  #isWorthAnother(verdict: Verdict, after: Identification, sawLeave: boolean): boolean {
    const isOld =
      verdict.outcome === 'failed' && (verdict.code === 'target.reverted' || verdict.code === 'target.in-bootloader');
    const sameAsBefore = after.running[0]?.version === this.#before?.running[0]?.version;
    if (sawLeave || !(isOld || (verdict.outcome === 'failed' && sameAsBefore))) return false;
    if (this.#tries + 1 >= MAX_TRIES || this.#triedAgain) return false;
    this.#triedAgain = true;
    this.#tries += 1;
    this.#started = false;
    this.#present = after;
    return true;
  }
  /** A link that drops while the version is read is no reason to doubt the device. */
  *#identifyPatiently(): Session<Identification> {
    for (let tries = 1; ; tries++) {
      try {
        if (!this.#talk.isOpen) yield* this.#talk.reconnect({ addresses: this.#addresses }, FIND_MS);
        return yield* identify(this.#talk, { anyApplication: true, entered: this.#isPersistentHere() });
      } catch (error) {
        if (!isLinkTrouble(error) || tries === MAX_TRIES) throw error;
        yield* this.#talk.sleep(PAUSE_MS);
      }
    }
  }

  /** An on-chip unit never offers the control characteristic out of its user application. */
  #isPersistentHere(): boolean {
    const wasOnChip = this.#entered || (this.#before !== undefined && isOnChip(this.#before));
    return wasOnChip && this.#talk.has(CONTROL);
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
    const cause = error instanceof StartOverError ? error.cause : error;
    const known = cause instanceof DrydockError ? cause : unexpected(cause);
    return { outcome: 'failed', code: known.code, params: known.params, ...ending };
  }

  /**
   * Leaves the unit as well as it can be left.
   * @returns whether it stays behind without a running application, as far as can be seen.
   */
  *#leave(error: unknown): Session<boolean> {
    this.#talk.mayLeave = false;
    const found = this.#before;
    const isPersistent = this.#entered || found?.mode === 'bootloader';
    const lost = this.#erased || isPersistent || this.#isGone(error);
    try {
      if (error instanceof ForbiddenStepError || !this.#touched || this.#isGone(error)) {
        yield* this.#close();
        return lost;
      }
      if (!this.#talk.isOpen) {
        if (isLinkTrouble(error) || !isPersistent || this.#erased) return lost;
        yield* this.#talk.reconnect({ addresses: this.#addresses }, FIND_MS);
      }
      if (isUserApplication(this.#talk)) {
        yield* this.#close();
        return false;
      }
      if (this.#talk.has(CONTROL)) yield* this.#forget();
      const isBack =
        this.#entered && !this.#erased
          ? yield* leavePersistent(this.#talk, this.#addresses, this.request.returnWithinMs)
          : !lost;
      yield* this.#close();
      return !isBack;
    } catch {
      return lost;
    }
  }

  /** Told to start the image and not seen since. */
  #isGone(error: unknown): boolean {
    return error instanceof DrydockError && error.code === 'target.did-not-return';
  }

  *#forget(): Session<void> {
    const source = this.#source;
    if (!source) return;
    try {
      yield* this.#talk.subscribe(CONTROL);
      yield* new EnhancedTransfer(this.#talk, this.request.artifact, source, this.#hooks, CORE_HEADER_BYTES).cancel();
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
  }

  *#close(): Session<void> {
    try {
      yield* this.#talk.close();
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
    }
  }
}

/** Reads what runs and judges it. Never throws. */
export function* proveNow(
  link: LinkInfo,
  request: UpdateRequest,
  before: Identification | undefined,
): Session<UpdateOutcome> {
  const talk = new Conversation(link);
  const known = before && { before };
  try {
    const variant = before && variantOf(before);
    const wasOnChip = before !== undefined && variant !== undefined && isOnChip(before);
    const after = yield* identify(talk, { anyApplication: true, entered: wasOnChip && talk.has(CONTROL) });
    yield* talk.close();
    const { expectIdentity } = request;
    const address = expectIdentity?.kind === 'ble-address' ? expectIdentity.value : (before ?? after).identity.value;
    const verdict = judge(before, after, address, request);
    return { ...verdict, ...known, after, sentBytes: 0, needsRescue: after.mode === 'bootloader' };
  } catch (error) {
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...known, sentBytes: 0, needsRescue: false };
    const { code, params } = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code, params, ...known, sentBytes: 0, needsRescue: before?.mode === 'bootloader' };
  }
}

function unexpected(error: unknown): InvariantError {
  return new InvariantError(error instanceof Error ? error.message : String(error));
}
