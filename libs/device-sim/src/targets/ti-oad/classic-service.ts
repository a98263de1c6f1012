/**
 * Classic OAD: two areas on a CC254x, or external flash beside a CC26x0.
 *
 * Source: TI BLE-Stack 1.x `oad_target.c` (CC254x); BLE-Stack 2.x `oad.c`, `oad_target_external_flash.c`.
 */
import type { AttRefusal } from '../../target.js';
import { crc16Xmodem } from '../checksums.js';
import { TiOadUuid } from './gatt.js';
import { type OadHost, type OadService, u16, viewOf } from './host.js';

const DATA = 16;
const WRITE_NOT_PERMITTED: AttRefusal = { attError: 0x03 };
const INVALID_VALUE: AttRefusal = { attError: 0x80 };
const MAX_OFF_CHIP_BLOCKS = 8192;

/** Polynomial 8005, start 0, nothing reflected: what the linker of a CC254x writes. */
function crc16Of254x(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const top = (crc >> 15) ^ ((byte >> bit) & 1);
      crc = (crc << 1) & 0xffff;
      if (top === 1) crc ^= 0x8005;
    }
  }
  return crc;
}

export class ClassicService implements OadService {
  readonly #host: OadHost;
  readonly #offChip: boolean;
  #wanted: number[] = [];
  #crc = 0;
  #total = 0;
  #expected = -1;
  #images = 1;
  #isDone = false;

  constructor(host: OadHost, offChip: boolean) {
    this.#host = host;
    this.#offChip = offChip;
  }

  linkOpened(): void {
    return;
  }

  /** Its state survives; an identify begins again. */
  linkLost(): void {
    return;
  }

  onWrite(characteristic: string, bytes: Uint8Array, withResponse: boolean): AttRefusal | undefined {
    if (this.#isDone) return undefined;
    switch (characteristic) {
      case TiOadUuid.identify:
        return this.#identify(bytes);
      case TiOadUuid.block: {
        const refusal = this.#block(bytes);
        return withResponse ? refusal : undefined;
      }
      case TiOadUuid.count:
        if (bytes.length !== 1 || bytes[0] === 0) return INVALID_VALUE;
        this.#images = bytes[0] ?? 1;
        return undefined;
      default:
        return undefined;
    }
  }

  /** Version, length, user id of what runs; a unit that never had metadata shows version FFFF. */
  #running(): number[] {
    const installed = this.#host.installed();
    const isHeader = installed && installed[2] === 0xff && installed[3] === 0xff;
    return isHeader ? [...installed.subarray(4, 12)] : [0xff, 0xff, 0, 0, 0x45, 0x45, 0x45, 0x45];
  }

  #identify(bytes: Uint8Array): AttRefusal | undefined {
    const running = this.#running();
    const own = (running[0] ?? 0) & 1;
    if (!this.#offChip && bytes.length < 8) {
      if (!(this.#host.options.answersHeaderQuestion ?? true)) return undefined;
      if (((bytes[0] ?? 0) & 1) === own) this.#host.notify(TiOadUuid.identify, Uint8Array.from(running));
      return undefined;
    }
    if (bytes.length < 8) return undefined;
    this.#host.log('touched', 'identify');
    const fields = bytes.length === 8 ? bytes : bytes.subarray(this.#offChip ? 4 : 0);
    const version = viewOf(fields).getUint16(0, true);
    const blocks = (viewOf(fields).getUint16(2, true) * 4) / DATA;
    const room = this.#host.memory.bytes(this.#host.region).length / DATA;
    const refused = this.#host.faults.refusal('identify') !== undefined;
    const fits = this.#offChip
      ? blocks >= 1 && blocks <= MAX_OFF_CHIP_BLOCKS && this.#isNewer(version, running)
      : (version & 1) !== own && blocks > 0;
    if (refused || !fits || blocks > room) {
      this.#host.notify(TiOadUuid.identify, Uint8Array.from(running));
      return undefined;
    }
    this.#wanted = [...fields.subarray(0, 4)];
    this.#crc = this.#offChip ? viewOf(bytes).getUint16(0, true) : 0;
    this.#total = blocks;
    this.#expected = 0;
    this.#host.notify(TiOadUuid.block, Uint8Array.of(0, 0));
    return undefined;
  }

  #isNewer(version: number, running: readonly number[]): boolean {
    const own = (running[0] ?? 0) | ((running[1] ?? 0) << 8);
    return own === 0 || own === 0xffff || version === 0 || version > own;
  }

  #block(bytes: Uint8Array): AttRefusal | undefined {
    if (this.#expected < 0 || bytes.length !== 2 + DATA) return undefined;
    const number = viewOf(bytes).getUint16(0, true);
    const data = bytes.slice(2);
    if (number !== this.#expected) {
      if (this.#offChip) {
        this.#expected = -1;
        this.#host.notify(TiOadUuid.status, Uint8Array.of(3));
        return undefined;
      }
      if (number === 0) return WRITE_NOT_PERMITTED;
      this.#host.notify(TiOadUuid.block, Uint8Array.from(u16(this.#expected)));
      return undefined;
    }
    const isHead = !this.#offChip && number === 0;
    if (isHead && !this.#wanted.every((byte, at) => data[4 + at] === byte)) return WRITE_NOT_PERMITTED;
    this.#store(number, data);
    this.#host.tookImageBytes(DATA);
    return undefined;
  }

  #store(number: number, data: Uint8Array): void {
    const { memory, region } = this.#host;
    const at = number * DATA;
    if (number === 0) this.#host.log('erased', region);
    if (at % memory.timing.pageBytes === 0) memory.erase(region, at, memory.timing.pageBytes);
    this.#expected = number + 1;
    const isLast = number + 1 === this.#total;
    memory.write(region, at, data, () => {
      if (isLast) return this.#finish();
      this.#host.notify(TiOadUuid.block, Uint8Array.from(u16(number + 1)));
    });
  }

  #finish(): void {
    const { memory, region, options, faults } = this.#host;
    const length = this.#total * DATA;
    this.#expected = -1;
    this.#host.log('written', `${length} bytes`);
    this.#host.after((length / 1024) * (options.crcMsPerKib ?? 0.05), () => {
      const image = memory.bytes(region).slice(0, length);
      const forced = faults.refusal('complete');
      if (this.#offChip) {
        const matches = crc16Xmodem(image.subarray(4)) === this.#crc;
        this.#host.notify(TiOadUuid.status, Uint8Array.of(forced ?? (matches ? 0 : 1)));
        if (forced !== undefined || !matches || --this.#images > 0) return;
      } else {
        // A checksum that does not match is met with silence.
        const stored = viewOf(image).getUint16(0, true);
        const computed = crc16Of254x(image.subarray(4));
        if (forced !== undefined || stored === 0 || stored === 0xffff || stored !== computed) return;
      }
      this.#isDone = true;
      this.#host.after(30, () => this.#host.activate(length, 'silent'));
    });
  }
}
