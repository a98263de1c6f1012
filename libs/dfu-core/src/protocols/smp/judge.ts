/** What the unit that came back proves: every image by its own hash, and confirmed where there is a trial. */
import { DrydockError } from '../../errors.js';
import type { UnprovenReason } from '../../session/protocol.js';
import { confirmRunning, type Return } from './activation.js';
import type { Attempt } from './attempt.js';
import type { Step } from './client.js';
import { activeImage, hasTrial, isFallenBack, waitingImage } from './slots.js';
import type { Survey } from './survey.js';
import type { WantedImage } from './wanted.js';

export type Ending =
  | { readonly outcome: 'proven' }
  | { readonly outcome: 'unproven'; readonly reason: UnprovenReason }
  | { readonly outcome: 'skipped'; readonly reason: 'already-running' }
  | { readonly outcome: 'failed'; readonly code: DrydockError['code']; readonly params: DrydockError['params'] }
  | { readonly outcome: 'reverted' }
  | { readonly outcome: 'cancelled' };

type Images = NonNullable<Survey['images']>;
type Confirming = { readonly images: Images } | { readonly ending: Ending } | 'went-away';

/** A confirmed unit that restarts at once has fallen back, or is about to say so. */
const AFTER_CONFIRM_MS = 60_000;

export const failed = (error: DrydockError): Ending => ({ outcome: 'failed', code: error.code, params: error.params });

/** Never more than what answered says. */
export function* judge(attempt: Attempt, back: Return, wanted: readonly WantedImage[]): Step<Ending> {
  const { images, bootMode } = back.survey;
  if (!images) return { outcome: 'unproven', reason: 'image-not-readable' };
  const other = firstOther(attempt, bootMode, images, wanted);
  if (other) return other;
  attempt.sawWanted = true;
  const first = yield* confirmAll(attempt, back.survey, images, wanted);
  if (first !== 'went-away') return conclude(attempt, first, wanted, back.sawLeave);

  // It went away while it was being confirmed: only what comes back counts.
  const withinMs = Math.min(attempt.request.returnWithinMs, AFTER_CONFIRM_MS);
  const again = yield* attempt.seeReturn(withinMs, () => false);
  const found = again.survey.images ?? [];
  const gone = firstOther(attempt, bootMode, found, wanted);
  if (gone) return gone;
  const second = yield* confirmAll(attempt, again.survey, found, wanted);
  if (second !== 'went-away') return conclude(attempt, second, wanted, back.sawLeave);
  throw notConfirmed('it went away twice while being confirmed');
}

/** Confirms what is on trial, the others before the application, as they were set. */
export function* confirmAll(
  attempt: Attempt,
  { bootMode }: Survey,
  found: Images,
  wanted: readonly WantedImage[],
): Step<Confirming> {
  let images = found;
  if (!hasTrial(bootMode)) return { images };
  for (const { image, hash } of [...wanted].reverse()) {
    const active = activeImage(images, image);
    if (!active || active.confirmed) continue;
    const now = yield* confirmRunning(attempt.client, hash, image);
    if (!now) return 'went-away';
    const other = firstOther(attempt, bootMode, now, wanted);
    if (other) return { ending: other };
    images = now;
  }
  return { images };
}

function conclude(
  attempt: Attempt,
  confirming: Exclude<Confirming, 'went-away'>,
  wanted: readonly WantedImage[],
  sawLeave: boolean,
): Ending {
  if ('ending' in confirming) return confirming.ending;
  const { after } = attempt;
  if (after) attempt.after = { ...after, running: after.running.map((entry) => ({ ...entry, confirmed: true })) };
  // A network core's flash cannot be read: that it took its image is likely, and not proven.
  if (wanted.some(({ image }) => !activeImage(confirming.images, image))) {
    return { outcome: 'unproven', reason: 'image-not-readable' };
  }
  return provenIfItLeft(attempt, wanted, sawLeave);
}

/** Another hash before, this one now: in between it must have started anew. */
function provenIfItLeft(attempt: Attempt, wanted: readonly WantedImage[], sawLeave: boolean): Ending {
  const { before } = attempt;
  const ranOther = wanted.some(({ image, hash }) => {
    const former = before?.running.find((entry) => entry.image === image)?.hash;
    return former !== undefined && former !== hash;
  });
  return before?.mode === 'bootloader' || ranOther || (before !== undefined && sawLeave)
    ? { outcome: 'proven' }
    : { outcome: 'unproven', reason: 'did-not-see-it-leave' };
}

/** The first image that is certainly not the wanted one, in words of an ending. */
function firstOther(
  attempt: Attempt,
  bootMode: number,
  images: Images,
  wanted: readonly WantedImage[],
): Ending | undefined {
  for (const { image, hash } of wanted) {
    const active = activeImage(images, image);
    if (active?.hash === hash) continue;
    const waits = waitingImage(images, hash, image) !== undefined;
    // Images that cannot be read leave no trace when they were taken.
    if (!active && image > 0 && !waits) continue;
    const ranOnce =
      active !== undefined && (attempt.sawWanted || (hasTrial(bootMode) && isFallenBack(images, hash, image)));
    if (ranOnce) return { outcome: 'reverted' };
    const actual = active ? (active.hash ?? active.version ?? 'an image without hash') : 'nothing it names';
    const told = waits && !active ? 'another: this one still waits in its slot' : actual;
    return failed(
      new DrydockError('target.wrong-image-runs', { actual: told, expected: hash, ...(image > 0 && { image }) }),
    );
  }
  return undefined;
}

export function notConfirmed(detail: string): DrydockError {
  return new DrydockError('target.not-confirmed', { detail });
}
