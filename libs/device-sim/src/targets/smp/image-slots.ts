/**
 * Two slots with their trailers, and MCUboot's decision at boot.
 *
 * Source: mcuboot `docs/design.md` (trailer, swap types), `boot/bootutil/src/bootutil_public.c`, `loader.c`.
 */
import type { KeyObject } from 'node:crypto';
import type { FlashMemory } from '../flash-memory.js';
import { compareVersions, imageIsValid, readImage, securityCounter, type McubootImage } from './mcuboot-image.js';

/** Flash regions, numbered over all images: image n has `slot2n` and `slot2n+1`. */
export type SlotName = `slot${number}`;
export const PRIMARY: SlotName = 'slot0';
export const SECONDARY: SlotName = 'slot1';

const MAGIC = Uint8Array.from([
  0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80,
]);
const IMAGE_OK_FROM_END = 24;
const COPY_DONE_FROM_END = 32;
const SWAP_INFO_FROM_END = 40;
const SWAP_TEST = 2;
const SWAP_PERMANENT = 3;

export type SwapType = 'none' | 'test' | 'permanent' | 'revert';

export interface Trailer {
  readonly hasMagic: boolean;
  readonly imageOk: boolean;
  readonly copyDone: boolean;
}

export interface SlotFlags {
  readonly bootable: boolean;
  readonly pending: boolean;
  readonly confirmed: boolean;
  readonly active: boolean;
  readonly permanent: boolean;
}

/** One image of the unit, whose bootloader moves what is to run into the primary slot. */
export class ImageSlots {
  readonly primary: SlotName;
  readonly secondary: SlotName;
  readonly #memory: FlashMemory;
  readonly #slotBytes: number;

  /** @param isReadable false: the primary slot is the flash of another core, which nobody can read. */
  constructor(
    memory: FlashMemory,
    readonly index = 0,
    readonly isReadable = true,
    /** Pages that the bootloader needs beside the trailer's: swapping by an offset moves everything by one. */
    readonly sparePages = 0,
  ) {
    this.#memory = memory;
    this.primary = `slot${2 * index}`;
    this.secondary = `slot${2 * index + 1}`;
    this.#slotBytes = memory.bytes(this.primary).length;
  }

  /** What runs, and where an upload goes. */
  get active(): SlotName {
    return this.primary;
  }

  get spare(): SlotName {
    return this.active === this.primary ? this.secondary : this.primary;
  }

  get names(): readonly [SlotName, SlotName] {
    return [this.primary, this.secondary];
  }

  get slotBytes(): number {
    return this.#slotBytes;
  }

  protected get memory(): FlashMemory {
    return this.#memory;
  }

  /** The spare slot must not be written: it holds what the bootloader falls back to. */
  get isSpareKept(): boolean {
    return this.swapType() === 'revert';
  }

  /** Room for an image: the last page belongs to the trailer. */
  get maxImageBytes(): number {
    return this.#slotBytes - (1 + this.sparePages) * this.#memory.timing.pageBytes;
  }

