/**
 * Flash of a simulated unit as its bootloader uses it: the application area with the vectors that are held back until
 * the verdict, and how long the flash stays busy.
 *
 * The first words of the application after the stack pointer (24 bytes from its start + 4) stay 0xff until CRC and
 * signature are good; a reset vector of 0xffffffff means that there is no application.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/core/btl_bootload.c.
 */
import { createHash } from 'node:crypto';
import type { Scheduler, TouchEntry } from '../../target.js';
import { FlashMemory, type FlashTiming } from '../flash-memory.js';

export const APPLICATION = 'application';
export const SLOT = 'slot';
const HELD_FROM = 4;
const HELD_TO = 28;

/** EFR32MG21 as its data sheet has it: 13 ms a page of 8 KiB, 11 us a word. */
export const EFR32_FLASH: FlashTiming = { pageBytes: 8192, eraseMsPerPage: 13, writeUsPerWord: 11 };

export interface ImageStoreOptions {
  readonly scheduler: Scheduler;
  readonly address: number;
  readonly sizeBytes: number;
  readonly slotBytes: number;
  readonly timing: FlashTiming;
  readonly slow: number;
  readonly application: Uint8Array | undefined;
  log(what: TouchEntry['what'], detail?: string): void;
}

export class ImageStore {
  readonly memory: FlashMemory;
  /** Length of what was programmed last: an observer's knowledge, the unit does not need it. */
  lengthBytes: number;
  #busyUntilMs = 0;
  #erasedPages = new Set<number>();
  #held = new Uint8Array(HELD_TO - HELD_FROM).fill(0xff);
  #length = 0;
  #isUntouched = true;

  constructor(private readonly options: ImageStoreOptions) {
    const { scheduler, sizeBytes, slotBytes, timing, slow, application } = options;
    this.memory = new FlashMemory(scheduler, { [APPLICATION]: sizeBytes, [SLOT]: slotBytes }, timing, slow);
    if (application && application.length > sizeBytes) {
      throw new RangeError(`the application does not fit ${sizeBytes} bytes`);
    }
    if (application) this.memory.preset(APPLICATION, 0, application);
    this.lengthBytes = application?.length ?? 0;
  }

  /** There is a reset vector. */
  get isBootable(): boolean {
    const vector = this.memory.bytes(APPLICATION).subarray(4, 8);
    return this.lengthBytes > 0 && vector.some((byte) => byte !== 0xff);
  }

  image(): Uint8Array | undefined {
    return this.isBootable ? this.memory.bytes(APPLICATION).slice(0, this.lengthBytes) : undefined;
  }

  sha256(): string | undefined {
    const image = this.image();
    return image && createHash('sha256').update(image).digest('hex');
  }

  /** Until all that was asked for is in flash. */
  get busyForMs(): number {
    return Math.max(0, this.#busyUntilMs - this.options.scheduler.now());
  }

  /** A new upload: nothing is erased yet. */
  begin(): void {
    this.#erasedPages = new Set();
    this.#held.fill(0xff);
    this.#length = 0;
    this.#isUntouched = true;
  }

  /** @returns false when the range is not the application's. */
  program(address: number, bytes: Uint8Array, erase: boolean): boolean {
    const at = address - this.options.address;
    const { length } = this.memory.bytes(APPLICATION);
    if (at < 0 || at + bytes.length > length) return false;
    if (this.#isUntouched) this.options.log('erased', 'application');
    this.#isUntouched = false;
    const { pageBytes } = this.memory.timing;
    if (erase) {
      for (let page = Math.floor(at / pageBytes); page * pageBytes < at + bytes.length; page++) {
        if (this.#erasedPages.has(page)) continue;
        this.#erasedPages.add(page);
        this.memory.erase(APPLICATION, page * pageBytes, pageBytes);
        this.#busy(this.memory.eraseMs(1));
      }
    }
    const written = bytes.slice();
    for (let i = 0; i < written.length; i++) {
      const offset = at + i;
      if (offset < HELD_FROM || offset >= HELD_TO) continue;
      this.#held[offset - HELD_FROM] = written[i] ?? 0;
      written[i] = 0xff;
    }
    this.memory.write(APPLICATION, at, written);
    this.#busy(this.memory.writeMs(written.length));
    this.#length = Math.max(this.#length, at + bytes.length);
    // What is left of an application is none: the length is only told when the vectors are there.
    this.lengthBytes = 0;
    return true;
  }

  /** The verdict was good: the vectors come to their place, and the image can run. */
  release(): void {
    if (this.#length === 0) return;
    this.memory.write(APPLICATION, HELD_FROM, this.#held);
    this.#busy(this.memory.writeMs(this.#held.length));
    this.lengthBytes = this.#length;
    this.options.log('written', `${this.#length} bytes`);
    this.#length = 0;
  }

  eraseSlot(done: () => void): void {
    const { length } = this.memory.bytes(SLOT);
    this.memory.erase(SLOT, 0, length, done);
    this.#busy(this.memory.eraseMs(length));
  }

  writeSlot(at: number, bytes: Uint8Array): void {
    this.memory.write(SLOT, at, bytes);
    this.#busy(this.memory.writeMs(bytes.length));
  }

  get slotIsBlank(): boolean {
    return this.memory.bytes(SLOT).every((byte) => byte === 0xff);
  }

  /** The queue of the flash was thrown away. */
  interrupted(): void {
    this.#busyUntilMs = 0;
  }

  #busy(ms: number): void {
    const now = this.options.scheduler.now();
    this.#busyUntilMs = Math.max(now, this.#busyUntilMs) + ms;
  }
}
