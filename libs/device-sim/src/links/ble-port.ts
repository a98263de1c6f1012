/** A BLE link as a session sees it: characteristics as channels, over the simulated air. */
import type { Channel, LinkInfo } from '@drydock/dfu-core';
import type { AttRefusal, BlePeripheral, GattCharacteristic, Scheduler } from '../target.js';
import { ATT_VALUE_HEADER_BYTES } from './ble-air.js';
import { BleConnection } from './ble-connection.js';
import type { BleLinkModel } from './link-model.js';
import {
  PORT_OK,
  portFailure,
  type PortDone,
  type PortEvents,
  type PortResult,
  type SimulatedPort,
} from './simulated-port.js';

const isRefusal = (answer: unknown): answer is AttRefusal =>
  typeof answer === 'object' && answer !== null && 'attError' in answer;

/** ATT errors that ask for a bond or encryption (Core, Vol 3 Part F, 3.4.1.1). */
const SECURITY_ATT_ERRORS = new Set([0x05, 0x08, 0x0c, 0x0f]);

function refused(what: string, channel: Channel, refusal: AttRefusal): PortResult {
  if (SECURITY_ATT_ERRORS.has(refusal.attError)) return portFailure('link.auth-required', { channel });
  return portFailure('target.refused', {
    request: `${what} ${channel}`,
    result: refusal.attError,
    detail: `ATT error 0x${refusal.attError.toString(16).padStart(2, '0')}`,
  });
}

const LOST = portFailure('link.lost', { detail: 'the connection ended' });

export class BlePort implements SimulatedPort {
  readonly info: LinkInfo;
  readonly #scheduler: Scheduler;
  readonly #peripheral: BlePeripheral;
  readonly #model: BleLinkModel;
  readonly #connection: BleConnection;
  readonly #characteristics = new Map<Channel, GattCharacteristic>();
  /** ATT allows one request at a time; the others wait here. */
  readonly #requests: (() => void)[] = [];
  #requestRunning = false;
  readonly #commands: { channel: Channel; bytes: Uint8Array; done: PortDone }[] = [];
  readonly #pending = new Set<PortDone>();
  readonly #indicated = new Set<Channel>();

  constructor(scheduler: Scheduler, peripheral: BlePeripheral, model: BleLinkModel, events: PortEvents) {
    this.#scheduler = scheduler;
    this.#peripheral = peripheral;
    this.#model = model;
    const advertisement = peripheral.advertisement();
    this.#connection = new BleConnection(scheduler, peripheral, model, {
      notification: (characteristic, value) => {
        // A confirmation of one byte goes back for an indication.
        if (this.#indicated.has(characteristic)) this.#connection.sendToPeripheral(1, () => undefined);
        events.frame(characteristic, value);
      },
      lost: () => {
        this.#failPending();
        events.closed();
      },
      room: () => this.#pumpCommands(),
    });
    for (const service of peripheral.services()) {
      for (const characteristic of service.characteristics) {
        this.#characteristics.set(characteristic.uuid, characteristic);
      }
    }
    this.info = {
      kind: 'ble',
      maxWriteBytes: this.#connection.mtu - ATT_VALUE_HEADER_BYTES,
      channels: [...this.#characteristics.keys()],
      identity: { kind: 'ble-address', value: advertisement?.address ?? '00:00:00:00:00:00' },
      ...(advertisement?.name === undefined ? {} : { name: advertisement.name }),
      ...(advertisement?.deviceAddress === undefined ? {} : { deviceAddress: advertisement.deviceAddress.address }),
    };
  }

