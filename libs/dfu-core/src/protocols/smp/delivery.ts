/** Bringing images into their slots: room is made, each is sent, and each must show in the list afterwards. */
import { DrydockError, LinkError } from '../../errors.js';
import { fromHex } from '../../bytes/hex.js';
import { reset } from './activation.js';
import { ImageReader } from './artifact-bytes.js';
import type { Attempt } from './attempt.js';
import type { Step } from './client.js';
import { SmpRefusedError } from './errors.js';
import { activeImage, APPLICATION_IMAGE, isOccupied, listsAfterRecovery, waitingImage } from './slots.js';
import { readList, type Survey, survey } from './survey.js';
import { mismatch, Upload } from './upload.js';
import type { WantedImage } from './wanted.js';

/** More requests under way than this gain nothing on any link. */
const MAX_WINDOW = 8;
/** Flash words of all parts that MCUboot's recovery runs on. */
const RECOVERY_ALIGN_BYTES = 16;
/** Foreign trials and pending images are cleared away at most this often. */
const PREPARATIONS = 3;
const RECONNECT_MS = 60_000;
const ALIVE_POLLS = 40;

/** @throws DrydockError when the unit has no image list. */
export function requireList(found: Survey): NonNullable<Survey['images']> {
  if (found.mode === 'application' && found.images) return found.images;
  throw new DrydockError('target.wrong-kind', {
    expected: 'application with an image list',
    detail: 'it refuses the list',
  });
}

/**
 * Takes foreign images out of the way of these: out of the next boot, or off their trial by letting it fall back.
 * @returns what is there now; the unit may have restarted meanwhile.
 */
export function* makeRoom(attempt: Attempt, found: Survey, wanted: readonly WantedImage[]): Step<Survey> {
  let now = found;
  for (let round = 0; ; round++) {
    const blocked = wanted.find(
      ({ image, hash }) => !waitingImage(now.images, hash, image) && isOccupied(now.images, now.bootMode, image),
    );
    if (!blocked) return now;
    if (round >= PREPARATIONS) {
      throw new DrydockError('target.busy', { detail: 'another image stays pending or on trial' });
    }
    now = yield* clear(attempt, now, blocked.image);
  }
}

function* clear(attempt: Attempt, found: Survey, image: number): Step<Survey> {
  yield* attempt.touch();
  const foreignPending = found.images?.some((entry) => entry.image === image && !entry.active && entry.pending);
  if (!foreignPending || !(yield* eraseSlot(attempt, found, image))) {
    const former = JSON.stringify(found.images);
    yield* reset(attempt.client);
    yield* attempt.seeReturn(attempt.request.returnWithinMs, ({ images }) => JSON.stringify(images) === former);
  }
  const now = yield* survey(attempt.client);
  attempt.before = now.identification;
  requireList(now);
  attempt.checkFit(now);
  return now;
}

/** @returns false where the target keeps a pending image, so that only its boot ends that state. */
function* eraseSlot(attempt: Attempt, found: Survey, image: number): Step<boolean> {
  try {
    yield* attempt.client.ask({ kind: 'erase', ...slotOf(found, image) }, { withinMs: 40_000, tries: 2 });
  } catch (error) {
    if (error instanceof SmpRefusedError) return false;
    throw error;
  }
  attempt.erased.add(image);
  return true;
}

/** Slots are numbered over all images; without a number it is the free one of the first. */
export function slotOf(found: Survey, image: number): { readonly slot?: number } {
  if (image === APPLICATION_IMAGE) return {};
  const active = activeImage(found.images, image);
  return { slot: 2 * image + (active ? 1 - (active.slot % 2) : 1) };
}

/** Which `image` key brings a file to its slot; undefined: none is needed. */
function uploadKey(found: Survey, { image, slot }: WantedImage): number | undefined {
  const active = activeImage(found.images, image);
  const target = found.mode === 'bootloader' ? 0 : (slot ?? (active ? 1 - (active.slot % 2) : 1));
  const stated = found.slots?.slots.find((entry) => entry.image === image && entry.slot % 2 === target)?.uploadImage;
  const key = stated ?? image;
  return key === 0 ? undefined : key;
}

