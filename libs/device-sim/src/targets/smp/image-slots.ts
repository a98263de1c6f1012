/**
 * Two slots with their trailers, and MCUboot's decision at boot.
 *
 * Source: mcuboot `docs/design.md` (trailer, swap types), `boot/bootutil/src/bootutil_public.c`, `loader.c`.
 */
import type { KeyObject } from 'node:crypto';
import type { FlashMemory } from '../flash-memory.js';
import { compareVersions, imageIsValid, readImage, securityCounter, type McubootImage } from './mcuboot-image.js';

export const PRIMARY = 'slot0';
export const SECONDARY = 'slot1';
export type SlotName = typeof PRIMARY | typeof SECONDARY;

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

export class ImageSlots {
  readonly #memory: FlashMemory;
  readonly #slotBytes: number;

  constructor(memory: FlashMemory) {
    this.#memory = memory;
    this.#slotBytes = memory.bytes(PRIMARY).length;
  }

  /** Room for an image: the last page belongs to the trailer. */
  get maxImageBytes(): number {
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
    const secondary = this.trailer(SECONDARY);
    if (secondary.hasMagic) return secondary.imageOk ? 'permanent' : 'test';
    const primary = this.trailer(PRIMARY);
    return primary.hasMagic && !primary.imageOk && primary.copyDone ? 'revert' : 'none';
  }

  flags(slot: SlotName): SlotFlags {
    const next = this.swapType();
    const isPrimary = slot === PRIMARY;
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
    this.#memory.write(SECONDARY, at - SWAP_INFO_FROM_END, info);
    if (permanent) this.#memory.write(SECONDARY, at - IMAGE_OK_FROM_END, Uint8Array.of(1));
    this.#memory.write(SECONDARY, at - MAGIC.length, MAGIC, done);
  }

  confirmRunning(done: () => void): void {
    this.#memory.write(PRIMARY, this.#slotBytes - IMAGE_OK_FROM_END, Uint8Array.of(1), done);
  }

  /** Erases room for an image of that size, and the trailer. */
  erase(slot: SlotName, imageBytes: number, done: () => void): void {
    this.#memory.erase(slot, 0, Math.min(imageBytes, this.maxImageBytes));
    this.#memory.erase(slot, this.maxImageBytes, this.#memory.timing.pageBytes, done);
  }

  /** Pages that an image occupies, trailer included. */
  usedBytes(slot: SlotName): number {
    return this.image(slot)?.totalBytes ?? this.#memory.timing.pageBytes;
  }

  /** Why MCUboot would not swap in what lies in the secondary slot; undefined when it would. */
  refusalOfSecondary(key: KeyObject | undefined, noDowngrade: boolean): string | undefined {
    const candidate = this.image(SECONDARY);
    if (!candidate || !candidate.bootable) return 'no bootable image';
    if (!imageIsValid(candidate, key)) return 'hash or signature wrong';
    const running = this.image(PRIMARY);
    if (!noDowngrade || !running) return undefined;
    if (compareVersions(candidate.version, running.version) < 0) return 'older version';
    return (securityCounter(candidate) ?? 0) < (securityCounter(running) ?? 0) ? 'security counter' : undefined;
  }

  primaryIsValid(key: KeyObject | undefined): boolean {
    const image = this.image(PRIMARY);
    return image !== undefined && image.bootable && imageIsValid(image, key);
  }

  /** Both images change places at once; the caller lets the time pass before. */
  swap(isOk: boolean): void {
    const primary = this.#memory.bytes(PRIMARY).slice();
    this.#replace(PRIMARY, this.#memory.bytes(SECONDARY).slice());
    this.#replace(SECONDARY, primary);
    this.#presetTrailer(isOk);
  }

  /** Overwrite-only: the secondary image is copied over the primary one and then gone. */
  overwrite(): void {
    this.#replace(PRIMARY, this.#memory.bytes(SECONDARY).slice());
    this.#memory.preset(SECONDARY, 0, new Uint8Array(this.#slotBytes).fill(0xff));
    this.#presetTrailer(true);
  }

  /** Image and trailer gone at once: MCUboot does this before anything else runs. */
  wipeSecondary(): void {
    this.#memory.preset(SECONDARY, 0, new Uint8Array(this.#slotBytes).fill(0xff));
  }

  clearSecondaryTrailer(): void {
    const trailer = new Uint8Array(this.#memory.timing.pageBytes).fill(0xff);
    this.#memory.preset(SECONDARY, this.maxImageBytes, trailer);
  }

  #replace(slot: SlotName, content: Uint8Array): void {
    content.fill(0xff, this.maxImageBytes);
    this.#memory.preset(slot, 0, content);
  }

  #presetTrailer(isOk: boolean): void {
    const end = this.#slotBytes;
    this.#memory.preset(PRIMARY, end - MAGIC.length, MAGIC);
    this.#memory.preset(PRIMARY, end - COPY_DONE_FROM_END, Uint8Array.of(1));
    if (isOk) this.#memory.preset(PRIMARY, end - IMAGE_OK_FROM_END, Uint8Array.of(1));
  }
}
