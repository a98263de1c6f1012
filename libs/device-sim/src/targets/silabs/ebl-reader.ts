/**
 * The EBL parser of the first Blue Gecko bootloader: flashes what header and erase-program tags carry, skips all
 * others, and complains only at the end. Tags are big-endian.
 *
 * Source: Blue Gecko SDK 2.x UART bootloader example, dfu.c; zigpy, ota/validators.py (CRC over the file, residue).
 * The real one checks a CRC over the installed image; here that of the file stands for it.
 */
import { crc32 } from '../checksums.js';
import type { GblSink } from './gbl-reader.js';
import type { ImageReader } from './silabs-unit.js';

const ERASE_PROGRAM = 0xfd03;
const END = 0xfc04;
const RESIDUE = 0x2144df1c;

export class EblReader implements ImageReader {
  readonly error = undefined;
  #head: number[] = [];
  #address: number[] = [];
  #id = 0;
  #left = 0;
  #at = 0;
  #crc = 0;
  #isDone = false;
  #isStarted = false;

  constructor(private readonly sink: GblSink) {}

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get isVerified(): boolean {
    return this.#isDone && this.#crc === RESIDUE;
  }

  push(bytes: Uint8Array): undefined {
    this.#isStarted ||= bytes.length > 0;
    let at = 0;
    while (at < bytes.length && !this.#isDone) {
      if (this.#left === 0) {
        this.#head.push(bytes[at] ?? 0);
        this.#crc = crc32(bytes.subarray(at, at + 1), this.#crc);
        at += 1;
        if (this.#head.length === 4) this.#open();
        continue;
      }
      const piece = bytes.subarray(at, at + this.#left);
      at += piece.length;
      this.#left -= piece.length;
      this.#crc = crc32(piece, this.#crc);
      this.#take(piece);
      if (this.#id === END && this.#left === 0) this.#isDone = true;
    }
    return undefined;
  }

  #open(): void {
    const [a = 0, b = 0, c = 0, d = 0] = this.#head;
    this.#head = [];
    this.#id = (a << 8) | b;
    this.#left = (c << 8) | d;
    this.#address = [];
  }

  #take(piece: Uint8Array): void {
    if (this.#id !== ERASE_PROGRAM) return;
    let rest = piece;
    while (this.#address.length < 4 && rest.length > 0) {
      this.#address.push(rest[0] ?? 0);
      rest = rest.subarray(1);
      if (this.#address.length === 4) {
        const [a = 0, b = 0, c = 0, d = 0] = this.#address;
        this.#at = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      }
    }
    if (rest.length === 0) return;
    this.sink.program(this.#at, rest, true);
    this.#at += rest.length;
  }
}
