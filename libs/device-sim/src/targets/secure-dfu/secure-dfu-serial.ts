/**
 * The serial side of a Secure DFU unit: SLIP frames with one END behind them, and receive buffers that can overrun.
 *
 * Source: nRF5 SDK 17, `nrf_dfu_serial.c`, `nrf_dfu_serial_uart.c`, `nrf_dfu_serial_usb.c`, `slip.c`.
 */
import type { SerialPeripheral } from '../../target.js';
import type { SecureDfuUnit } from './secure-dfu-unit.js';

const END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** Opcode and data of the longest write, with room to notice a longer one. */
const BUFFER_BYTES = { uart: 65, usb: 1025 } as const;

export class SecureDfuSerial implements SerialPeripheral {
  readonly #unit: SecureDfuUnit;
  #send: ((bytes: Uint8Array) => void) | undefined;
  #frame: number[] = [];
  #state: 'decoding' | 'escaped' | 'skipping' = 'decoding';

  constructor(unit: SecureDfuUnit) {
    this.#unit = unit;
    unit.connectRadio({
      respond: (bytes) => this.#respond(bytes),
      disconnect: () => {
        // A line cannot be taken away; what was half received is forgotten.
        this.#frame = [];
        this.#state = 'decoding';
      },
    });
  }

  get baud(): number {
    return this.#unit.options.baud ?? 115_200;
  }

  attach(send: (bytes: Uint8Array) => void): void {
    this.#send = send;
    this.#unit.linkOpened();
  }

  onBytes(bytes: Uint8Array): void {
    const { bootloader, isRunning, isMute, isLeaving } = this.#unit;
    if (!bootloader || !isRunning || isMute || isLeaving) return;
    for (const byte of bytes) this.#take(byte);
  }

  #take(byte: number): void {
    if (byte === END) {
      const frame = this.#frame;
      const whole = this.#state !== 'skipping';
      this.#frame = [];
      this.#state = 'decoding';
      if (whole && frame.length > 0) this.#receive(Uint8Array.from(frame));
      return;
    }
    if (this.#state === 'skipping') return;
    if (this.#state === 'escaped') {
      this.#state = byte === ESC_END || byte === ESC_ESC ? 'decoding' : 'skipping';
      this.#frame.push(byte === ESC_END ? END : ESC);
    } else if (byte === ESC) {
      this.#state = 'escaped';
      return;
    } else {
      this.#frame.push(byte);
    }
    if (this.#frame.length > BUFFER_BYTES[this.#unit.options.transport === 'usb' ? 'usb' : 'uart']) {
      this.#state = 'skipping';
    }
  }

  #receive(frame: Uint8Array): void {
    const seen = this.#unit.faults.toDevice(frame);
    if (seen) this.#unit.bootloader?.request(seen);
  }

  #respond(bytes: Uint8Array): void {
    const frame = this.#unit.faults.toHost(bytes);
    if (!frame) return;
    const line: number[] = [];
    for (const byte of frame) {
      if (byte === END) line.push(ESC, ESC_END);
      else if (byte === ESC) line.push(ESC, ESC_ESC);
      else line.push(byte);
    }
    line.push(END);
    const delayMs = Math.max(this.#unit.options.answerMs ?? 0.5, this.#unit.faults.silentForMs);
    this.#unit.after(delayMs, () => this.#send?.(Uint8Array.from(line)));
  }
}
