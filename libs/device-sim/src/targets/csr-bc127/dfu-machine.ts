/**
 * The DFU machine of the loader, and Drydock's own spelling of its requests (no module has this one).
 *
 *     request    number u8, value u16, length u16, data
 *     response   number + 0x80 u8, result u8 (1: stalled), length u16, data
 *
 * Which status stands for which fault is the simulator's own choice, too.
 * Source of states and codes: USB Device Firmware Upgrade 1.1; BlueZ, tools/dfu.h.
 */
import { announcedBytes, register, stackHolds } from './container.js';

const State = { appIdle: 0, idle: 2, sync: 3, busy: 4, downloading: 5, manifest: 7, waitReset: 8, error: 10 } as const;
const Status = { target: 1, file: 2, write: 3, verify: 7, address: 8, notDone: 9, firmware: 10, stalled: 15 } as const;
const Request = { detach: 0, dnload: 1, getStatus: 3, clrStatus: 4, getState: 5, abort: 6, reset: 0x7f } as const;

export interface DfuHost {
  readonly isLoader: boolean;
  readonly variant: 'hd' | 'standard';
  readonly flashBytes: number;
  respond(bytes: Uint8Array): void;
  detach(): void;
  /** @returns milliseconds until it is done. */
  erase(bytes: number): number;
  write(at: number, bytes: Uint8Array): number;
  received(): Uint8Array;
  now(): number;
  refusal(request: string): number | undefined;
  /** Everything was received and holds. */
  install(bytes: number): void;
  reset(): void;
}

export class DfuMachine {
  readonly #host: DfuHost;
  #state: number;
  #status = 0;
  #total = 0;
  #got = 0;
  #block = 0;
  #busyUntilMs = 0;

  constructor(host: DfuHost) {
    this.#host = host;
    this.#state = host.isLoader ? State.idle : State.appIdle;
  }

  request(bytes: Uint8Array): void {
    if (bytes.length < 5) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const number = view.getUint8(0);
    const value = view.getUint16(1, true);
    const length = view.getUint16(3, true);
    const data = bytes.subarray(5);
    switch (number) {
      case Request.detach:
        if (this.#state !== State.appIdle) return this.#stall(number);
        this.#answer(number);
        return this.#host.detach();
      case Request.getState:
        return this.#answer(number, [this.#state]);
      case Request.getStatus:
        return this.#answer(number, this.#look());
      case Request.clrStatus:
        if (this.#state === State.error) this.#begin();
        return this.#answer(number);
      case Request.abort:
        if (this.#state === State.appIdle) return this.#stall(number);
        this.#begin();
        return this.#answer(number);
      case Request.dnload:
        return data.length === length ? this.#download(value, data.slice()) : this.#stall(number);
      case Request.reset:
        return this.#host.reset();
      default:
        return this.#stall(number);
    }
  }

  #begin(): void {
    this.#state = State.idle;
    this.#status = 0;
    this.#got = 0;
    this.#block = 0;
  }

  #look(): number[] {
    const leftMs = Math.ceil(this.#busyUntilMs - this.#host.now());
    if (this.#state === State.sync || this.#state === State.busy) {
      this.#state = leftMs > 0 ? State.busy : State.downloading;
    } else if (this.#state === State.manifest && leftMs <= 0) this.#state = State.waitReset;
    const pollMs = Math.max(0, leftMs);
    return [this.#status, pollMs & 0xff, (pollMs >> 8) & 0xff, pollMs >> 16, this.#state, 0];
  }

  #download(block: number, data: Uint8Array): void {
    const refused = this.#host.refusal(data.length === 0 ? 'manifest' : 'dnload');
    if (refused !== undefined) return this.#fail(refused);
    if (this.#state !== State.idle && this.#state !== State.downloading) return this.#stall(Request.dnload);
    if (block !== this.#block) return this.#fail(Status.address);
    if (data.length === 0) return this.#finish();
    let busyMs = 0;
    if (block === 0) {
      const total = announcedBytes(data, this.#host.variant);
      if (total === undefined) return this.#fail(Status.target);
      if (total > this.#host.flashBytes) return this.#fail(Status.address);
      this.#total = total;
      busyMs += this.#host.erase(total);
    }
    if (this.#got + data.length > this.#total) return this.#fail(Status.address);
    busyMs += this.#host.write(this.#got, data);
    this.#got += data.length;
    this.#block += 1;
    this.#busyUntilMs = this.#host.now() + busyMs;
    this.#state = State.sync;
    this.#answer(Request.dnload);
  }

  #finish(): void {
    if (this.#got !== this.#total || this.#state !== State.downloading) return this.#fail(Status.notDone);
    const file = this.#host.received().slice(0, this.#total);
    if (!stackHolds(file)) return this.#fail(Status.verify);
    if (register(file) !== 0) return this.#fail(Status.firmware);
    this.#state = State.manifest;
    this.#busyUntilMs = this.#host.now() + 200;
    this.#answer(Request.dnload);
    this.#host.install(this.#total);
  }

  #fail(status: number): void {
    this.#status = status;
    this.#state = State.error;
    this.#answerStalled(Request.dnload);
  }

  #stall(number: number): void {
    this.#status = Status.stalled;
    this.#state = State.error;
    this.#answerStalled(number);
  }

  #answer(number: number, data: readonly number[] = []): void {
    this.#host.respond(Uint8Array.from([number | 0x80, 0, data.length, 0, ...data]));
  }

  #answerStalled(number: number): void {
    this.#host.respond(Uint8Array.from([number | 0x80, 1, 0, 0]));
  }
}
