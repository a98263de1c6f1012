/** Reads little- and big-endian fields from bytes that came from outside; every overrun is a typed error. */
import { MalformedFrameError } from '../errors.js';

export class ByteReader {
  #at = 0;
  readonly #view: DataView;

  /** @param what names the message in errors. */
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.bytes.length - this.#at;
  }

  #take(length: number): number {
    if (this.remaining < length) {
      throw new MalformedFrameError(
        `${this.what} ends after ${this.bytes.length} bytes, ${this.#at + length} are needed`,
      );
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16le(): number {
    return this.#view.getUint16(this.#take(2), true);
  }
  u16be(): number {
    return this.#view.getUint16(this.#take(2), false);
  }
  u32le(): number {
    return this.#view.getUint32(this.#take(4), true);
  }
  u32be(): number {
    return this.#view.getUint32(this.#take(4), false);
  }
  take(length: number): Uint8Array {
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }
  rest(): Uint8Array {
    return this.take(this.remaining);
  }
  expectU8(value: number, field: string): void {
    const actual = this.u8();
    if (actual !== value) {
      throw new MalformedFrameError(`${this.what}: ${field} is 0x${actual.toString(16)}, not 0x${value.toString(16)}`);
    }
  }
  expectEnd(): void {
    if (this.remaining > 0) throw new MalformedFrameError(`${this.what}: ${this.remaining} bytes too many`);
  }
}
