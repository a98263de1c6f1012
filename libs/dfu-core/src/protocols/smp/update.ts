/**
 * One update from the first question to the proof: look, decide, upload, activate, see it return, confirm.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { ArtifactError, DrydockError, LinkError } from '../../errors.js';
import type { Identification, UnprovenReason, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import { awaitReturn, confirmRunning, reset, type Return, setForNextBoot, withdraw } from './activation.js';
import { readImageFile } from './artifact-bytes.js';
import { CancelledError, type SmpClient, type Step } from './client.js';
import { applicationImageOf, fitArtifact } from './fit.js';
import { SmpRefusedError } from './errors.js';
import { BootMode } from './messages.js';
import {
  activeImage,
  APPLICATION_IMAGE,
  hasTrial,
  isFallenBack,
  isOccupied,
  listsAfterRecovery,
  waitingImage,
} from './slots.js';
import { readList, type Survey, survey } from './survey.js';
import { mismatch, Upload } from './upload.js';

/** More requests under way than this gain nothing on any link. */
const MAX_WINDOW = 8;
/** Flash words of all parts that MCUboot's recovery runs on. */
const RECOVERY_ALIGN_BYTES = 16;
/** Foreign trials and pending images are cleared away at most this often. */
const PREPARATIONS = 3;
const RECONNECT_MS = 60_000;
const ALIVE_POLLS = 40;
/** Enough for the reset to be asked for again, should it have been lost. */
const UNCHANGED_LOOKS = 6;
/** A confirmed unit that restarts at once has fallen back, or is about to say so. */
const AFTER_CONFIRM_MS = 60_000;

type Ending =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'skipped'; readonly reason: 'already-running' }
  | { readonly outcome: 'failed'; readonly code: DrydockError['code']; readonly params: DrydockError['params'] }
  | { readonly outcome: 'reverted' }
  | { readonly outcome: 'cancelled' };

const failed = (error: DrydockError): Ending => ({ outcome: 'failed', code: error.code, params: error.params });

export class Update {
  #before: Identification | undefined;
  #after: Identification | undefined;
  #sentBytes = 0;
  #needsRescue = false;
  #touched = false;
  #activated = false;
  #pendingByUs = false;
  #erasedSlot = false;
  #sawWanted = false;

  constructor(
    readonly client: SmpClient,
    readonly request: UpdateRequest,
  ) {}

  /** Never throws: whatever happens becomes an outcome. */
  *run(conversation: () => Step<Ending>): Step<UpdateOutcome> {
    let ending: Ending;
    try {
      ending = yield* conversation();
    } catch (error) {
      ending = yield* this.#endingOf(error);
    }
    return {
      ...ending,
      ...(this.#before && { before: this.#before }),
      ...(this.#after && { after: this.#after }),
      sentBytes: this.#sentBytes,
      needsRescue: this.#needsRescue,
    };
  }

  *#endingOf(error: unknown): Step<Ending> {
    if (this.#pendingByUs && !this.#activated) {
      // The state was set but the reset was not sent: nobody may start the image by accident.
      try {
        yield* withdraw(this.client);
      } catch {
        // The error that brought us here is the one to tell.
      }
    }
    if (error instanceof CancelledError) return { outcome: 'cancelled' };
    if (error instanceof DrydockError) return failed(error);
    throw error;
  }

  /** The whole way; also that of a rescue, for it begins with what is there. */
  *updateConversation(): Step<Ending> {
    const wanted = this.#wantedHash();
    yield* this.client.start();
    let found = yield* survey(this.client);
    this.#checkIdentity(found.identification);
    this.#before = found.identification;
    this.#needsRescue = found.mode === 'bootloader';
    this.#checkFit(found);

    if (found.mode === 'bootloader') return yield* this.#throughRecovery(found, wanted);
    if (!found.images) throw unlisted();
    for (let round = 0; ; round++) {
      const active = activeImage(found.images);
      if (active?.hash === wanted) return yield* this.#alreadyRunning(active.confirmed, wanted);
      const waiting = waitingImage(found.images, wanted);
      if (waiting?.pending || waiting?.permanent) return yield* this.#activate(found, wanted, false);
      if (waiting) {
        yield* this.#touch();
        return yield* this.#activate(found, wanted, true);
      }
      if (!isOccupied(found.images, found.bootMode)) break;
      if (round >= PREPARATIONS) {
        throw new DrydockError('target.busy', { detail: 'another image stays pending or on trial' });
      }
      found = yield* this.#clear(found);
    }
    this.client.checkStop();
    const file = yield* readImageFile(this.client, this.request.artifact);
    yield* this.#touch();
    yield* this.#upload(found, file, wanted);
    return yield* this.#activate(found, wanted, true);
  }

  #wantedHash(): string {
    const image = applicationImageOf(this.request.artifact);
    if (!image?.runningHash || !/^([0-9a-f]{2}){32,64}$/.test(image.runningHash)) {
      const detail = 'the description names no image hash to look for';
      throw new ArtifactError('artifact.malformed', { field: 'runningHash', offset: 0, detail });
    }
    return image.runningHash;
  }

