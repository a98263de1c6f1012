/**
 * Six decimal digits that a device shows or has on its label. Whoever knows them can pair with it: they are never shown,
 * logged or written, wherever the object ends up.
 *
 * Source: Bluetooth Core 5.2, Vol 3 Part H, 2.3.5.3 (passkey as key), 2.3.5.6.3 (its bits); Part C, 3.2.3.3 (six digits).
 */
import { inspect } from 'node:util';
import { DrydockError } from '@drydock/dfu-core';

const DIGITS = /^[0-9]{6}$/;

export class Passkey {
  readonly #value: number;

  private constructor(value: number) {
    this.#value = value;
  }

  /**
   * @param field where it came from, for the error; the digits are not in it.
   * @throws DrydockError `settings.invalid` for anything but six digits.
   */
  static parse(text: string, field: string): Passkey {
    if (!DIGITS.test(text)) {
      throw new DrydockError('settings.invalid', { field, detail: 'a passkey is six digits, with its leading zeros' });
    }
    return new Passkey(Number(text));
  }

  /** As a temporary key, or as the r of f6: 16 bytes, least significant first. */
  toKey(): Buffer {
    const key = Buffer.alloc(16);
    key.writeUInt32LE(this.#value, 0);
    return key;
  }

  /** One of its twenty bits, from the least significant on. */
  bit(at: number): number {
    return (this.#value >> at) & 1;
  }

  toString(): string {
    return '[passkey]';
  }

  toJSON(): string {
    return '[passkey]';
  }

  [inspect.custom](): string {
    return '[passkey]';
  }
}
