/**
 * One update from the first question to the proof: look, decide, upload, activate, see it return, confirm.
 */
import { DrydockError, LinkError } from '../../errors.js';
import type { Identification, UpdateOutcome, UpdateRequest } from '../../session/protocol.js';
import { reset, setForNextBoot, withdraw } from './activation.js';
import { Attempt } from './attempt.js';
import { CancelledError, type SmpClient, type Step } from './client.js';
import { deliver, makeRoom, openImages, requireList, slotOf } from './delivery.js';
import { confirmAll, type Ending, failed, judge, notConfirmed } from './judge.js';
import { BootMode } from './messages.js';
import { deliverThroughRecovery, enterRecovery, goesThroughRecovery, leaveRecovery } from './recovery.js';
import { activeImage, hasTrial, isPending, waitingImage } from './slots.js';
import { type Survey, survey } from './survey.js';
import { chooseImages, imageForRecovery, imagesOf, type WantedImage } from './wanted.js';

/** Enough for the reset to be asked for again, should it have been lost. */
const UNCHANGED_LOOKS = 6;

export class Update {
  readonly #attempt: Attempt;

  /** @param loaderName by which a firmware loader is to advertise. */
  constructor(client: SmpClient, request: UpdateRequest, loaderName: string) {
    this.#attempt = new Attempt(client, request, loaderName);
  }

  /** Never throws: whatever happens becomes an outcome. */
  *run(conversation: () => Step<Ending>): Step<UpdateOutcome> {
    const attempt = this.#attempt;
    let ending: Ending;
    try {
      ending = yield* conversation();
    } catch (error) {
      ending = yield* this.#endingOf(error);
    }
    return {
      ...ending,
      ...(attempt.before && { before: attempt.before }),
      ...(attempt.after && { after: attempt.after }),
      sentBytes: attempt.sentBytes,
      needsRescue: attempt.needsRescue,
    };
  }

