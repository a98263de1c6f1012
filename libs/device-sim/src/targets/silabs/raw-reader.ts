/**
 * Bluegiga images have no format that the bootloader checks: bytes go to flash one after the other.
 * BLE11x: a linear image from 0x1000 on. BT12x: a vendor file whose inside is not public, taken as it is.
 */
import type { GblSink } from './gbl-reader.js';
import type { ImageReader } from './silabs-unit.js';

const OUT_OF_BOUNDS = 0x018b;

export class RawReader implements ImageReader {
  #at = 0;
  #isDone = false;
  error: number | undefined;

  constructor(
    private readonly sink: GblSink,
    private readonly address: number,
  ) {}

  get isStarted(): boolean {
    return this.#at > 0;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get isVerified(): boolean {
    return this.#isDone && this.error === undefined;
  }

  push(bytes: Uint8Array): number | undefined {
    if (!this.sink.program(this.address + this.#at, bytes, true)) return (this.error = OUT_OF_BOUNDS);
    this.#at += bytes.length;
    return undefined;
  }

  /** The host says that this was all. */
  finish(): void {
    this.#isDone = this.#at > 0;
  }
}
