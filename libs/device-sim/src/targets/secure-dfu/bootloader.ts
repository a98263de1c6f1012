/**
 * The secure bootloader: control point requests, packets, objects, offsets, checksums.
 * It knows nothing of Bluetooth or serial lines; the unit carries its answers.
 *
 * Source: nRF5 SDK 17 `nrf_dfu_req_handler.c`, `nrf_dfu_ble.c`; SDK 12.3 `dfu_req_handling.c`.
 */
import { crc32 } from '../checksums.js';
import type { FaultInjector } from '../fault-injector.js';
import type { FlashMemory } from '../flash-memory.js';
import type { InitPacket } from './init-packet.js';
import { decodeInitPacket } from './init-packet.js';
import type { SdkRules } from './profile.js';
import { serialAnswer, type SerialFacts } from './serial-requests.js';
import type { DfuSettings } from './settings.js';
import {
  imageBytesOf,
  ResultCode,
  validateImage,
  validateInitPacket,
  type Refusal,
  type ValidationFacts,
} from './validation.js';

const Opcode = {
  create: 0x01,
  setPrn: 0x02,
  crc: 0x03,
  execute: 0x04,
  select: 0x06,
  write: 0x08,
  ping: 0x09,
  abort: 0x0c,
  response: 0x60,
} as const;

const REQUEST_NAMES: Readonly<Record<number, string>> = {
  [Opcode.create]: 'create',
  [Opcode.setPrn]: 'prn',
  [Opcode.crc]: 'crc',
  [Opcode.execute]: 'execute',
  [Opcode.select]: 'select',
  [Opcode.ping]: 'ping',
};

const COMMAND_OBJECT = 1;
const DATA_OBJECT = 2;
const CODE_PAGE_BYTES = 4096;

/** What the bootloader needs of the unit it runs on. */
export interface BootloaderHost {
  readonly memory: FlashMemory;
  readonly faults: FaultInjector;
  readonly rules: SdkRules;
  readonly region: string;
  /** Settings as stored; `store` takes flash time, then `done`. */
  settings(): DfuSettings;
  store(change: Partial<DfuSettings>, done: () => void): void;
  facts(packet: InitPacket): ValidationFacts;
  /** Where in the region an image of that size and type goes, and whether that destroys the application. */
  place(imageBytes: number, type: number): { readonly fromBytes: number; readonly destroysApplication: boolean };
  readonly verifyMs: number;
  readonly packetBuffers: number;
  /** Builds for a serial line speak the whole protocol; absent: the reduced one of Bluetooth builds. */
  readonly serial?: SerialFacts & {
    /** A write of so many bytes takes a receive buffer until it is in flash; false when there is none. */
    takeBuffer(bytes: number): boolean;
    /** More frames than receive buffers: the error handler resets. */
    overrun(): void;
  };
  after(delayMs: number, fn: () => void): void;
  respond(bytes: Uint8Array): void;
  log(what: 'touched' | 'erased' | 'written' | 'activated', detail?: string): void;
  restartInactivityTimer(): void;
  /** The last Execute was answered: disconnect and reset. */
  finish(): void;
  abort(): void;
  /** Image bytes were taken: faults by byte. */
  tookImageBytes(count: number): void;
}

export class Bootloader {
  readonly #host: BootloaderHost;
  #object = COMMAND_OBJECT;
  #init: Uint8Array<ArrayBufferLike> = new Uint8Array();
  #initSize = 0;
  #initIsValid: boolean;
  #packet: InitPacket | undefined;
  #objectSize = 0;
  #offset = 0;
  #crc = 0;
  #lastOffset = 0;
  #lastCrc = 0;
  #prn = 0;
  #prnCount = 0;
  #buffersBusy = 0;
  #isFinishing = false;

  constructor(host: BootloaderHost) {
    this.#host = host;
    const settings = host.settings();
    this.#init = settings.init;
    this.#initSize = settings.init.length;
    this.#initIsValid = settings.initIsValid;
    this.#packet = settings.initIsValid ? decodeInitPacket(settings.init, host.rules.maxSoftDeviceEntries) : undefined;
    this.#offset = this.#lastOffset = settings.savedBytes;
    this.#crc = this.#lastCrc = settings.savedCrc32;
  }

