/**
 * One slot for the application, the other for a firmware loader that replaces it.
 *
 * Source: mcuboot `docs/readme-zephyr.md` and `boot/bootutil/src/loader.c` (firmware loader), `boot/zephyr/Kconfig`
 * (MCUBOOT_FIRMWARE_LOADER); Android-nRF-Connect-Device-Manager (what a host sees of it).
 */
import { ImageSlots, type SlotFlags, type SlotName, type SwapType } from './image-slots.js';

export class LoaderSlots extends ImageSlots {
  /** Who runs. */
  isLoader = false;

  override get active(): SlotName {
    return this.isLoader ? this.secondary : this.primary;
  }

  /** Nothing ever changes places. */
  override swapType(): SwapType {
    return 'none';
  }

  override flags(slot: SlotName): SlotFlags {
    const active = slot === this.active;
    const bootable = this.image(slot)?.bootable ?? false;
    return { bootable, pending: false, confirmed: active, active, permanent: false };
  }
}
