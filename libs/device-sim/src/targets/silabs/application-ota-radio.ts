/**
 * OTA inside the running application: the file goes to a slot, is verified after the link has ended, and installed by
 * the bootloader after a reboot. Only the connection whose start was accepted owns the session; data of others is
 * dropped without any answer.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/common/app_ota_dfu (state machine, errors).
 */
import type { Advertisement, GattService } from '../../target.js';
import { applicationServices, SilabsOtaUuid } from './ota-gatt.js';
import { NEVER_MS, OtaRadio, type WriteAnswer } from './ota-radio.js';

const OtaError = { NotReady: 0x81, StorageFull: 0x82, PackageLost: 0x83 } as const;
const INIT_MS = 100;
const DEFAULT_VERIFY_MS = 500;

type State = 'init' | 'erase' | 'ready' | 'begin' | 'end' | 'verify' | 'reboot' | 'error';

export class ApplicationOtaRadio extends OtaRadio {
  #state: State = 'init';
  #isOwner = false;
  #offset = 0;

  /** Behind a bootloader without radio: no application, no sign of life. */
  override advertisement(): Advertisement | undefined {
    return this.unit.personality === 'bootloader' ? undefined : super.advertisement();
  }

  services(): readonly GattService[] {
    return applicationServices(this.unit);
  }

  get state(): State {
    return this.#state;
  }

  override started(): void {
    super.started();
    this.#initialise();
  }

  override stopped(): void {
    super.stopped();
    this.#state = 'init';
    this.#isOwner = false;
  }

  protected connected(): void {
    this.#isOwner = false;
  }

  protected disconnected(): void {
    if (!this.#isOwner) return;
    this.#isOwner = false;
    if (this.#state === 'end') return this.#verify();
    this.#fail();
  }

  /** Slot erased where it is not blank; then ready. */
  #initialise(): void {
    this.#state = 'init';
    this.#offset = 0;
    this.unit.after(INIT_MS, () => {
      if (this.unit.store.slotIsBlank) {
        this.#state = 'ready';
        return;
      }
      this.#state = 'erase';
      this.unit.store.eraseSlot(() => {
        if (this.#state === 'erase') this.#state = 'ready';
      });
    });
  }

  /** The default handler begins anew. */
  #fail(): void {
    this.#state = 'error';
    this.unit.after(10, () => this.#initialise());
  }

  protected write(characteristic: string, value: Uint8Array, withResponse: boolean): WriteAnswer {
    if (characteristic === SilabsOtaUuid.control) {
      this.#control(value[0]);
      return undefined; // always accepted
    }
    return characteristic === SilabsOtaUuid.data ? this.#data(value, withResponse) : undefined;
  }

  #control(value: number | undefined): void {
    switch (value) {
      case 0x00:
        if (this.#state === 'ready') {
          this.#state = 'begin';
          this.#isOwner = true;
          this.#offset = 0;
        } else this.#fail();
        return;
      case 0x03:
        if (this.#state === 'begin') this.#state = 'end';
        return;
      case 0x04:
        this.unit.after(20, () => this.connection?.disconnect('graceful'));
        return;
      default:
        this.#state = 'error'; // an undefined state of the component: nothing goes on from there but an end of the link
    }
  }

  #data(value: Uint8Array, withResponse: boolean): WriteAnswer {
    if (!this.#isOwner) return withResponse ? { delayMs: NEVER_MS } : undefined;
    if (this.#state !== 'begin') return { attError: OtaError.NotReady };
    const refused = this.unit.faults.refusal('data');
    if (refused !== undefined) return { attError: refused };
    if (value.length % 4 !== 0) return { attError: OtaError.PackageLost };
    if (this.#offset + value.length > this.unit.memory.bytes('slot').length) {
      return { attError: OtaError.StorageFull };
    }
    this.unit.touch('upload');
    this.unit.store.writeSlot(this.#offset, value);
    this.#offset += value.length;
    const delayMs = this.unit.store.busyForMs;
    this.counted(value.length);
    return { delayMs };
  }

  #verify(): void {
    this.#state = 'verify';
    const length = this.#offset;
    this.unit.after(this.unit.store.busyForMs + (this.unit.options.verifyMs ?? DEFAULT_VERIFY_MS), () => {
      const file = this.unit.memory.bytes('slot').slice(0, length);
      if (!this.unit.checkFile(file)) return this.#fail();
      this.#state = 'reboot';
      this.isLeaving = true;
      // Installation happens in the bootloader, while nobody answers.
      this.unit.installAtNextBoot(file);
      this.unit.reset(false);
    });
  }
}