  /** A lost link: newer releases read their settings again. */
  linkLost(): void {
    if (this.#host.rules.keepsProgressOnDisconnect || this.#isFinishing) return;
    const settings = this.#host.settings();
    this.#init = settings.init;
    this.#initSize = settings.init.length;
    this.#initIsValid = settings.initIsValid;
    this.#offset = this.#lastOffset = settings.savedBytes;
    this.#crc = this.#lastCrc = settings.savedCrc32;
    this.#objectSize = 0;
  }

  /** A write to the control point. */
  request(bytes: Uint8Array): void {
    const opcode = bytes[0] ?? 0;
    if (this.#isFinishing) return;
    const refusal = this.#host.faults.refusal(REQUEST_NAMES[opcode] ?? '');
    if (refusal !== undefined) return this.#refuse(opcode, { result: refusal });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    switch (opcode) {
      case Opcode.create:
        if (bytes.length !== 6) return this.#refuse(opcode, { result: ResultCode.invalidParameter });
        return this.#create(bytes[1] ?? 0, view.getUint32(2, true));
      case Opcode.setPrn:
        if (bytes.length !== 3) return this.#refuse(opcode, { result: ResultCode.invalidParameter });
        this.#prn = view.getUint16(1, true);
        this.#prnCount = 0;
        return this.#accept(opcode);
      case Opcode.crc:
        return this.#host.respond(this.#checksumReport());
      case Opcode.execute:
        this.#host.log('touched', 'execute');
        return this.#object === COMMAND_OBJECT ? this.#executeInit() : this.#executeData();
      case Opcode.select:
        if (bytes.length !== 2) return this.#refuse(opcode, { result: ResultCode.invalidParameter });
        return this.#select(bytes[1] ?? 0);
      case Opcode.abort:
        if (this.#host.rules.hasAbort) return this.#host.abort();
        return this.#refuse(opcode, { result: ResultCode.opcodeNotSupported });
      default:
        if (this.#host.serial) return this.#serialRequest(opcode, bytes);
        // The reduced protocol of Bluetooth builds has nothing else.
        return this.#refuse(opcode, { result: ResultCode.opcodeNotSupported });
    }
  }

  #serialRequest(opcode: number, bytes: Uint8Array): void {
    const { serial, rules } = this.#host;
    if (!serial) return;
    if (opcode === Opcode.write) return this.packet(bytes.slice(1));
    const answer = serialAnswer(bytes, serial, rules, this.#host.settings());
    if (typeof answer === 'number') return this.#refuse(opcode, { result: answer });
    this.#host.respond(Uint8Array.from([Opcode.response, opcode, ResultCode.success, ...answer]));
  }

  /** A write to the packet characteristic. No answer but a receipt when one is due. */
  packet(bytes: Uint8Array): void {
    if (this.#isFinishing || bytes.length === 0) return;
    this.#host.log('touched', 'packet');
    if (this.#object === COMMAND_OBJECT) {
      if (this.#init.length + bytes.length > this.#initSize) return this.#receipt(ResultCode.invalidParameter);
      this.#init = Buffer.concat([this.#init, bytes]);
      return this.#receipt();
    }
    if (!this.#initIsValid) return this.#receipt(ResultCode.notPermitted);
    if (this.#offset - this.#lastOffset + bytes.length > this.#objectSize) {
      return this.#receipt(ResultCode.invalidParameter);
    }
    // No free buffer: the packet never reaches the request handler.
    const { serial } = this.#host;
    if (serial && !serial.takeBuffer(bytes.length)) return serial.overrun();
    if (!serial && this.#buffersBusy >= this.#host.packetBuffers) return;
    // The flash layer refuses lengths that are no whole words.
    if (bytes.length % 4 !== 0) return this.#receiptOfDropped();
    this.#buffersBusy += 1;
    const place = this.#place();
    this.#host.memory.write(this.#host.region, place.fromBytes + this.#offset, bytes, () => {
      this.#buffersBusy -= 1;
    });
    this.#offset += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
    this.#receipt();
    this.#host.tookImageBytes(bytes.length);
  }

  #place(): { readonly fromBytes: number; readonly destroysApplication: boolean } {
    return this.#host.place(this.#imageBytes(), this.#packet?.init.type ?? 0);
  }

  #imageBytes(): number {
    return this.#packet ? imageBytesOf(this.#packet.init) : 0;
  }

  #create(type: number, size: number): void {
    const refuse = (result: number): void => this.#refuse(Opcode.create, { result });
    if (type === COMMAND_OBJECT) {
      if (size === 0) return refuse(ResultCode.invalidParameter);
      if (size > this.#host.rules.maxCommandBytes) return refuse(ResultCode.insufficientResources);
      this.#host.log('touched', 'create command');
      this.#object = COMMAND_OBJECT;
      this.#resetProgress();
      this.#initSize = size;
      this.#prnCount = 0;
      this.#host.restartInactivityTimer();
      return this.#accept(Opcode.create);
    }
    if (type !== DATA_OBJECT) return refuse(this.#host.rules.unknownTypeResult);
    const total = this.#imageBytes();
    if (!this.#initIsValid) return refuse(ResultCode.notPermitted);
    if (size === 0) return refuse(ResultCode.invalidParameter);
    if (size % CODE_PAGE_BYTES !== 0 && this.#lastOffset + size !== total) return refuse(ResultCode.invalidParameter);
    if (size > CODE_PAGE_BYTES) return refuse(ResultCode.insufficientResources);
    if (this.#lastOffset + size > total) return refuse(ResultCode.notPermitted);
    this.#object = DATA_OBJECT;
    this.#offset = this.#lastOffset;
    this.#crc = this.#lastCrc;
    this.#objectSize = size;
    this.#prnCount = 0;
    const place = this.#place();
    this.#host.log('touched', 'create data');
    if (this.#lastOffset === 0) this.#host.log('erased', place.destroysApplication ? 'bank0' : 'bank1');
    if (place.destroysApplication && this.#host.settings().bank0) {
      this.#host.store({ bank0: undefined }, () => undefined);
    }
    this.#host.memory.erase(this.#host.region, place.fromBytes + this.#lastOffset, size);
    this.#accept(Opcode.create);
  }

  #select(type: number): void {
    if (type !== COMMAND_OBJECT && type !== DATA_OBJECT) {
      return this.#refuse(Opcode.select, { result: this.#host.rules.unknownTypeResult });
    }
    this.#object = type;
    const answer = new DataView(new ArrayBuffer(15));
    answer.setUint8(0, Opcode.response);
    answer.setUint8(1, Opcode.select);
    answer.setUint8(2, ResultCode.success);
    const isCommand = type === COMMAND_OBJECT;
    answer.setUint32(3, isCommand ? this.#host.rules.maxCommandBytes : CODE_PAGE_BYTES, true);
    answer.setUint32(7, isCommand ? this.#init.length : this.#offset, true);
    answer.setUint32(11, isCommand ? crc32(this.#init) : this.#crc, true);
    this.#host.respond(new Uint8Array(answer.buffer));
  }

  #executeInit(): void {
    const refuse = (refusal: Refusal): void => this.#refuse(Opcode.execute, refusal);
    if (this.#initIsValid) return this.#accept(Opcode.execute);
    if (this.#init.length !== this.#initSize || this.#initSize === 0)
      return refuse({ result: ResultCode.notPermitted });
    const forced = this.#host.faults.refusal('init');
    this.#host.after(this.#host.verifyMs, () => {
      if (forced !== undefined) {
        this.#resetProgress();
        return refuse({ result: forced });
      }
      const packet = decodeInitPacket(this.#init, this.#host.rules.maxSoftDeviceEntries);
      if (!packet) return refuse({ result: ResultCode.invalidObject });
      const refusal = validateInitPacket(packet, this.#host.facts(packet));
      if (refusal) {
        this.#resetProgress();
        return refuse(refusal);
      }
      this.#packet = packet;
      this.#initIsValid = true;
      this.#host.store({ init: this.#init, initIsValid: true, savedBytes: 0, savedCrc32: 0 }, () =>
        this.#accept(Opcode.execute),
      );
    });
  }

  #executeData(): void {
    if (!this.#initIsValid || this.#objectSize !== this.#offset - this.#lastOffset) {
      return this.#refuse(Opcode.execute, { result: ResultCode.notPermitted });
    }
    this.#lastOffset = this.#offset;
    this.#lastCrc = this.#crc;
    this.#objectSize = 0;
    this.#host.restartInactivityTimer();
    if (this.#offset === this.#imageBytes() && this.#offset > 0) return this.#executeLast();
    // SDK 15 to 17 answer when all buffers are in flash (`on_data_obj_execute_request_sched`): that paces the host.
    if (!this.#host.rules.savesProgress) return this.#host.memory.whenIdle(() => this.#accept(Opcode.execute));
    this.#host.store({ savedBytes: this.#lastOffset, savedCrc32: this.#lastCrc }, () => this.#accept(Opcode.execute));
  }

  #executeLast(): void {
    const packet = this.#packet;
    if (!packet) return this.#refuse(Opcode.execute, { result: ResultCode.notPermitted });
    this.#isFinishing = true;
    const { fromBytes } = this.#place();
    this.#host.memory.whenIdle(() => {
      this.#host.log('written', `${this.#offset} bytes`);
      const image = this.#host.memory.bytes(this.#host.region).slice(fromBytes, fromBytes + this.#offset);
      const forced = this.#host.faults.refusal('validate');
      const refusal =
        forced !== undefined ? { result: forced } : validateImage(image, packet.init, this.#host.facts(packet));
      const cleared = { init: new Uint8Array(), initIsValid: false, savedBytes: 0, savedCrc32: 0 };
      if (refusal) {
        this.#refuse(Opcode.execute, refusal);
        this.#host.store(cleared, () => this.#host.finish());
        return;
      }
      this.#host.log('activated', `${this.#offset} bytes`);
      this.#accept(Opcode.execute);
      const pending = {
        type: packet.init.type ?? 0,
        fromBytes,
        bank: { sizeBytes: image.length, crc32: crc32(image) },
        ...(packet.init.fwVersion === undefined || packet.init.isDebug ? {} : { fwVersion: packet.init.fwVersion }),
      };
      this.#host.store({ ...cleared, pending }, () => this.#host.finish());
    });
  }

  #resetProgress(): void {
    this.#init = new Uint8Array();
    this.#initSize = 0;
    this.#initIsValid = false;
    this.#packet = undefined;
    this.#offset = this.#lastOffset = 0;
    this.#crc = this.#lastCrc = 0;
    this.#objectSize = 0;
    if (this.#host.settings().initIsValid) {
      this.#host.store({ init: new Uint8Array(), initIsValid: false, savedBytes: 0, savedCrc32: 0 }, () => undefined);
    }
  }

  #checksumReport(): Uint8Array {
    const report = new DataView(new ArrayBuffer(11));
    report.setUint8(0, Opcode.response);
    report.setUint8(1, Opcode.crc);
    report.setUint8(2, ResultCode.success);
    const isCommand = this.#object === COMMAND_OBJECT;
    report.setUint32(3, isCommand ? this.#init.length : this.#offset, true);
    report.setUint32(7, isCommand ? crc32(this.#init) : this.#crc, true);
    return new Uint8Array(report.buffer);
  }

  #receiptIsDue(): boolean {
    if (this.#prn === 0) return false;
    this.#prnCount += 1;
    if (this.#prnCount < this.#prn) return false;
    this.#prnCount = 0;
    return true;
  }

  #receipt(result: number = ResultCode.success): void {
    if (!this.#receiptIsDue()) return;
    const failed = Uint8Array.from([Opcode.response, Opcode.crc, result]);
    this.#host.respond(result === ResultCode.success ? this.#checksumReport() : failed);
  }

  /** A packet that was dropped still counts; the receipt then says success with offset 0. */
  #receiptOfDropped(): void {
    if (!this.#receiptIsDue()) return;
    this.#host.respond(Uint8Array.from([Opcode.response, Opcode.crc, ResultCode.success, ...new Uint8Array(8)]));
  }

  #accept(opcode: number): void {
    this.#host.respond(Uint8Array.from([Opcode.response, opcode, ResultCode.success]));
  }

  #refuse(opcode: number, { result, extended }: Refusal): void {
    const bytes = [Opcode.response, opcode, result];
    if (result === ResultCode.extended) bytes.push(extended ?? 0);
    this.#host.respond(Uint8Array.from(bytes));
  }
}
