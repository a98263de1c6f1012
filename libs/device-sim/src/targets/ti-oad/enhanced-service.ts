/**
 * Enhanced OAD with TI header: the service as the SDK's profile behaves, with its silent reactions.
 *
 * Source: TI SimpleLink CC13x2/CC26x2 SDK, `profiles/oad/cc26xx/oad.c`, `oad.h`; CC2640R2 SDK 4.30 for its differences.
 */
import type { AttRefusal, Cancel } from '../../target.js';
import { TiOadUuid } from './gatt.js';
import { type OadHost, type OadService, u16, u32, viewOf } from './host.js';
import { collectedHeader, crcMatches, imageIdOf, softwareVersionOf } from './ti-image.js';

const Status = {
  success: 0,
  crc: 1,
  overflow: 3,
  notStarted: 5,
  notComplete: 6,
  noResources: 7,
  tooBig: 8,
  incompatibleImage: 9,
  invalidFile: 10,
  incompatibleFile: 11,
  complete: 14,
  identifyTimeout: 16,
} as const;

type State = 'idle' | 'config' | 'download' | 'complete';

const RETRIES = 3;
const PAGE_ALIGNED = 4096;

export class EnhancedService implements OadService {
  readonly #host: OadHost;
  readonly #onChip: boolean;
  #state: State = 'idle';
  #retries = RETRIES;
  #blockBytes = 20;
  #length = 0;
  #total = 0;
  #expected = 0;
  #head: number[] = [];
  #headerDone = false;
  #queued = 0;
  #lastStatus = 0;
  #requestsOff = false;
  #stopTimer: Cancel | undefined;
  /** Counts state resets: what is still under way in flash belongs to an older one. */
  #epoch = 0;

  constructor(host: OadHost, onChip: boolean) {
    this.#host = host;
    this.#onChip = onChip;
  }

  linkOpened(): void {
    this.#blockBytes = 20;
  }

  /** TI's applications cancel when the link goes down. */
  linkLost(): void {
    this.#reset();
  }

  onWrite(characteristic: string, bytes: Uint8Array): AttRefusal | undefined {
    if (characteristic === TiOadUuid.control) this.#command(bytes);
    if (characteristic === TiOadUuid.identify) this.#identify(bytes);
    if (characteristic === TiOadUuid.block) this.#block(bytes);
    return undefined;
  }

  #reset(): void {
    this.#epoch += 1;
    this.#state = 'idle';
    this.#retries = RETRIES;
    this.#head = [];
    this.#headerDone = false;
    this.#queued = 0;
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
    this.#lastStatus = status;
    if (!this.#requestsOff) this.#answer(0x12, status, ...u32(block));
  }

  #command(bytes: Uint8Array): void {
    const { options, faults } = this.#host;
    const opcode = bytes[0] ?? 0xff;
    switch (opcode) {
      case 0x01:
        // The sample applications set it at every MTU update.
        this.#blockBytes = Math.max(20, Math.min(244, (this.#host.mtu() - 3) & ~3));
        return this.#answer(0x01, ...u16(this.#blockBytes));
      case 0x02:
        return this.#answer(0x02, this.#state === 'config' ? Status.success : Status.notStarted);
      case 0x03: {
        if (this.#state !== 'config') return this.#answer(0x03, Status.notStarted);
        const refused = faults.refusal('start');
        if (refused !== undefined) return this.#answer(0x03, refused);
        this.#state = 'download';
        return this.#request(Status.success, 0);
      }
      case 0x04:
        return this.#enable(bytes);
      case 0x05: {
        const wasIdle = this.#state === 'idle';
        this.#reset();
        if (wasIdle) return this.#answer(0x05, Status.notStarted);
        if (options.answersCancel) this.#answer(0x05, Status.success);
        return;
      }
      case 0x06:
        this.#requestsOff = true;
        return this.#answer(0x06, Status.success);
      case 0x07: {
        const installed = this.#host.installed();
        return this.#answer(0x07, ...(installed ? softwareVersionOf(installed) : [0xff, 0xff, 0xff, 0xff]));
      }
      case 0x08:
        return this.#answer(0x08, this.#lastStatus);
      case 0x09:
        return this.#answer(0x09, 1);
      case 0x10: {
        const chip = options.chip ?? { type: 11, family: 4, revision: 21 };
        return this.#answer(0x10, chip.type, chip.family, chip.revision, 0xff);
      }
      case 0x11: {
        const installed = this.#host.installed();
        const running = this.#onChip ? [0xff, 0xfe, 0, 0] : [0xff, 0xfe, installed?.[18] ?? 7, installed?.[19] ?? 0];
        return bytes[1] === 1 ? this.#answer(0x11, 1, ...running) : this.#answer(0x11, 0);
      }
      case 0x13:
        return this.#answer(0x13, Status.success);
      default:
        return this.#answer(0xff);
    }
  }

  #identify(bytes: Uint8Array): void {
    const { options, faults } = this.#host;
    if (options.dropsLongIdentify && bytes.length > 22) return;
    if (this.#state === 'config') {
      this.#reset();
      return this.#request(Status.notStarted, 0);
    }
    if (this.#state !== 'idle') return this.#reset();
    this.#host.log('touched', 'identify');
    let status = faults.refusal('identify') ?? this.#judge(bytes);
    if (status !== Status.success) {
      this.#retries -= 1;
      if (this.#retries === 0) {
        status = Status.identifyTimeout;
        this.#host.after(50, () => {
          if (this.#onChip) this.#host.startUserApplication();
          this.#host.dropLink();
        });
      }
      return this.#host.notify(TiOadUuid.identify, Uint8Array.of(status));
    }
    // Without its configuration the answer cannot be sent, and the state stays idle.
    if (!this.#host.isSubscribed(TiOadUuid.identify)) return;
    this.#length = viewOf(bytes).getUint32(14, true);
    this.#total = Math.ceil(this.#length / (this.#blockBytes - 4));
    this.#expected = 0;
    this.#state = 'config';
    this.#restartTimer();
    this.#host.notify(TiOadUuid.identify, Uint8Array.of(status));
  }