  /** The unit must be the one that is meant. Serial recovery cannot state a name: there the application must, later. */
  #checkIdentity({ identity: actual, mode }: Identification): void {
    const expected = this.request.expectIdentity ?? this.#before?.identity;
    if (!expected || (expected.kind === actual.kind && expected.value === actual.value)) return;
    const namedLater = mode === 'bootloader' && expected.kind === 'serial-number' && actual.kind !== 'serial-number';
    const namedNow =
      this.#before?.mode === 'bootloader' && actual.kind === 'serial-number' && !this.request.expectIdentity;
    if (namedLater || namedNow) return;
    throw new DrydockError('target.wrong-identity', {
      expected: `${expected.kind} ${expected.value}`,
      actual: `${actual.kind} ${actual.value}`,
    });
  }

  #checkFit(found: Survey): void {
    const fit = fitArtifact(found.identification, this.request.artifact, this.request);
    if (!fit.fits) throw new ArtifactError(fit.code, fit.params);
  }

  *#touch(): Step<void> {
    if (this.#touched) return;
    yield* this.client.mark('touched');
    this.#touched = true;
  }

  /** It runs what we bring. On trial it is confirmed, which is all that is left to do. */
  *#alreadyRunning(confirmed: boolean, wanted: string): Step<Ending> {
    if (!confirmed) {
      yield* this.#touch();
      const images = yield* confirmRunning(this.client, wanted);
      if (activeImage(images)?.hash !== wanted) throw notConfirmed('it went away while being confirmed');
    }
    return { outcome: 'skipped', reason: 'already-running' };
  }

  /** Makes room: takes a foreign image out of the next boot, or ends a foreign trial by letting it fall back. */
  *#clear(found: Survey): Step<Survey> {
    yield* this.#touch();
    const foreignPending = found.images?.some(
      ({ image, active, pending }) => image === APPLICATION_IMAGE && !active && pending,
    );
    if (!foreignPending || !(yield* this.#eraseSlot())) {
      const former = JSON.stringify(found.images);
      yield* reset(this.client);
      yield* this.#seeReturn(this.request.returnWithinMs, ({ images }) => JSON.stringify(images) === former);
    }
    const now = yield* survey(this.client);
    this.#before = now.identification;
    if (now.mode === 'bootloader' || !now.images) throw unlisted();
    this.#checkFit(now);
    return now;
  }

  /** @returns false where the target keeps a pending image, so that only its boot ends that state. */
  *#eraseSlot(): Step<boolean> {
    try {
      yield* this.client.ask({ kind: 'erase' }, { withinMs: 40_000, tries: 2 });
    } catch (error) {
      if (error instanceof SmpRefusedError) return false;
      throw error;
    }
    this.#erasedSlot = true;
    return true;
  }

  *#upload(found: Survey, file: Uint8Array, wanted: string): Step<void> {
    const { tuning } = this.request;
    const { transport } = this.client;
    const inRecovery = found.mode === 'bootloader';
    const upload = new Upload(this.client, {
      file,
      sha: inRecovery ? undefined : sha256(file),
      limit: Math.min(transport.longestMessage(found.params), tuning?.maxWriteBytes ?? Number.MAX_SAFE_INTEGER),
      window: inRecovery ? 1 : Math.max(1, Math.min(transport.window(found.params), tuning?.window ?? MAX_WINDOW)),
      alignBytes: inRecovery ? RECOVERY_ALIGN_BYTES : 1,
      afterErase: this.#erasedSlot,
      recover: (lost) => this.#recoverUpload(lost, found, wanted),
    });
    try {
      yield* upload.run();
    } finally {
      this.#sentBytes += upload.sentBytes;
    }
    const images = (yield* readList(this.client))?.images;
    if (inRecovery) checkRecoveryList(images, wanted);
    else if (!waitingImage(images, wanted)) throw mismatch('the list does not show the image in its slot');
    yield* this.client.mark('complete');
  }

  /** The unit is silent, gone, or has lost its place: find it, and see whether it still is as it was. */
  *#recoverUpload(lost: boolean, found: Survey, wanted: string): Step<'complete' | 'go-on'> {
    let mustReconnect = lost || this.client.link.kind === 'ble';
    for (let poll = 0; poll < ALIVE_POLLS; poll++) {
      this.client.checkStop();
      try {
        if (mustReconnect) yield* this.client.reconnect({}, RECONNECT_MS);
        mustReconnect = false;
        const list = yield* readList(this.client, { withinMs: 1000, tries: 1 });
        if (found.mode === 'bootloader') return 'go-on';
        if (waitingImage(list?.images, wanted)) return 'complete';
        const active = activeImage(list?.images);
        if (active && active.hash === activeImage(found.images)?.hash) return 'go-on';
        throw new DrydockError('target.in-bootloader', { detail: 'it restarted as something else during the upload' });
      } catch (error) {
        if (!(error instanceof LinkError)) throw error;
        if (error.code !== 'link.lost' && error.code !== 'link.timeout') throw error;
        // A BLE server that holds half a message lets go of it when the link ends.
        mustReconnect = error.code === 'link.lost' || (this.client.link.kind === 'ble' && poll % 4 === 3);
      }
    }
    throw new LinkError('link.timeout', { withinMs: ALIVE_POLLS * 1000, detail: 'it fell silent during the upload' });
  }

  /** The unit answers from MCUboot's serial recovery: the upload replaces the application itself. */
  *#throughRecovery(found: Survey, wanted: string): Step<Ending> {
    const installed = found.images?.find(({ image, slot }) => image === APPLICATION_IMAGE && slot === 0);
    if (installed?.hash !== wanted) {
      const file = yield* readImageFile(this.client, this.request.artifact);
      yield* this.#touch();
      yield* this.client.mark('erased');
      this.#needsRescue = true;
      yield* this.#upload(found, file, wanted);
    }
    return yield* this.#activate(found, wanted, false);
  }

  /** @param setState false where the image starts at the next reset anyway. */
  *#activate(found: Survey, wanted: string, setState: boolean): Step<Ending> {
    yield* this.#touch();
    const overwrites = found.mode === 'application' && found.bootMode === BootMode.Overwrite;
    if (overwrites) yield* this.client.mark('erased');
    // Already "set state" lets the next power cut start the image, so the mark stands before it.
    yield* this.client.mark('activating');
    if (setState && hasTrial(found.bootMode)) {
      const permanently = this.request.confirm === 'at-once' || overwrites;
      this.#pendingByUs = yield* setForNextBoot(this.client, wanted, permanently);
    }
    yield* reset(this.client);
    this.#activated = true;
    this.#needsRescue = true; // until somebody answers

    // Where no flag says that a reset is still to come, an unchanged application is given a few looks.
    let unchanged = 0;
    const stillWaiting = (now: Survey): boolean => {
      const waiting = waitingImage(now.images, wanted);
      if (waiting?.pending || waiting?.permanent) return true;
      const isSame = activeImage(now.images)?.hash === activeImage(found.images)?.hash;
      return !hasTrial(found.bootMode) && isSame && ++unchanged < UNCHANGED_LOOKS;
    };
    const back = yield* this.#seeReturn(this.request.returnWithinMs, stillWaiting);
    return yield* this.judge(back, wanted);
  }

  *#seeReturn(withinMs: number, stillWaiting: (found: Survey) => boolean): Step<Return> {
    try {
      const back = yield* awaitReturn(this.client, withinMs, stillWaiting);
      this.#checkIdentity(back.survey.identification);
      this.#after = back.survey.identification;
      this.#needsRescue = false;
      return back;
    } catch (error) {
      const silent = error instanceof LinkError && (error.code === 'link.not-found' || error.code === 'link.timeout');
      if (!silent) throw error;
      throw new DrydockError('target.did-not-return', { withinMs }, { cause: error });
    }
  }

  /** What the answering application proves. */
  *judge(back: Return, wanted: string): Step<Ending> {
    const { images } = back.survey;
    if (!images) return { outcome: 'unproven', reason: 'image-not-readable' };
    const active = activeImage(images);
    if (active?.hash !== wanted) return this.#otherImage(back.survey, images, wanted);
    this.#sawWanted = true;
    const now =
      active.confirmed || !hasTrial(back.survey.bootMode) ? images : yield* confirmRunning(this.client, wanted);
    if (!now) return yield* this.#afterVanishing(back.sawLeave, wanted);
    const confirmed = activeImage(now);
    if (confirmed?.hash !== wanted) return this.#otherImage(back.survey, now, wanted);
    if (this.#after) this.#after = { ...this.#after, running: withConfirmed(this.#after.running) };
    return this.#provenIfItLeft(back.sawLeave);
  }

  /** It went away while it was being confirmed: only what comes back counts. */
  *#afterVanishing(sawLeave: boolean, wanted: string): Step<Ending> {
    const back = yield* this.#seeReturn(Math.min(this.request.returnWithinMs, AFTER_CONFIRM_MS), () => false);
    const active = activeImage(back.survey.images);
    if (active?.hash !== wanted) return this.#otherImage(back.survey, back.survey.images ?? [], wanted);
    if (active.confirmed) return this.#provenIfItLeft(sawLeave);
    const images = yield* confirmRunning(this.client, wanted);
    if (!images) throw notConfirmed('it went away twice while being confirmed');
    return activeImage(images)?.hash === wanted
      ? this.#provenIfItLeft(sawLeave)
      : this.#otherImage(back.survey, images, wanted);
  }

  /** Another hash before, this one now: in between it must have started anew. */
  #provenIfItLeft(sawLeave: boolean): Ending {
    const before = this.#before;
    const hashBefore = before?.running.find(({ image }) => image === APPLICATION_IMAGE)?.hash;
    const wasElsewhere = before?.mode === 'bootloader' || hashBefore !== undefined;
    return wasElsewhere || (before !== undefined && sawLeave)
      ? { outcome: 'proven' }
      : { outcome: 'unproven', reason: 'did-not-see-it-leave' };
  }

  #otherImage({ bootMode }: Survey, images: NonNullable<Survey['images']>, wanted: string): Ending {
    const ranOnce = this.#sawWanted || (hasTrial(bootMode) && isFallenBack(images, wanted));
    if (ranOnce) return { outcome: 'reverted' };
    const active = activeImage(images);
    const actual = active ? (active.hash ?? active.version ?? 'an image without hash') : 'nothing it names';
    return failed(new DrydockError('target.wrong-image-runs', { actual, expected: wanted }));
  }

  /** Late proof, after the agent was away: look, confirm if it is still on trial, judge. */
  *proveConversation(before: Identification | undefined): Step<Ending> {
    const wanted = this.#wantedHash();
    this.#before = before;
    this.#needsRescue = true; // until somebody answers
    yield* this.client.start();
    let found: Survey;
    try {
      found = yield* survey(this.client);
    } catch (error) {
      if (!(error instanceof LinkError) || (error.code !== 'link.timeout' && error.code !== 'link.lost')) throw error;
      found = (yield* this.#seeReturn(this.request.returnWithinMs, () => false)).survey;
    }
    this.#checkIdentity(found.identification);
    this.#after = found.identification;
    if (found.mode === 'bootloader') {
      throw new DrydockError('target.in-bootloader', { detail: 'it answers as MCUboot serial recovery' });
    }
    this.#needsRescue = false;
    const active = activeImage(found.images);
    if (active?.hash === wanted && !active.confirmed && hasTrial(found.bootMode)) yield* this.client.mark('activating');
    const hashBefore = before?.running.find(({ image }) => image === APPLICATION_IMAGE)?.hash;
    const ending = yield* this.judge({ survey: found, sawLeave: false }, wanted);
    return ending.outcome === 'proven' && hashBefore === wanted
      ? { outcome: 'unproven', reason: 'version-unchanged' }
      : ending;
  }
}

function withConfirmed(running: Identification['running']): Identification['running'] {
  return running.map((entry) => (entry.image === APPLICATION_IMAGE ? { ...entry, confirmed: true } : entry));
}

function checkRecoveryList(images: Survey['images'], wanted: string): void {
  if (listsAfterRecovery(images, wanted)) return;
  const detail = 'the bootloader does not list the image after its upload: it would not start it';
  throw new DrydockError('target.refused-image', { request: 'upload', result: 'not listed', detail });
}

function unlisted(): DrydockError {
  return new DrydockError('target.wrong-kind', {
    expected: 'application with an image list',
    detail: 'it refuses the list',
  });
}

function notConfirmed(detail: string): DrydockError {
  return new DrydockError('target.not-confirmed', { detail });
}