  /** The last page. */
  get #trailerAt(): number {
    return this.#slotBytes - this.#memory.timing.pageBytes;
  }

  image(slot: SlotName): McubootImage | undefined {
    return readImage(this.#memory.bytes(slot).subarray(0, this.maxImageBytes));
  }

  trailer(slot: SlotName): Trailer {
    const bytes = this.#memory.bytes(slot);
    const end = bytes.length;
    return {
      hasMagic: MAGIC.every((byte, index) => bytes[end - MAGIC.length + index] === byte),
      imageOk: bytes[end - IMAGE_OK_FROM_END] === 1,
      copyDone: bytes[end - COPY_DONE_FROM_END] === 1,
    };
  }

  /** The table of the design document, in its order. */
  swapType(): SwapType {
    const secondary = this.trailer(this.secondary);
    if (secondary.hasMagic) return secondary.imageOk ? 'permanent' : 'test';
    const primary = this.trailer(this.primary);
    return primary.hasMagic && !primary.imageOk && primary.copyDone ? 'revert' : 'none';
  }

  flags(slot: SlotName): SlotFlags {
    const next = this.swapType();
    const isPrimary = slot === this.primary;
    const bootable = this.image(slot)?.bootable ?? false;
    return {
      bootable,
      pending: !isPrimary && (next === 'test' || next === 'permanent'),
      confirmed: isPrimary ? next !== 'revert' : next === 'revert',
      active: isPrimary,
      permanent: !isPrimary && next === 'permanent',
    };
  }

  /** Marks the secondary slot for the next boot. */
  setPending(permanent: boolean, done: () => void): void {
    const at = this.#slotBytes;
    const info = Uint8Array.of(permanent ? SWAP_PERMANENT : SWAP_TEST);
    const slot = this.spare;
    this.#memory.write(slot, at - SWAP_INFO_FROM_END, info);
    if (permanent) this.#memory.write(slot, at - IMAGE_OK_FROM_END, Uint8Array.of(1));
    this.#memory.write(slot, at - MAGIC.length, MAGIC, done);
  }

  confirmRunning(done: () => void): void {
    this.#memory.write(this.active, this.#slotBytes - IMAGE_OK_FROM_END, Uint8Array.of(1), done);
  }

  /** Erases room for an image of that size, and the trailer. */
  erase(slot: SlotName, imageBytes: number, done: () => void): void {
    this.#memory.erase(slot, 0, Math.min(imageBytes, this.maxImageBytes));
    this.#memory.erase(slot, this.#trailerAt, this.#memory.timing.pageBytes, done);
  }

  eraseTrailer(slot: SlotName, done: () => void): void {
    this.#memory.erase(slot, this.#trailerAt, this.#memory.timing.pageBytes, done);
  }

  /** Pages that an image occupies, trailer included. */
  usedBytes(slot: SlotName): number {
    return this.image(slot)?.totalBytes ?? this.#memory.timing.pageBytes;
  }

  /** Why MCUboot would not swap in what lies in the secondary slot; undefined when it would. */
  refusalOfSecondary(key: KeyObject | undefined, noDowngrade: boolean): string | undefined {
    const candidate = this.image(this.secondary);
    if (!candidate || !candidate.bootable) return 'no bootable image';
    if (!imageIsValid(candidate, key)) return 'hash or signature wrong';
    const running = this.image(this.primary);
    if (!noDowngrade || !running) return undefined;
    if (compareVersions(candidate.version, running.version) < 0) return 'older version';
    return (securityCounter(candidate) ?? 0) < (securityCounter(running) ?? 0) ? 'security counter' : undefined;
  }

  /** Before the bootloader decides: a choice of its own is made here. */
  chooseAtBoot(_key: KeyObject | undefined): void {
    // What runs is always in the primary slot.
  }

  activeIsValid(key: KeyObject | undefined): boolean {
    const image = this.image(this.active);
    return image !== undefined && image.bootable && imageIsValid(image, key);
  }

  /** Both images change places at once; the caller lets the time pass before. */
  swap(isOk: boolean): void {
    const primary = this.#memory.bytes(this.primary).slice();
    this.#replace(this.primary, this.#memory.bytes(this.secondary).slice());
    this.#replace(this.secondary, primary);
    this.#presetTrailer(isOk);
  }

  /** Overwrite-only: the secondary image is copied over the primary one and then gone. */
  overwrite(): void {
    this.#replace(this.primary, this.#memory.bytes(this.secondary).slice());
    this.#memory.preset(this.secondary, 0, new Uint8Array(this.#slotBytes).fill(0xff));
    this.#presetTrailer(true);
  }

  /** Image and trailer gone at once: MCUboot does this before anything else runs. */
  wipe(slot: SlotName): void {
    this.#memory.preset(slot, 0, new Uint8Array(this.#slotBytes).fill(0xff));
  }

  clearSecondaryTrailer(): void {
    const trailer = new Uint8Array(this.#memory.timing.pageBytes).fill(0xff);
    this.#memory.preset(this.secondary, this.#trailerAt, trailer);
  }

  #replace(slot: SlotName, content: Uint8Array): void {
    content.fill(0xff, this.maxImageBytes);
    this.#memory.preset(slot, 0, content);
  }

  #presetTrailer(isOk: boolean): void {
    this.presetTrailer(this.primary, isOk);
  }

  /** As the bootloader leaves it: tried once, and confirmed or not. */
  protected presetTrailer(slot: SlotName, isOk: boolean): void {
    const end = this.#slotBytes;
    this.#memory.preset(slot, end - MAGIC.length, MAGIC);
    this.#memory.preset(slot, end - COPY_DONE_FROM_END, Uint8Array.of(1));
    if (isOk) this.#memory.preset(slot, end - IMAGE_OK_FROM_END, Uint8Array.of(1));
  }
}