  send(channel: Channel, bytes: Uint8Array, acknowledged: boolean, done: PortDone): void {
    if (!this.#characteristics.has(channel)) return done(portFailure('link.no-such-channel', { channel }));
    if (bytes.length > this.info.maxWriteBytes) {
      const detail = `a write of ${bytes.length} bytes does not fit ${this.info.maxWriteBytes}`;
      return done(portFailure('internal.invariant', { detail }));
    }
    const copy = bytes.slice();
    if (acknowledged) {
      this.#request(done, (finish) => {
        this.#connection.sendToPeripheral(copy.length + ATT_VALUE_HEADER_BYTES, () => {
          const answer = this.#peripheral.onWrite(channel, copy, true);
          if (isRefusal(answer)) return this.#answer(5, 0, () => finish(refused('write', channel, answer)));
          this.#answer(1, answer?.delayMs ?? 0, () => finish(PORT_OK));
        });
      });
      return;
    }
    if (!this.#connection.isUp) return this.#holdUntilLost(done);
    this.#pending.add(done);
    this.#commands.push({ channel, bytes: copy, done });
    this.#pumpCommands();
  }

  subscribe(channel: Channel, done: PortDone): void {
    const characteristic = this.#characteristics.get(channel);
    if (!characteristic) return done(portFailure('link.no-such-channel', { channel }));
    const mode = characteristic.properties.includes('notify') ? 'notify' : 'indicate';
    this.#request(done, (finish) => {
      this.#connection.sendToPeripheral(5, () => {
        const refusal = this.#peripheral.onSubscribe(channel, mode);
        if (!refusal && mode === 'indicate') this.#indicated.add(channel);
        this.#answer(refusal ? 5 : 1, 0, () => finish(refusal ? refused('subscribe', channel, refusal) : PORT_OK));
      });
    });
  }

  query(channel: Channel, done: PortDone): void {
    if (!this.#characteristics.has(channel)) return done(portFailure('link.no-such-channel', { channel }));
    this.#request(done, (finish) => {
      this.#connection.sendToPeripheral(3, () => {
        const value = this.#peripheral.onRead(channel);
        if (isRefusal(value)) return this.#answer(5, 0, () => finish(refused('read', channel, value)));
        this.#answer(1 + value.length, 0, () => finish({ ok: true, bytes: value.slice() }));
      });
    });
  }

  configure(_line: unknown, done: PortDone): void {
    done(PORT_OK);
  }

  close(done: () => void): void {
    this.#connection.close();
    this.#failPending();
    this.#scheduler.after(this.#model.intervalMs, done);
  }

  #answer(attBytes: number, delayMs: number, arrived: () => void): void {
    if (delayMs <= 0) return this.#connection.sendToCentral(attBytes, arrived);
    this.#scheduler.after(delayMs, () => this.#connection.sendToCentral(attBytes, arrived));
  }

  #request(done: PortDone, perform: (finish: PortDone) => void): void {
    if (!this.#connection.isUp) return this.#holdUntilLost(done);
    this.#pending.add(done);
    this.#requests.push(() =>
      perform((result) => {
        this.#requestRunning = false;
        if (this.#pending.delete(done)) done(result);
        this.#nextRequest();
      }),
    );
    this.#nextRequest();
  }

  #nextRequest(): void {
    if (this.#requestRunning) return;
    const next = this.#requests.shift();
    if (!next) return;
    this.#requestRunning = true;
    next();
  }

  #pumpCommands(): void {
    while (this.#commands.length > 0 && this.#connection.queued < this.#model.controllerPackets) {
      const command = this.#commands.shift();
      if (!command) return;
      this.#connection.sendToPeripheral(command.bytes.length + ATT_VALUE_HEADER_BYTES, () => {
        this.#peripheral.onWrite(command.channel, command.bytes, false);
      });
      if (this.#pending.delete(command.done)) command.done(PORT_OK);
    }
  }

  /** The peripheral is gone but the central does not know yet: the call ends when it learns. */
  #holdUntilLost(done: PortDone): void {
    this.#pending.add(done);
  }

  #failPending(): void {
    this.#requests.length = 0;
    this.#commands.length = 0;
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const done of pending) done(LOST);
  }
}