  *#endingOf(error: unknown): Step<Ending> {
    const attempt = this.#attempt;
    try {
      if (attempt.pendingByUs && !attempt.activated) yield* this.#withdrawAll();
      if (attempt.inRecoveryByUs) yield* leaveRecovery(attempt);
    } catch {
      // The error that brought us here is the one to tell.
    }
    if (error instanceof CancelledError) return { outcome: 'cancelled' };
    if (error instanceof DrydockError) return failed(error);
    throw error;
  }

  /** The state was set but the reset was not sent: nobody may start the images by accident. */
  *#withdrawAll(): Step<void> {
    const { client, request } = this.#attempt;
    const images = new Set(imagesOf(request.artifact).map(({ image }) => image));
    for (const image of images) yield* withdraw(client, this.#found ? slotOf(this.#found, image) : {});
  }

  /** As it was when the state was set. */
  #found: Survey | undefined;

  /** The whole way; also that of a rescue, for it begins with what is there. */
  *updateConversation(): Step<Ending> {
    const attempt = this.#attempt;
    const { client, request } = attempt;
    imagesOf(request.artifact);
    yield* client.start();
    let found = yield* survey(client);
    attempt.checkIdentity(found.identification);
    attempt.before = found.identification;
    attempt.needsRescue = found.mode === 'bootloader';
    attempt.checkFit(found);
    if (found.mode === 'application' && goesThroughRecovery(attempt, found)) {
      if (this.#runsAll(found)) return yield* this.#alreadyRunning(found);
      yield* openImages(attempt, [imageForRecovery(request.artifact)]);
      found = yield* enterRecovery(attempt, found);
      // It knows more of what is installed than an application without image list.
      attempt.checkFit(found);
    }
    return found.mode === 'bootloader' ? yield* this.#throughRecovery(found) : yield* this.#throughApplication(found);
  }

  #runsAll({ images }: Survey): boolean {
    if (!images) return false;
    const wanted = chooseImages(this.#attempt.request.artifact, images);
    return wanted.every(({ image, hash }) => activeImage(images, image)?.hash === hash);
  }

  *#throughApplication(first: Survey): Step<Ending> {
    const attempt = this.#attempt;
    const { client, request } = attempt;
    requireList(first);
    if (this.#runsAll(first)) return yield* this.#alreadyRunning(first);
    const sound = yield* openImages(attempt, this.#unsent(first));
    const found = yield* makeRoom(attempt, first, this.#missing(first));
    if (this.#runsAll(found)) return yield* this.#alreadyRunning(found);
    const missing = this.#missing(found);
    const unsent = this.#unsent(found);
    if (unsent.length > 0) {
      client.checkStop();
      // After a restart another slot may be the free one, and the file for it another one.
      const readers = found === first ? sound : yield* openImages(attempt, unsent);
      yield* attempt.touch();
      yield* deliver(attempt, found, readers);
    }
    return yield* this.#activate(found, missing, chooseImages(request.artifact, found.images));
  }

  /** What does not run yet, the network core before the application. */
  #missing({ images }: Survey): readonly WantedImage[] {
    const wanted = chooseImages(this.#attempt.request.artifact, images);
    return wanted.filter(({ image, hash }) => activeImage(images, image)?.hash !== hash).reverse();
  }

  /** What lies in no slot yet. */
  #unsent(found: Survey): readonly WantedImage[] {
    return this.#missing(found).filter(({ image, hash }) => !waitingImage(found.images, hash, image));
  }

  /** It runs what we bring. What is on trial is confirmed, which is all that is left to do. */
  *#alreadyRunning(found: Survey): Step<Ending> {
    const attempt = this.#attempt;
    const images = requireList(found);
    const wanted = chooseImages(attempt.request.artifact, images);
    if (hasTrial(found.bootMode) && wanted.some(({ image }) => activeImage(images, image)?.confirmed === false)) {
      yield* attempt.touch();
      const confirming = yield* confirmAll(attempt, found, images, wanted);
      if (confirming === 'went-away') throw notConfirmed('it went away while being confirmed');
      if ('ending' in confirming) return confirming.ending;
    }
    return { outcome: 'skipped', reason: 'already-running' };
  }

  /** The unit answers from MCUboot's serial recovery. What is not the application's own image follows once it runs. */
  *#throughRecovery(found: Survey): Step<Ending> {
    const attempt = this.#attempt;
    const wanted = imageForRecovery(attempt.request.artifact);
    yield* deliverThroughRecovery(attempt, found, wanted);
    attempt.inRecoveryByUs = false;
    const ending = yield* this.#activate(found, [], [wanted]);
    const hasMore = imagesOf(attempt.request.artifact).some(({ image }) => image !== wanted.image);
    if (ending.outcome !== 'proven' || !hasMore) return ending;
    attempt.activated = false;
    const rest = yield* this.#throughApplication(yield* survey(attempt.client));
    return rest.outcome === 'skipped' ? ending : rest;
  }

  /**
   * Starts what is in the slots, and sees it return.
   * @param toSet the images to be set for the next boot, in this order; none where they start at the next reset anyway.
   * @param wanted all that must run then.
   */
  *#activate(found: Survey, toSet: readonly WantedImage[], wanted: readonly WantedImage[]): Step<Ending> {
    const attempt = this.#attempt;
    const { client, request } = attempt;
    yield* attempt.touch();
    const overwrites = found.mode === 'application' && found.bootMode === BootMode.Overwrite;
    if (overwrites) yield* client.mark('erased');
    // Already "set state" lets the next power cut start the image, so the mark stands before it.
    yield* client.mark('activating');
    this.#found = found;
    for (const { image, hash } of hasTrial(found.bootMode) ? toSet : []) {
      if (isPending(waitingImage(found.images, hash, image))) continue;
      // What cannot be read afterwards cannot be confirmed afterwards.
      const unreadable = !activeImage(found.images, image);
      const permanently = request.confirm === 'at-once' || overwrites || unreadable;
      attempt.pendingByUs = (yield* setForNextBoot(client, hash, image, permanently)) || attempt.pendingByUs;
    }
    yield* reset(client);
    attempt.loader = undefined;
    attempt.activated = true;
    attempt.needsRescue = true; // until somebody answers

    // Where no flag says that a reset is still to come, an unchanged application is given a few looks.
    let unchanged = 0;
    const stillWaiting = (now: Survey): boolean => {
      if (toSet.length > 0 && toSet.every(({ image, hash }) => isPending(waitingImage(now.images, hash, image))))
        return true;
      const isSame = activeImage(now.images)?.hash === activeImage(found.images)?.hash;
      return !hasTrial(found.bootMode) && isSame && ++unchanged < UNCHANGED_LOOKS;
    };
    const back = yield* attempt.seeReturn(request.returnWithinMs, stillWaiting);
    return yield* judge(attempt, back, wanted);
  }

  /** Late proof, after the agent was away: look, confirm if it is still on trial, judge. */
  *proveConversation(before: Identification | undefined): Step<Ending> {
    const attempt = this.#attempt;
    const { client, request } = attempt;
    imagesOf(request.artifact);
    attempt.before = before;
    attempt.needsRescue = true; // until somebody answers
    yield* client.start();
    let found: Survey;
    try {
      found = yield* survey(client);
    } catch (error) {
      if (!(error instanceof LinkError) || (error.code !== 'link.timeout' && error.code !== 'link.lost')) throw error;
      found = (yield* attempt.seeReturn(request.returnWithinMs, () => false)).survey;
    }
    attempt.checkIdentity(found.identification);
    attempt.after = found.identification;
    if (found.mode === 'bootloader') {
      throw new DrydockError('target.in-bootloader', { detail: 'it answers as MCUboot serial recovery' });
    }
    attempt.needsRescue = false;
    const wanted = chooseImages(request.artifact, found.images);
    const onTrial = wanted.some(({ image, hash }) => {
      const active = activeImage(found.images, image);
      return active?.hash === hash && !active.confirmed;
    });
    if (onTrial && hasTrial(found.bootMode)) yield* client.mark('activating');
    const ending = yield* judge(attempt, { survey: found, sawLeave: false }, wanted);
    const ranAlready =
      before !== undefined &&
      wanted.every(({ image, hash }) => before.running.find((entry) => entry.image === image)?.hash === hash);
    const isProof = ending.outcome === 'proven' || ending.outcome === 'unproven';
    return ranAlready && isProof && before.mode === 'application'
      ? { outcome: 'unproven', reason: 'version-unchanged' }
      : ending;
  }
}
