/** A UART (10 bits a byte, both directions at once) or a UDP path to a device, in virtual time. */
import { SERIAL_CHANNEL, UDP_CHANNEL, type Channel, type LineSettings, type LinkInfo } from '@drydock/dfu-core';
import { seededRandom } from '../scheduler/seeded-random.js';
import type { Scheduler, SerialPeripheral } from '../target.js';
import type { SerialLinkModel, UdpLinkModel } from './link-model.js';
import { PORT_OK, portFailure, type PortDone, type PortEvents, type SimulatedPort } from './simulated-port.js';

const BITS_PER_BYTE = 10;

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
  push(bytes: Uint8Array, baud: number, sameBaud: boolean): number {
    const now = this.scheduler.now();
    let atMs = Math.max(now, this.#freeAtMs);
    for (let from = 0; from < bytes.length; from += this.model.pieceBytes) {
      const piece = bytes.slice(from, from + this.model.pieceBytes);
      atMs += (piece.length * BITS_PER_BYTE * 1000) / baud;
      if (this.model.lossRate > 0 && this.random() < this.model.lossRate) continue;
      this.#spoil(piece, sameBaud);
      this.scheduler.after(atMs - now + this.model.latencyMs, () => this.deliver(piece));
    }
    this.#freeAtMs = atMs;
    return atMs - now;
  }

  #spoil(piece: Uint8Array, sameBaud: boolean): void {
    for (let i = 0; i < piece.length; i++) {
      if (!sameBaud) piece[i] = Math.floor(this.random() * 256);
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
  #hostBaud: number;
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
    this.#hostBaud = model.baud ?? peripheral.baud;
    const random = seededRandom(model.seed);
    this.#toDevice = new LineDirection(scheduler, model, random, (bytes) => peripheral.onBytes(bytes));
    const toHost = new LineDirection(scheduler, model, random, (bytes) => {
      if (this.#open) events.frame(SERIAL_CHANNEL, bytes);
    });
    peripheral.attach((bytes) => toHost.push(bytes, peripheral.baud, peripheral.baud === this.#hostBaud));
    this.info = {
      kind: 'serial',
      maxWriteBytes: model.maxWriteBytes,
      channels: [SERIAL_CHANNEL],
      identity: { kind: 'port-path', value: path },
    };
  }

  send(channel: Channel, bytes: Uint8Array, _acknowledged: boolean, done: PortDone): void {
    if (channel !== SERIAL_CHANNEL) return done(portFailure('link.no-such-channel', { channel }));
    const leavesInMs = this.#toDevice.push(bytes, this.#hostBaud, this.#hostBaud === this.#peripheral.baud);
    this.#scheduler.after(leavesInMs, () => done(PORT_OK));
  }

  subscribe(_channel: Channel, done: PortDone): void {
    done(PORT_OK);
  }

  query(channel: Channel, done: PortDone): void {
    done(portFailure('link.no-such-channel', { channel }));
  }

  configure(line: LineSettings, done: PortDone): void {
    this.#hostBaud = line.baud;
    done(PORT_OK);
  }

  close(done: () => void): void {
    this.#open = false;
    done();
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
    this.#scheduler.after(this.#model.latencyMs, arrive);
  }
}
