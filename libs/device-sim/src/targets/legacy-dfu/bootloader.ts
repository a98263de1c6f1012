/**
 * The legacy bootloader: control point requests, packets, the states between them. It knows nothing of Bluetooth; the
 * unit carries its answers. All of it lives in RAM: a lost link changes nothing, a reset forgets everything.
 *
 * Source: nRF5 SDK 11 `dfu_transport_ble.c`, `ble_dfu.c`, `dfu_dual_bank.c`, `dfu_single_bank.c`, and what differs in
 * older releases.
 */
import type { FaultInjector } from '../fault-injector.js';
import type { FlashMemory } from '../flash-memory.js';
import { crc16CcittFalse } from '../checksums.js';
import { imageMatches, judgeInitPacket } from './init-check.js';
import type { LegacyHardware } from './options.js';
import type { LegacyRules } from './profile.js';

const Opcode = {
  start: 1,
  init: 2,
  receive: 3,
  validate: 4,
  activate: 5,
  reset: 6,
  received: 7,
  receipts: 8,
} as const;
const REQUEST_NAMES: Readonly<Record<number, string>> = {
  1: 'start',
  2: 'init',
  3: 'receive',
  4: 'validate',
  5: 'activate',
  7: 'received',
};
const Status = { success: 1, invalidState: 2, notSupported: 3, dataSize: 4, crcError: 5, failed: 6 } as const;
const RESPONSE = 0x10;
const RECEIPT = 0x11;

type State = 'idle' | 'preparing' | 'ready' | 'rx-init' | 'rx-data' | 'validate' | 'wait-activate';

/** What is being transferred, and where it goes. */
export interface LegacyUpload {
  readonly softdevice: number;
  readonly bootloader: number;
  readonly application: number;
}

export interface LegacyBootloaderHost {
  readonly memory: FlashMemory;
  readonly faults: FaultInjector;
  readonly rules: LegacyRules;
  readonly hardware: LegacyHardware;
  readonly packetBuffers: number;
  /** Greatest image of the application's bank, of the bootloader's place, and of everything together. */
  readonly limits: { readonly bank: number; readonly bootloader: number };
  /** Erases the place where the upload goes; `done` when flash is ready. @returns its region. */
  prepare(upload: LegacyUpload, done: () => void): string;
  respond(bytes: Uint8Array): void;
  log(what: 'touched' | 'erased' | 'written' | 'activated', detail?: string): void;
  restartInactivityTimer(): void;
  /** The image is good: make it the running one, and reset. */
  activate(upload: LegacyUpload, region: string): void;
  reset(): void;
  /** An error that stock code answers with a reset. */
  trap(): void;
  tookImageBytes(count: number): void;
}

export class LegacyBootloader {
  readonly #host: LegacyBootloaderHost;
  #state: State = 'idle';
  /** What the next packet is taken for. */
  #packetIs: 'nothing' | 'sizes' | 'init' | 'firmware' = 'nothing';
  #types = 4;
  #isOldStart = false;
  #upload: LegacyUpload = { softdevice: 0, bootloader: 0, application: 0 };
  #region = '';
  #init: Uint8Array<ArrayBufferLike> = new Uint8Array();
  #crc: number | undefined;
  #received = 0;
  #receiptEvery = 0;
  #untilReceipt = 0;
  #buffersBusy = 0;
  #overflowed = false;

  constructor(host: LegacyBootloaderHost) {
    this.#host = host;
  }

  /** A write to the control point. */
  request(bytes: Uint8Array): void {
    const opcode = bytes[0] ?? 0;
    const refused = this.#host.faults.refusal(REQUEST_NAMES[opcode] ?? '');
    const isInitData = opcode === Opcode.init && this.#host.rules.init === 'full' && bytes[1] === 0;
    if (refused !== undefined && opcode !== Opcode.start && !isInitData) return this.#answer(opcode, refused);
    switch (opcode) {
      case Opcode.start:
        return this.#startRequest(bytes);
      case Opcode.init:
        return this.#initRequest(bytes);
      case Opcode.receive:
        this.#packetIs = 'firmware';
        return;
      case Opcode.validate:
        return this.#validate();
      case Opcode.activate:
        if (this.#state !== 'wait-activate') return this.#host.reset();
        return this.#host.activate(this.#upload, this.#region);
      case Opcode.reset:
        return this.#host.reset();
      case Opcode.received:
        return this.#host.respond(this.#count([RESPONSE, Opcode.received, Status.success]));
      case Opcode.receipts:
        if (bytes.length < 3) return this.#answer(opcode, Status.notSupported);
        this.#receiptEvery = (bytes[1] ?? 0) | ((bytes[2] ?? 0) << 8);
        this.#untilReceipt = this.#receiptEvery;
        return;
      default:
        return this.#answer(opcode, Status.notSupported);
    }
  }

  /** A write to the packet characteristic. */
  packet(bytes: Uint8Array): void {
    switch (this.#packetIs) {
      case 'sizes':
        return this.#sizes(bytes);
      case 'init':
        return this.#initPacket(bytes);
      case 'firmware':
        return this.#firmware(bytes);
      case 'nothing':
        return;
    }
  }

  #startRequest(bytes: Uint8Array): void {
    const { sizes } = this.#host.rules;
    if (sizes === 'twelve' && bytes.length < 2) return this.#answer(Opcode.start, Status.failed);
    this.#isOldStart = sizes === 'four' || bytes.length < 2;
    this.#types = this.#isOldStart ? 4 : (bytes[1] ?? 0);
    this.#packetIs = 'sizes';
  }

