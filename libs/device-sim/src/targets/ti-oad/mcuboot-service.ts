/**
 * Enhanced OAD of the low-power F3 SDK, whose images are MCUboot's.
 *
 * Source: TI low-power F3 SDK, `profiles/oad/src/oad_profile.c`, `app_util/sw_update/src/sw_update.c`.
 */
import type { AttRefusal, Cancel } from '../../target.js';
import { headerVersion } from '../smp/mcuboot-image.js';
import { TiOadUuid } from './gatt.js';
import { type OadHost, type OadService, u16, u32, viewOf } from './host.js';

const Status = {
  success: 0,
  flash: 2,
  overflow: 3,
  alreadyStarted: 4,
  notStarted: 5,
  tooBig: 8,
  invalidFile: 10,
  complete: 14,
  identifyTimeout: 16,
} as const;

type State = 'idle' | 'config' | 'download' | 'complete';

const BLOCK = 240;
const DATA = 236;
const MAGIC = [0x3d, 0xb8, 0xf3, 0x96];
const RETRIES = 3;
/** Internal flash of a CC2340R5 without boot loader and non-volatile storage. */
export const CC23_SLOT_BYTES = 0x76000;

export class McubootService implements OadService {
  readonly #host: OadHost;
  readonly #onChip: boolean;
  #state: State = 'idle';
  #retries = RETRIES;
  #length = 0;
  #total = 0;
  #expected = 0;
  #erasedTo = 0;
  #requestsOff = false;
  #stopTimer: Cancel | undefined;
  #epoch = 0;
  #connection = 0;
  #owner = 0;

  constructor(host: OadHost, onChip: boolean) {
    this.#host = host;
    this.#onChip = onChip;
  }

  linkOpened(): void {
    if (this.#host.options.freshHandles) this.#connection += 1;
  }

  /** No handler: the state stays until the timer. */
  linkLost(): void {
    return;
  }

  onWrite(characteristic: string, bytes: Uint8Array): AttRefusal | undefined {
    // Writes of another connection are told off, and performed all the same.
    if (this.#state !== 'idle' && this.#owner !== this.#connection) {
      this.#answer(0x05, Status.alreadyStarted);
      this.#owner = this.#connection;
    }
    if (characteristic === TiOadUuid.control) this.#command(bytes);
    if (characteristic === TiOadUuid.identify) this.#identify(bytes);
    if (characteristic === TiOadUuid.block) this.#block(bytes);
    return undefined;
  }

  #reset(): void {
    this.#epoch += 1;
    this.#state = 'idle';
    this.#retries = RETRIES;
    this.#requestsOff = false;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #restartTimer(): void {
    this.#stopTimer?.();
    this.#stopTimer = this.#host.after(this.#host.options.inactivityMs ?? 10_000, () => this.#reset());
  }

