/**
 * OTA through the AppLoader: an application that reboots into it, and the AppLoader itself, two attribute tables under
 * (normally) one address.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common/in_place_ota_dfu (application), platform/bootloader/communication/
 * apploader/btl_apploader_common.c; ATT errors from SimplicityConnect-android, ErrorCodes.kt (the library is closed).
 */
import type { GattService } from '../../target.js';
import { GblError } from './gbl-tags.js';
import { applicationServices, loaderServices, SilabsOtaUuid } from './ota-gatt.js';
import { OtaRadio, type WriteAnswer } from './ota-radio.js';

const LoaderError = {
  Check: 0x80,
  NotStarted: 0x81,
  NoBuffer: 0x82,
  TooLarge: 0x83,
  Parse: 0x84,
  WrongBootloader: 0x86,
} as const;
/** max(1000 ms, 5 connection intervals): the intervals here are short. */
const REBOOT_AFTER_MS = 1000;

export class AppLoaderRadio extends OtaRadio {
  #isStarted = false;
  /** What the next acknowledged write is answered with. */
  #error: number | undefined;
  #waitingBytes = 0;

  services(): readonly GattService[] {
    return this.unit.personality === 'bootloader' ? loaderServices(this.unit) : applicationServices(this.unit);
  }

  protected connected(): void {
    this.#isStarted = false;
    this.#error = undefined;
    this.#waitingBytes = 0;
  }

  /** The AppLoader leaves its main loop at every end of a link. */
  protected disconnected(): void {
    if (this.unit.personality !== 'bootloader' || !this.unit.isRunning) return;
    this.isLeaving = true;
    this.unit.after(10, () => this.unit.reset(false));
  }

  protected write(characteristic: string, value: Uint8Array): WriteAnswer {
    if (this.unit.personality === 'application') {
      if (characteristic !== SilabsOtaUuid.control) return undefined;
      const refused = this.unit.faults.refusal('enter');
      if (refused !== undefined) return { attError: refused };
      // Any value reboots.
      this.unit.touch('enter AppLoader');
      this.leave(true, REBOOT_AFTER_MS);
      return undefined;
    }
    if (characteristic === SilabsOtaUuid.control) return this.#control(value[0]);
    return characteristic === SilabsOtaUuid.data ? this.#data(value) : undefined;
  }

  #control(value: number | undefined): WriteAnswer {
    switch (value) {
      case 0x00:
        if (this.unit.bootloaderVersion === 0) return { attError: LoaderError.WrongBootloader };
        this.unit.beginUpload();
        this.#isStarted = true;
        this.#error = undefined;
        return undefined;
      case 0x03:
        return this.#finish();
      case 0x04:
        this.leave(false, 20);
        return undefined;
      default:
        return { attError: LoaderError.Parse };
    }
  }

  #finish(): WriteAnswer {
    if (!this.#isStarted) return { attError: LoaderError.NotStarted };
    const refused = this.unit.faults.refusal('finish');
    if (refused !== undefined) return { attError: refused };
    if (this.#error !== undefined) return { attError: this.#error };
    if (!this.unit.reader?.isVerified) return { attError: LoaderError.Check };
    if (this.unit.mustInstallBootloader) this.unit.installBootloader();
    return { delayMs: this.unit.store.busyForMs };
  }

  #data(value: Uint8Array): WriteAnswer {
    if (!this.#isStarted) return { attError: LoaderError.NotStarted };
    if (this.#error !== undefined) return { attError: this.#error };
    const refused = this.unit.faults.refusal('data');
    if (refused !== undefined) return { attError: (this.#error = refused) };
    if (this.#waitingBytes + value.length > (this.unit.options.bufferBytes ?? 16 * 1024)) {
      return { attError: (this.#error = LoaderError.NoBuffer) };
    }
    const error = this.unit.takeBytes(value);
    if (error !== undefined) this.#error = attErrorOf(error);
    this.#waitingBytes += value.length;
    const delayMs = this.unit.store.busyForMs;
    this.unit.after(delayMs, () => (this.#waitingBytes -= value.length));
    this.counted(value.length);
    return this.#error === undefined ? { delayMs } : { attError: this.#error };
  }
}

function attErrorOf(error: number): number {
  switch (error) {
    case GblError.Crc:
    case GblError.Signature:
      return LoaderError.Check;
    case GblError.Overlap:
      return LoaderError.TooLarge;
    default:
      return LoaderError.Parse;
  }
}
