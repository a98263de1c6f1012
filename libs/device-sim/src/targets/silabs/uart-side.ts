/** What the UARTs of all Silicon Labs units share: rate by who runs, frames of the fault plan, silence. */
import type { SerialPeripheral } from '../../target.js';
import type { SilabsUnit, UnitSide } from './silabs-unit.js';

export abstract class UartSide implements SerialPeripheral, UnitSide {
  #send: ((bytes: Uint8Array) => void) | undefined;

  constructor(protected readonly unit: SilabsUnit) {}

  get baud(): number {
    const { applicationBaud = 115_200, bootloaderBaud = 115_200 } = this.unit.options;
    return this.unit.personality === 'bootloader' ? bootloaderBaud : applicationBaud;
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
    this.unit.linkOpened();
  }

  onBytes(bytes: Uint8Array): void {
    if (this.unit.isRunning && !this.unit.isMute) this.receive(bytes);
  }

  /** One frame to the host, after the flash is idle and the fault plan has had its way. */
  protected transmit(frame: Uint8Array, afterMs = 0): void {
    const passed = this.unit.faults.toHost(frame);
    if (!passed) return;
    const delayMs = Math.max(afterMs, this.unit.faults.silentForMs);
    if (delayMs > 0) this.unit.after(delayMs, () => this.#send?.(passed));
    else this.#send?.(passed);
  }

  /** Bytes that are no frame: reset junk. */
  protected transmitRaw(bytes: Uint8Array): void {
    this.#send?.(bytes);
  }

  protected abstract receive(bytes: Uint8Array): void;
  abstract stopped(): void;
  abstract started(): void;
}