  /** In the order of the source; a later check overwrites the status of an earlier one. */
  #judge(bytes: Uint8Array): number {
    const { options } = this.#host;
    if (bytes.length < 18) return Status.invalidFile;
    const installed = this.#host.installed();
    const id = options.imageId ?? (installed ? imageIdOf(installed) : 'CC26x2R1');
    const type = bytes[12] ?? 0;
    const length = viewOf(bytes).getUint32(14, true);
    let status: number = Status.success;
    if (imageIdOf(bytes) !== id) status = Status.invalidFile;
    if (bytes[8] !== 3 || bytes[9] !== 1) status = Status.incompatibleFile;
    if (type === 3 && this.#onChip) status = Status.incompatibleImage;
    if (type === 3 && !this.#onChip && length > 0x56000) status = Status.tooBig;
    if (type === 0 || type === 5 || type === 6 || type >= 64) status = Status.incompatibleImage;
    return status;
  }

  #block(bytes: Uint8Array): void {
    if (this.#state === 'idle') return this.#request(Status.notStarted, 0);
    if (this.#state === 'config') {
      this.#reset();
      return this.#request(Status.notStarted, 0);
    }
    if (this.#state === 'complete') return this.#reset();
    const refused = this.#host.faults.refusal('block');
    if (refused !== undefined) return this.#fail(refused, this.#expected);
    if (this.#queued >= (this.#host.options.queueBlocks ?? 8)) return this.#fail(Status.noResources, 0);
    const number = bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : -1;
    const isLast = number === this.#total - 1;
    // The length of the last one follows the header that was received, not the identify.
    const length = this.#headerLength() ?? this.#length;
    const rest = length % (this.#blockBytes - 4);
    const wanted = isLast && rest > 0 ? rest + 4 : this.#blockBytes;
    if (number !== this.#expected || bytes.length !== wanted) return this.#fail(Status.overflow, 0);
    this.#restartTimer();
    this.#expected += 1;
    this.#queued += 1;
    this.#store(number * (this.#blockBytes - 4), bytes.slice(4), isLast);
    this.#host.tookImageBytes(bytes.length - 4);
  }

  #headerLength(): number | undefined {
    return this.#head.length >= 28 ? viewOf(Uint8Array.from(this.#head.slice(0, 28))).getUint32(24, true) : undefined;
  }

  #fail(status: number, block: number): void {
    this.#reset();
    this.#request(status, block);
  }

  #store(offset: number, data: Uint8Array, isLast: boolean): void {
    const { memory, region } = this.#host;
    const epoch = this.#epoch;
    const current = (): boolean => epoch === this.#epoch;
    const written = (): void => {
      if (!current()) return;
      this.#queued -= 1;
      if (isLast) return this.#finish();
      this.#request(Status.success, offset / (this.#blockBytes - 4) + 1);
    };
    if (this.#headerDone) return memory.write(region, offset, data, written);
    this.#head.push(...data);
    const head = Uint8Array.from(this.#head);
    const header = collectedHeader(head);
    if (!header) {
      this.#queued -= 1;
      if (isLast) return this.#fail(Status.incompatibleImage, offset);
      return this.#request(Status.success, this.#expected);
    }
    this.#headerDone = true;
    const technology = viewOf(head).getUint16(14, true);
    const fits = this.#length <= memory.bytes(region).length;
    if ((technology & 1) !== 0 || header.start % PAGE_ALIGNED !== 0 || !fits) {
      return this.#fail(fits ? Status.incompatibleImage : Status.tooBig, this.#expected - 1);
    }
    this.#host.log('erased', region);
    if (this.#onChip) this.#host.loseApplication();
    memory.erase(region, 0, this.#length);
    memory.write(region, 0, head, written);
  }

  #finish(): void {
    const { memory, region, options, faults } = this.#host;
    const epoch = this.#epoch;
    this.#host.log('written', `${this.#length} bytes`);
    const crcMs = (this.#length / 1024) * (options.crcMsPerKib ?? 0.05);
    memory.whenIdle(() => {
      this.#host.after(crcMs, () => {
        if (epoch !== this.#epoch) return;
        const forced = faults.refusal('complete');
        const image = memory.bytes(region).slice(0, this.#length);
        if (forced !== undefined) return this.#fail(forced, this.#total);
        if (!crcMatches(image)) return this.#fail(Status.crc, this.#total);
        this.#state = 'complete';
        this.#request(Status.complete, options.finalBlockNumber ?? 0);
      });
    });
  }

  #enable(bytes: Uint8Array): void {
    if (bytes.length === 5) return this.#answer(0x04, this.#onChip ? 0xff : Status.incompatibleImage);
    // Any other length is answered with success and does nothing.
    if (bytes.length !== 1) return this.#answer(0x04, Status.success);
    if (this.#state !== 'complete') return this.#answer(0x04, Status.notComplete);
    const { memory, region, faults } = this.#host;
    const type = memory.bytes(region)[18] ?? 0;
    const forced = faults.refusal('enable');
    if (forced !== undefined) return this.#answer(0x04, forced);
    if (![1, 2, 3, 7].includes(type)) return this.#answer(0x04, Status.incompatibleImage);
    this.#answer(0x04, Status.success);
    const length = this.#length;
    this.#reset();
    this.#host.activate(length, 'silent');
  }
}