  #sizes(bytes: Uint8Array): void {
    const answer = (status: number): void => this.#answer(Opcode.start, status);
    const { rules, limits, faults } = this.#host;
    const refused = faults.refusal('start');
    if (refused !== undefined) return answer(refused);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const takesFour = rules.sizes !== 'twelve';
    if (bytes.length === 4 && takesFour && this.#types === 4) {
      this.#upload = { softdevice: 0, bootloader: 0, application: view.getUint32(0, true) };
    } else if (bytes.length === 12 && rules.sizes !== 'four') {
      this.#upload = {
        softdevice: view.getUint32(0, true),
        bootloader: view.getUint32(4, true),
        application: view.getUint32(8, true),
      };
    } else return answer(Status.notSupported);
    const { softdevice, bootloader, application } = this.#upload;
    const system = softdevice + bootloader;
    if (application > 0 && system > 0) return answer(Status.notSupported);
    if (softdevice % 4 !== 0 || bootloader % 4 !== 0 || application % 4 !== 0) return answer(Status.notSupported);
    if (bootloader > limits.bootloader) return answer(Status.dataSize);
    if (system + application > limits.bank || system + application === 0) return answer(Status.dataSize);
    if (this.#state !== 'idle') return answer(Status.invalidState);
    this.#host.log('touched', 'start');
    this.#host.log('erased', application > 0 ? 'application' : 'system');
    this.#state = 'preparing';
    this.#host.restartInactivityTimer();
    this.#region = this.#host.prepare(this.#upload, () => {
      this.#state = 'ready';
      answer(Status.success);
    });
  }

  #initRequest(bytes: Uint8Array): void {
    if (this.#host.rules.init === 'crc') {
      this.#packetIs = 'init';
      return;
    }
    if (bytes.length < 2) return this.#answer(Opcode.init, Status.failed);
    if (bytes[1] === 0) {
      this.#packetIs = 'init';
      return;
    }
    if (this.#state !== 'rx-init') return this.#answer(Opcode.init, Status.invalidState);
    const verdict = judgeInitPacket(this.#init, this.#host.hardware, this.#host.rules.deviceType);
    if (verdict === 'overrun') return this.#host.trap();
    if (verdict === 'rejected') {
      this.#init = new Uint8Array();
      this.#state = 'ready';
      return this.#answer(Opcode.init, Status.failed);
    }
    this.#state = 'rx-data';
    this.#answer(Opcode.init, Status.success);
  }

  #initPacket(bytes: Uint8Array): void {
    this.#host.restartInactivityTimer();
    if (this.#state !== 'ready' && this.#state !== 'rx-init') return this.#answer(Opcode.init, Status.invalidState);
    if (this.#host.rules.init === 'crc') {
      if (bytes.length < 2) return this.#answer(Opcode.init, Status.failed);
      this.#crc = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
      this.#state = 'rx-data';
      return this.#answer(Opcode.init, Status.success);
    }
    this.#state = 'rx-init';
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    if (this.#init.length + padded.length > this.#host.rules.initBufferBytes) {
      return this.#answer(Opcode.init, Status.failed);
    }
    this.#init = Buffer.concat([this.#init, padded]);
  }

  #firmware(bytes: Uint8Array): void {
    const answer = (status: number): void => this.#answer(Opcode.receive, status);
    if (bytes.length % 4 !== 0) return answer(Status.notSupported);
    // The init packet may be left out where it is a CRC alone.
    const mayBegin = this.#state === 'rx-data' || (this.#state === 'ready' && this.#host.rules.init === 'crc');
    if (!mayBegin) return answer(Status.invalidState);
    this.#state = 'rx-data';
    const total = this.#total();
    if (this.#overflowed || this.#received + bytes.length > total) {
      this.#overflowed = true;
      return answer(Status.dataSize);
    }
    if (this.#buffersBusy >= this.#host.packetBuffers) return answer(Status.failed);
    this.#host.restartInactivityTimer();
    this.#buffersBusy += 1;
    const isLast = this.#received + bytes.length === total;
    this.#host.memory.write(this.#region, this.#received, bytes, () => {
      this.#buffersBusy -= 1;
      if (!isLast) return;
      this.#host.log('written', `${total} bytes`);
      this.#state = 'validate';
      answer(Status.success);
    });
    this.#received += bytes.length;
    if (!isLast) this.#receipt();
    this.#host.tookImageBytes(bytes.length);
  }

  #receipt(): void {
    if (this.#receiptEvery === 0) return;
    this.#untilReceipt -= 1;
    if (this.#untilReceipt > 0) return;
    this.#untilReceipt = this.#receiptEvery;
    this.#host.respond(this.#count([RECEIPT]));
  }

  #validate(): void {
    this.#host.restartInactivityTimer();
    if (this.#state !== 'validate') return this.#answer(Opcode.validate, Status.invalidState);
    const image = this.#host.memory.bytes(this.#region).slice(0, this.#total());
    const isGood =
      this.#host.rules.init === 'full'
        ? imageMatches(image, this.#init, this.#host.hardware)
        : this.#crc === undefined || this.#crc === crc16CcittFalse(image);
    if (isGood) this.#state = 'wait-activate';
    this.#answer(Opcode.validate, isGood ? Status.success : Status.crcError);
  }

  #total(): number {
    const { softdevice, bootloader, application } = this.#upload;
    return softdevice + bootloader + application;
  }

  #count(head: readonly number[]): Uint8Array {
    const { receiptBits } = this.#host.rules;
    const value = receiptBits === 16 ? this.#received & 0xffff : this.#received;
    const bytes = [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
    return Uint8Array.from([...head, ...bytes]);
  }

  #answer(opcode: number, status: number): void {
    this.#host.respond(Uint8Array.from([RESPONSE, opcode, status]));
  }
}
