/** Reading an image list: who runs, who waits, what is in the way. */
import { BootMode, type ImageState } from './messages.js';

type Images = readonly ImageState[] | undefined;

/** Image 0 is what Drydock updates. */
export const APPLICATION_IMAGE = 0;

/** What the application runs as image 0. */
export function activeImage(images: Images): ImageState | undefined {
  return images?.find(({ image, active }) => image === APPLICATION_IMAGE && active);
}

/** Another slot of image 0 that holds this hash. */
export function waitingImage(images: Images, hash: string): ImageState | undefined {
  return images?.find((entry) => entry.image === APPLICATION_IMAGE && !entry.active && entry.hash === hash);
}

/** Bootloaders whose applications refuse "set state": what is in the other slot starts at the next reset. */
export function hasTrial(bootMode: number): boolean {
  return bootMode !== BootMode.DirectXip && bootMode !== BootMode.RamLoad && bootMode !== BootMode.SingleSlotRamLoad;
}

/** Neither a foreign image may be pending, nor the running one on trial: the server would refuse an upload. */
export function isOccupied(images: Images, bootMode: number): boolean {
  if (!hasTrial(bootMode)) return false;
  const active = activeImage(images);
  const others = images?.filter((entry) => entry.image === APPLICATION_IMAGE && !entry.active) ?? [];
  const onTrial = active !== undefined && !active.confirmed;
  return others.some(({ pending, confirmed }) => pending || (onTrial && confirmed));
}

/** After a fall-back the rejected image lies in the other slot, without flags. */
export function isFallenBack(images: Images, wanted: string): boolean {
  const waiting = waitingImage(images, wanted);
  return waiting !== undefined && !waiting.pending && !waiting.permanent;
}

/** Recovery lists only what would start; builds without hashes in their list say nothing either way. */
export function listsAfterRecovery(images: Images, wanted: string): boolean {
  const entries = images?.filter(({ image }) => image === APPLICATION_IMAGE) ?? [];
  const hashes = entries.map(({ hash }) => hash).filter((hash) => hash !== undefined);
  return hashes.includes(wanted) || (entries.length > 0 && hashes.length === 0);
}