/** All of them are read once: nothing may be changed on the unit before every digest holds. */
export function* openImages(attempt: Attempt, wanted: readonly WantedImage[]): Step<readonly ImageReader[]> {
  const readers = wanted.map((each) => new ImageReader(attempt.client, each));
  for (const reader of readers) yield* reader.verify();
  return readers;
}

/** Sends each image to its slot and sees it there. @throws DrydockError when one cannot be brought there. */
export function* deliver(attempt: Attempt, found: Survey, readers: readonly ImageReader[]): Step<void> {
  const totalBytes = readers.reduce((sum, { length }) => sum + length, 0);
  let beforeBytes = 0;
  for (const reader of readers) {
    yield* deliverOne(attempt, found, reader, { beforeBytes, totalBytes });
    beforeBytes += reader.length;
  }
  yield* attempt.client.mark('complete');
}

function* deliverOne(
  attempt: Attempt,
  found: Survey,
  reader: ImageReader,
  progress: { readonly beforeBytes: number; readonly totalBytes: number },
): Step<void> {
  const { client, request } = attempt;
  const { transport } = client;
  const { wanted } = reader;
  // The firmware loader is a full server; only MCUboot's own recovery knows less.
  const inRecovery = found.mode === 'bootloader' && !found.isLoader;
  const upload = new Upload(client, {
    reader,
    progress,
    image: uploadKey(found, wanted),
    sha: inRecovery ? undefined : fromHex(wanted.sha256),
    limit: Math.min(transport.longestMessage(found.params), request.tuning?.maxWriteBytes ?? Number.MAX_SAFE_INTEGER),
    window: inRecovery
      ? 1
      : Math.max(1, Math.min(transport.window(found.params), request.tuning?.window ?? MAX_WINDOW)),
    alignBytes: inRecovery ? RECOVERY_ALIGN_BYTES : 1,
    afterErase: attempt.erased.has(wanted.image),
    recover: (lost) => recoverUpload(attempt, lost, found, wanted),
  });
  try {
    yield* upload.run();
  } finally {
    attempt.sentBytes += upload.sentBytes;
  }
  const images = (yield* readList(client))?.images;
  if (inRecovery) checkRecoveryList(images, wanted.hash);
  else if (!waitingImage(images, wanted.hash, wanted.image)) {
    throw mismatch('the list does not show the image in its slot');
  }
}

function checkRecoveryList(images: Survey['images'], wanted: string): void {
  if (listsAfterRecovery(images, wanted)) return;
  const detail = 'the bootloader does not list the image after its upload: it would not start it';
  throw new DrydockError('target.refused-image', { request: 'upload', result: 'not listed', detail });
}

/** The unit is silent, gone, or has lost its place: find it, and see whether it still is as it was. */
function* recoverUpload(
  attempt: Attempt,
  lost: boolean,
  found: Survey,
  wanted: WantedImage,
): Step<'complete' | 'go-on'> {
  const { client } = attempt;
  let mustReconnect = lost || client.link.kind === 'ble';
  for (let poll = 0; poll < ALIVE_POLLS; poll++) {
    client.checkStop();
    try {
      if (mustReconnect) yield* client.reconnect(attempt.returnHint(), RECONNECT_MS);
      mustReconnect = false;
      const list = yield* readList(client, { withinMs: 1000, tries: 1 });
      if (found.mode === 'bootloader') return 'go-on';
      if (waitingImage(list?.images, wanted.hash, wanted.image)) return 'complete';
      const active = activeImage(list?.images);
      if (active && active.hash === activeImage(found.images)?.hash) return 'go-on';
      throw new DrydockError('target.in-bootloader', { detail: 'it restarted as something else during the upload' });
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      if (error.code !== 'link.lost' && error.code !== 'link.timeout') throw error;
      // A BLE server that holds half a message lets go of it when the link ends.
      mustReconnect = error.code === 'link.lost' || (client.link.kind === 'ble' && poll % 4 === 3);
    }
  }
  throw new LinkError('link.timeout', { withinMs: ALIVE_POLLS * 1000, detail: 'it fell silent during the upload' });
}
