/** A UART (10 bits a byte, 11 with parity, both directions at once) or a UDP path to a device, in virtual time. */
import { SERIAL_CHANNEL, UDP_CHANNEL, type Channel, type LineSettings, type LinkInfo } from '@drydock/dfu-core';
import { seededRandom } from '../scheduler/seeded-random.js';
import type { Scheduler, SerialPeripheral } from '../target.js';
import type { SerialLinkModel, UdpLinkModel } from './link-model.js';
import { PORT_OK, portFailure, type PortDone, type PortEvents, type SimulatedPort } from './simulated-port.js';

const bitsPerByte = ({ parity = 'none', stopBits = 1 }: LineSettings): number =>
  9 + stopBits + (parity === 'none' ? 0 : 1);
const lineOf = (peripheral: SerialPeripheral): LineSettings => peripheral.line ?? { baud: peripheral.baud };

/** One direction of the line: bytes leave one after the other, and arrive in pieces. */
class LineDirection {
  #freeAtMs = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly model: SerialLinkModel,
    private readonly random: () => number,
    private readonly deliver: (bytes: Uint8Array) => void,
  ) {}

  /** @returns milliseconds until the last byte has left. */
  push(bytes: Uint8Array, line: LineSettings, isSameLine: boolean): number {
    const now = this.scheduler.now();
    let atMs = Math.max(now, this.#freeAtMs);
    for (let from = 0; from < bytes.length; from += this.model.pieceBytes) {
      const piece = bytes.slice(from, from + this.model.pieceBytes);
      atMs += (piece.length * bitsPerByte(line) * 1000) / line.baud;
      if (this.model.lossRate > 0 && this.random() < this.model.lossRate) continue;
      this.#spoil(piece, isSameLine);
      this.scheduler.after(atMs - now + this.model.latencyMs, () => this.deliver(piece));
    }
    this.#freeAtMs = atMs;
    return atMs - now;
  }

  #spoil(piece: Uint8Array, isSameLine: boolean): void {
    for (let i = 0; i < piece.length; i++) {
      if (!isSameLine) piece[i] = Math.floor(this.random() * 256);
      else if (this.model.bitErrorsPerByte > 0 && this.random() < this.model.bitErrorsPerByte) {
        piece[i] = (piece[i] ?? 0) ^ (1 << Math.floor(this.random() * 8));
      }
    }
  }
}

export class SerialPort implements SimulatedPort {
  readonly info: LinkInfo;
  readonly #scheduler: Scheduler;
  readonly #peripheral: SerialPeripheral;
  readonly #toDevice: LineDirection;
  #hostLine: LineSettings;
  #open = true;

  constructor(
    scheduler: Scheduler,
    peripheral: SerialPeripheral,
    model: SerialLinkModel,
    path: string,
    events: PortEvents,
  ) {
    this.#scheduler = scheduler;
    this.#peripheral = peripheral;
    this.#hostLine = model.line ?? (model.baud === undefined ? lineOf(peripheral) : { baud: model.baud });
    const random = seededRandom(model.seed);
    this.#toDevice = new LineDirection(scheduler, model, random, (bytes) => peripheral.onBytes(bytes));
    const toHost = new LineDirection(scheduler, model, random, (bytes) => {
      if (this.#open) events.frame(SERIAL_CHANNEL, bytes);
    });
    peripheral.attach((bytes) => toHost.push(bytes, lineOf(peripheral), this.#isSameLine()));
    this.info = {
      kind: 'serial',
      maxWriteBytes: model.maxWriteBytes,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: path },
    };
  }

  send(channel: Channel, bytes: Uint8Array, _acknowledged: boolean, done: PortDone): void {
    if (channel !== SERIAL_CHANNEL) return done(portFailure('link.no-such-channel', { channel }));
    const leavesInMs = this.#toDevice.push(bytes, this.#hostLine, this.#isSameLine());
    this.#scheduler.after(leavesInMs, () => done(PORT_OK));
  }

  subscribe(_channel: Channel, done: PortDone): void {
    done(PORT_OK);
  }

  query(channel: Channel, done: PortDone): void {
    done(portFailure('link.no-such-channel', { channel }));
  }

  configure(line: LineSettings, done: PortDone): void {
    this.#hostLine = line;
    done(PORT_OK);
  }

  close(done: () => void): void {
    this.#open = false;
    done();
  }

  /** Parity counts only for devices that state theirs. */
  #isSameLine(): boolean {
    const theirs = lineOf(this.#peripheral);
    if (theirs.baud !== this.#hostLine.baud) return false;
    return this.#peripheral.line === undefined || (theirs.parity ?? 'none') === (this.#hostLine.parity ?? 'none');
  }
}

/** One call of `onBytes` per datagram. */
export class UdpPort implements SimulatedPort {
  readonly info: LinkInfo;
  readonly #scheduler: Scheduler;
  readonly #peripheral: SerialPeripheral;
  readonly #model: UdpLinkModel;
  readonly #random: () => number;
  #open = true;

  constructor(
    scheduler: Scheduler,
    peripheral: SerialPeripheral,
    model: UdpLinkModel,
    endpoint: string,
    events: PortEvents,
  ) {
    this.#scheduler = scheduler;
    this.#peripheral = peripheral;
    this.#model = model;
    this.#random = seededRandom(model.seed);
    peripheral.attach((bytes) => {
      const copy = bytes.slice();
      this.#travel(() => {
        if (this.#open) events.frame(UDP_CHANNEL, copy);
      });
    });
    this.info = {
      kind: 'udp',
      maxWriteBytes: model.maxWriteBytes,
      channels: [UDP_CHANNEL],
      identity: { kind: 'udp-endpoint', value: endpoint },
    };
  }

  send(channel: Channel, bytes: Uint8Array, _acknowledged: boolean, done: PortDone): void {
    if (channel !== UDP_CHANNEL) return done(portFailure('link.no-such-channel', { channel }));
    const copy = bytes.slice();
    this.#travel(() => this.#peripheral.onBytes(copy));
    done(PORT_OK);
  }

  subscribe(_channel: Channel, done: PortDone): void {
    done(PORT_OK);
  }

  query(channel: Channel, done: PortDone): void {
    done(portFailure('link.no-such-channel', { channel }));
  }

  configure(_line: LineSettings, done: PortDone): void {
    done(PORT_OK);
  }

  close(done: () => void): void {
    this.#open = false;
    done();
  }

  #travel(arrive: () => void): void {
    if (this.#model.lossRate > 0 && this.#random() < this.#model.lossRate) return;
    const { latencyMs, jitterMs } = this.#model;
    this.#scheduler.after(latencyMs + (jitterMs > 0 ? this.#random() * jitterMs : 0), arrive);
  }
}
