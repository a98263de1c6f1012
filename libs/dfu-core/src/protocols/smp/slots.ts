/** Reading an image list: who runs, who waits, what is in the way. */
import { BootMode, type ImageState } from './messages.js';

type Images = readonly ImageState[] | undefined;

/** Image 0 is the application, on units with several. */
export const APPLICATION_IMAGE = 0;

/** What runs as this image; undefined also where the unit cannot read it (the flash of a network core). */
export function activeImage(images: Images, image = APPLICATION_IMAGE): ImageState | undefined {
  return images?.find((entry) => entry.image === image && entry.active);
}

/** Another slot of that image that holds this hash. */
export function waitingImage(images: Images, hash: string, image = APPLICATION_IMAGE): ImageState | undefined {
  return images?.find((entry) => entry.image === image && !entry.active && entry.hash === hash);
}

/** Set for the next boot. */
export function isPending(entry: ImageState | undefined): boolean {
  return entry !== undefined && (entry.pending || entry.permanent);
}

const WITHOUT_TRIAL: ReadonlySet<number> = new Set([
  BootMode.DirectXip,
  BootMode.RamLoad,
  BootMode.FirmwareLoader,
  BootMode.SingleSlotRamLoad,
]);

/** Bootloaders whose applications refuse "set state": what is in the other slot starts at the next reset. */
export function hasTrial(bootMode: number): boolean {
  return !WITHOUT_TRIAL.has(bootMode);
}

/** Bootloaders that start the higher version of two slots, whatever was sent last. */
export function startsHigherVersion(bootMode: number): boolean {
  return bootMode === BootMode.DirectXip || bootMode === BootMode.DirectXipRevert || bootMode === BootMode.RamLoad;
}

/** Neither a foreign image may be pending, nor the running one on trial: the server would refuse an upload. */
export function isOccupied(images: Images, bootMode: number, image = APPLICATION_IMAGE): boolean {
  if (!hasTrial(bootMode)) return false;
  const active = activeImage(images, image);
  const others = images?.filter((entry) => entry.image === image && !entry.active) ?? [];
  const onTrial = active !== undefined && !active.confirmed;
  return others.some(({ pending, confirmed }) => pending || (onTrial && confirmed));
}

/** After a fall-back the rejected image lies in the other slot, without flags. */
export function isFallenBack(images: Images, wanted: string, image = APPLICATION_IMAGE): boolean {
  const waiting = waitingImage(images, wanted, image);
  return waiting !== undefined && !isPending(waiting);
}

/** Recovery lists only what would start; builds without hashes in their list say nothing either way. */
export function listsAfterRecovery(images: Images, wanted: string): boolean {
  const entries = images?.filter(({ image }) => image === APPLICATION_IMAGE) ?? [];
  const hashes = entries.map(({ hash }) => hash).filter((hash) => hash !== undefined);
  return hashes.includes(wanted) || (entries.length > 0 && hashes.length === 0);
}
