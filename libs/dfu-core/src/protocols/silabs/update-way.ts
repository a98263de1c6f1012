/**
 * One update of one unit, from wherever it is found to the proof, and the way out when something is in the way. What is
 * common to the three protocols; how to enter, send and come back is theirs (`Steps`).
 *
 * None of these targets can resume: after any trouble the whole file is sent again, a bounded number of times.
 */
import { DrydockError, InvariantError } from '../../errors.js';
import type { ArtifactDescription } from '../../image/description.js';
import type { FitOptions, FitResult, Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import type { MarkStep, Session } from '../../session/session.js';
import { differentUnit, judge } from './judge.js';
import { Payload } from './payload.js';
import { ForbiddenStepError, isLinkTrouble, LeaveError, type Talk } from './talk.js';
import { isOlder } from './versions.js';

/** Uploads that may be begun; each can take minutes. */
const MAX_UPLOADS = 5;
/** Tries in a row that did not even come to an upload. */
const MAX_STALLS = 6;
const MAX_LOOKS = 6;

type Ending = Pick<UpdateOutcome, 'sentBytes' | 'needsRescue' | 'before' | 'after'>;

/** What a protocol's steps may say and ask while they run. */
export interface Hooks {
  readonly talk: Talk;
  readonly request: UpdateRequest;
  readonly before: Identification;
  /** Before the first request that changes the target. */
  touch(): Session<void>;
  /** Before the first byte that overwrites the running application. From here on there is no way back. */
  erase(): Session<void>;
  /** The target took the first `offset` bytes of this file. */
  advanced(offset: number): Session<void>;
  /** Every byte is there; the next request makes the new image count. */
  finish(): Session<void>;
}

/** The protocol's part. Everything may throw link troubles, after which `findAgain` and `deliver` are called again. */
export interface Steps {
  /** @param after the update: the application may lack what it had before. */
  identify(after: boolean): Session<Identification>;
  fit(found: Identification, artifact: ArtifactDescription, options: FitOptions): FitResult;
  /** From wherever the unit is, one file into it, until the target has accepted it. */
  deliver(payload: Payload, isLast: boolean, hooks: Hooks): Session<void>;
  /** The target starts what it has; ends when something answers again. @throws when nothing does. */
  awaitReturn(hooks: Hooks): Session<void>;
  findAgain(stalls: number): Session<void>;
  /** Makes a unit that was only entered start its application again. @returns true if it stays without one. */
  backToApplication(): Session<boolean>;
  /** Whether a unit that is left alone as it is now stays without its application. */
  staysBehind(erased: boolean): boolean;
  /** Before the link is left, whatever happened. */
  restore(): Session<void>;
}

export class UpdateWay implements Hooks {
  #before: Identification | undefined;
  #payloads: readonly Payload[] = [];
  #current = 0;
  #touched = false;
  #erased = false;
  #marked = new Set<MarkStep>();
  #sentBytes = 0;
  #reached = 0;
  #uploads = 0;

  constructor(
    readonly talk: Talk,
    readonly request: UpdateRequest,
    private readonly steps: Steps,
  ) {}

  get before(): Identification {
    if (!this.#before) throw new InvariantError('nobody was identified yet');
    return this.#before;
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
    for (let stalls = 0; ;) {
      try {
        while (this.#current < this.#payloads.length) {
          const isLast = this.#current === this.#payloads.length - 1;
          this.#reached = 0;
          yield* this.steps.deliver(this.#payloads[this.#current]!, isLast, this);
          this.#current += 1;
        }
        yield* this.steps.awaitReturn(this);
        break;
      } catch (error) {
        if (!isLinkTrouble(error)) throw error;
        // An application that was never touched is left alone: the next attempt finds it as it is.
        if (this.before.mode === 'application' && !this.#touched) throw error;
        if (this.#reached > 0) {
          stalls = 0;
          this.#uploads += 1;
          this.#reached = 0;
        }
        stalls += 1;
        if (stalls > MAX_STALLS || this.#uploads >= MAX_UPLOADS) throw error;
        // What was accepted and does not run has to be sent again.
        this.#current = Math.min(this.#current, this.#payloads.length - 1);
        yield* this.#findAgain(stalls);
      }
    }
    return yield* this.#prove();
  }

  /** Everything that can be known before the unit is touched. */
  *#prepare(): Session<UpdateOutcome | undefined> {
    const { request } = this;
    const { artifact } = request;
    const before = yield* this.steps.identify(false);
    this.#before = before;
    const stranger = differentUnit(undefined, before, request.expectIdentity);
    if (stranger) throw new DrydockError('target.wrong-identity', stranger);
    const { allowDowngrade } = request;
    const fitting = this.steps.fit(before, artifact, { allowDowngrade, allowDebug: request.allowDebug === true });
    if (!fitting.fits) throw new DrydockError(fitting.code, fitting.params);
    const version = before.running[0]?.version;
    if (version !== undefined && version === request.expectVersion && request.versionProves) {
      yield* this.#leaveLink();
      return { outcome: 'skipped', reason: 'already-running', ...this.#ending(false) };
    }
    if (!allowDowngrade && isOlder(request.expectVersion, version)) {
      throw new DrydockError('artifact.downgrade', { actual: request.expectVersion ?? '', expected: version ?? '' });
    }
    const payloads: Payload[] = [];
    for (const image of artifact.images) payloads.push(yield* Payload.open(this.talk, image));
    this.#payloads = payloads;
    return undefined;
  }

  // What the steps announce

  *touch(): Session<void> {
    if (!this.#touched) yield* this.talk.mark('touched');
    this.#touched = true;
  }

  *erase(): Session<void> {
    yield* this.touch();
    if (!this.#erased) yield* this.talk.mark('erased');
    this.#erased = true;
    this.talk.mayLeave = false;
  }

  *advanced(offset: number): Session<void> {
    // What is taken a second time counts again: it went over the link.
    this.#sentBytes += Math.max(0, offset - this.#reached);
    this.#reached = offset;
    const size = (payload: Payload): number => payload.sizeBytes;
    const sum = (payloads: readonly Payload[]): number => payloads.map(size).reduce((a, b) => a + b, 0);
    yield* this.talk.progress(sum(this.#payloads.slice(0, this.#current)) + offset, sum(this.#payloads));
  }

  *finish(): Session<void> {
    if (this.#current < this.#payloads.length - 1) return;
    for (const step of ['complete', 'activating'] as const) {
      if (this.#marked.has(step)) continue;
      yield* this.talk.mark(step);
      this.#marked.add(step);
    }
    this.talk.mayLeave = false;
  }

  *#findAgain(stalls: number): Session<void> {
    try {
      yield* this.steps.findAgain(stalls);
    } catch (error) {
      if (!isLinkTrouble(error)) throw error;
      // Not found this time: the next round meets a closed link, fails at once, and counts.
    }
  }

  // Endings

  *#prove(): Session<UpdateOutcome> {
    const after = yield* this.#identifyPatiently();
    yield* this.#leaveLink();
    const verdict = judge(this.#before, after, this.request);
    return { ...verdict, ...this.#ending(after.mode === 'bootloader', after) };
  }

  /** A link that drops while the version is read is no reason to doubt the device. */
  *#identifyPatiently(): Session<Identification> {
    for (let tries = 1; ; tries++) {
      try {
        return yield* this.steps.identify(true);
      } catch (error) {
        if (!isLinkTrouble(error) || tries === MAX_LOOKS) throw error;
        yield* this.#findAgain(tries);
      }
    }
  }

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
    this.talk.mayLeave = false;
    const inBootloader = this.#before?.mode === 'bootloader';
    if (error instanceof ForbiddenStepError || !this.#touched) {
      yield* this.#leaveLink();
      return inBootloader || (this.#touched && this.steps.staysBehind(this.#erased));
    }
    try {
      const needsRescue = yield* this.steps.backToApplication();
      yield* this.#leaveLink();
      return needsRescue;
    } catch {
      yield* this.#leaveLink();
      return inBootloader || this.steps.staysBehind(this.#erased);
    }
  }

  *#leaveLink(): Session<void> {
    yield* leaveLink(this.talk, this.steps);
  }
}

/** Reads what runs and judges it. Never throws. */
export function* proveNow(
  talk: Talk,
  steps: Pick<Steps, 'identify' | 'restore'>,
  request: UpdateRequest,
  before: Identification | undefined,
): Session<UpdateOutcome> {
  const known = before && { before };
  try {
    const after = yield* steps.identify(true);
    yield* leaveLink(talk, steps);
    const verdict = judge(before, after, request);
    return { ...verdict, ...known, after, sentBytes: 0, needsRescue: after.mode === 'bootloader' };
  } catch (error) {
    yield* leaveLink(talk, steps);
    if (error instanceof LeaveError) return { outcome: 'cancelled', ...known, sentBytes: 0, needsRescue: false };
    const { code, params } = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code, params, ...known, sentBytes: 0, needsRescue: false };
  }
}

/** Settings back to what they were, and closed; a link that is gone took its settings with it. */
function* leaveLink(talk: Talk, steps: Pick<Steps, 'restore'>): Session<void> {
  for (const step of [() => steps.restore(), () => talk.close()]) {
    try {
      yield* step();
    } catch (error) {
      if (!(error instanceof DrydockError)) throw error;
    }
  }
}

/** A session never throws: what is wrong before it begins is an outcome too. */
export function failedBefore<T extends object>(read: () => T): T | UpdateOutcome {
  try {
    return read();
  } catch (error) {
    const { code, params } = error instanceof DrydockError ? error : unexpected(error);
    return { outcome: 'failed', code, params, sentBytes: 0, needsRescue: false };
  }
}

function unexpected(error: unknown): InvariantError {
  return new InvariantError(error instanceof Error ? error.message : String(error));
}