  #answer(...bytes: number[]): void {
    this.#host.notify(TiOadUuid.control, Uint8Array.from(bytes));
  }

  #request(status: number, block: number): void {
    if (!this.#requestsOff) this.#answer(0x12, status, ...u32(block));
  }

  /** What does not fit the state: `<event> <status>`; when idle the state is reset. */
  #misplaced(event: number): void {
    if (this.#state !== 'idle') return this.#answer(event, Status.alreadyStarted);
    this.#reset();
    this.#answer(event, Status.notStarted);
  }

  #command(bytes: Uint8Array): void {
    const opcode = bytes[0] ?? 0xff;
    const { faults } = this.#host;
    switch (opcode) {
      case 0x01:
        return this.#answer(0x01, ...u16(BLOCK));
      case 0x03: {
        if (this.#state !== 'config') return this.#misplaced(0x03);
        const refused = faults.refusal('start');
        if (refused !== undefined) return this.#answer(0x03, refused);
        this.#state = 'download';
        return this.#request(Status.success, 0);
      }
      case 0x04: {
        if (this.#state !== 'complete') return this.#misplaced(0x04);
        const refused = faults.refusal('enable');
        if (refused !== undefined) return this.#answer(0x04, refused);
        this.#answer(0x04, Status.success);
        const length = this.#length;
        this.#reset();
        return this.#host.activate(length, 'graceful');
      }
      case 0x05: {
        const wasIdle = this.#state === 'idle';
        this.#reset();
        return this.#answer(0x05, wasIdle ? Status.notStarted : Status.success);
      }
      case 0x06:
        this.#requestsOff = true;
        return this.#answer(0x06, Status.success);
      case 0x07:
        return this.#version();
      case 0x08:
        return this.#answer(0x08, this.#state === 'idle' ? Status.notStarted : Status.alreadyStarted);
      case 0x13:
        return this.#answer(0x06, Status.success);
      default:
        return this.#answer(opcode, 0xff);
    }
  }

  /** Of the program that answers. */
  #version(): void {
    const { options } = this.#host;
    const installed = this.#host.installed();
    const own = this.#onChip ? undefined : installed && headerVersion(installed);
    const { major, minor, revision, build } = own ?? {
      major: options.persistentMajor ?? 9,
      minor: 0,
      revision: 0,
      build: 0,
    };
    this.#answer(0x07, major, minor, revision >> 8, revision & 0xff, (build >> 8) & 0xff, build & 0xff);
  }

  #identify(bytes: Uint8Array): void {
    if (this.#state !== 'idle') return this.#answer(0x00, Status.alreadyStarted);
    this.#host.log('touched', 'identify');
    let status = this.#host.faults.refusal('identify') ?? this.#judge(bytes);
    if (status !== Status.success) {
      this.#retries -= 1;
      if (this.#retries <= 0) status = Status.identifyTimeout;
      return this.#host.notify(TiOadUuid.identify, Uint8Array.of(status));
    }
    const { options } = this.#host;
    this.#length =
      options.variant === 'e2-off-chip' ? (options.slotBytes ?? CC23_SLOT_BYTES) : viewOf(bytes).getUint32(12, true);
    this.#total = Math.ceil(this.#length / DATA);
    this.#expected = 0;
    this.#erasedTo = 0;
    this.#state = 'config';
    this.#owner = this.#connection;
    this.#restartTimer();
    this.#host.notify(TiOadUuid.identify, Uint8Array.of(Status.success));
  }

  #judge(bytes: Uint8Array): number {
    if (bytes.length < 18 || !MAGIC.every((byte, at) => bytes[at] === byte)) return Status.invalidFile;
    const { options, memory, region } = this.#host;
    const isTooBig =
      options.variant !== 'e2-off-chip' && viewOf(bytes).getUint32(12, true) > memory.bytes(region).length;
    return isTooBig ? Status.tooBig : Status.success;
  }

  #block(bytes: Uint8Array): void {
    if (this.#state !== 'download') return this.#misplaced(0x01);
    const number = bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : -1;
    const rest = this.#length % DATA;
    const wanted = number === this.#total - 1 && rest > 0 ? rest + 4 : BLOCK;
    const refused = this.#host.faults.refusal('block');
    if (refused !== undefined || number !== this.#expected || bytes.length !== wanted) {
      this.#reset();
      return this.#request(refused ?? Status.overflow, 0);
    }
    this.#restartTimer();
    this.#expected += 1;
    this.#store(number, bytes.slice(4));
    this.#host.tookImageBytes(bytes.length - 4);
  }

  #store(number: number, data: Uint8Array): void {
    const { memory, region } = this.#host;
    const epoch = this.#epoch;
    const at = number * DATA;
    const { pageBytes } = memory.timing;
    if (number === 0) {
      this.#host.log('erased', region);
      if (this.#onChip) this.#host.loseApplication();
    }
    for (; this.#erasedTo < at + data.length; this.#erasedTo += pageBytes)
      memory.erase(region, this.#erasedTo, pageBytes);
    memory.write(region, at, data, () => {
      if (epoch !== this.#epoch) return;
      if (number + 1 < this.#total) return this.#request(Status.success, number + 1);
      this.#host.log('written', `${this.#length} bytes`);
      this.#state = 'complete';
      // A flash error on the last block is hidden by this status.
      this.#request(Status.complete, this.#host.options.finalBlockNumber ?? this.#total);
    });
  }
}
