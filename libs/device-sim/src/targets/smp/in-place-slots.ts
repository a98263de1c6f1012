/**
 * Images that run where they lie (direct-XIP), or are copied to RAM from there: the bootloader starts the higher
 * version of two slots. With revert, what was tried and not confirmed is erased at the next boot.
 *
 * Source: mcuboot `docs/design.md` ("Direct-XIP mode", "RAM loading"), `boot/bootutil/src/loader.c` (boot_select_or_erase).
 */
import type { KeyObject } from 'node:crypto';
import type { FlashMemory } from '../flash-memory.js';
import { ImageSlots, type SlotFlags, type SlotName, type SwapType } from './image-slots.js';
import { compareVersions, imageIsValid } from './mcuboot-image.js';

export class InPlaceSlots extends ImageSlots {
  #active: SlotName;

  constructor(
    memory: FlashMemory,
    readonly hasRevert: boolean,
    index = 0,
  ) {
    super(memory, index);
    this.#active = this.primary;
  }

  override get active(): SlotName {
    return this.#active;
  }

  override get isSpareKept(): boolean {
    return this.hasRevert && !this.trailer(this.#active).imageOk;
  }

  /** The factory's image is there to stay. */
  confirmFactoryImage(): void {
    if (this.hasRevert) this.presetTrailer(this.primary, true);
  }

  override swapType(): SwapType {
    if (!this.hasRevert) return 'none';
    if (this.isSpareKept) return 'revert';
    const spare = this.trailer(this.spare);
    if (!spare.hasMagic || spare.copyDone || !this.#isNewer()) return 'none';
    return spare.imageOk ? 'permanent' : 'test';
  }

  /** A tie goes to the first slot. */
  #isNewer(): boolean {
    const spare = this.image(this.spare);
    const active = this.image(this.#active);
    if (!spare || !active) return spare !== undefined;
    const order = compareVersions(spare.version, active.version);
    return order > 0 || (order === 0 && this.spare === this.primary);
  }

  override flags(slot: SlotName): SlotFlags {
    const next = this.swapType();
    const isActive = slot === this.#active;
    return {
      bootable: this.image(slot)?.bootable ?? false,
      pending: !isActive && (next === 'test' || next === 'permanent'),
      confirmed: isActive ? next !== 'revert' : next === 'revert',
      active: isActive,
      permanent: !isActive && next === 'permanent',
    };
  }

  override chooseAtBoot(key: KeyObject | undefined): void {
    const candidates = this.names
      .flatMap((slot) => {
        const image = this.image(slot);
        return image?.bootable ? [{ slot, image }] : [];
      })
      .sort((a, b) => compareVersions(b.image.version, a.image.version));
    for (const { slot, image } of candidates) {
      const { hasMagic, imageOk, copyDone } = this.trailer(slot);
      const wasTried = this.hasRevert && (!hasMagic || (copyDone && !imageOk));
      if (wasTried || !imageIsValid(image, key)) {
        this.wipe(slot);
        continue;
      }
      if (this.hasRevert && !copyDone) this.presetTrailer(slot, imageOk);
      this.#active = slot;
      return;
    }
    this.#active = this.primary;
  }
}
