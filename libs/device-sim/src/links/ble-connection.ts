/**
 * The air between one central and one peripheral, in virtual time: connection events at a fixed
 * interval, link-layer packets in both directions, ATT messages cut into them, one ATT request at a time.
 *
 * Within an event both sides go on while either has something to send and the next exchange ends
 * before the next event. A lost packet ends the event and is repeated in the next (the link layer is
 * reliable; loss costs time only).
 */
import type { Channel } from '@drydock/dfu-core';
import { seededRandom } from '../scheduler/seeded-random.js';
import type { BlePeripheral, Cancel, PeripheralConnection, Scheduler } from '../target.js';
import { ATT_VALUE_HEADER_BYTES, exchangeUs, INTER_FRAME_SPACE_US, linkPacketAirUs, linkPacketsOf } from './ble-air.js';
import type { BleLinkModel } from './link-model.js';

interface Outgoing {
  readonly packets: number[];
  /** Runs when the last link-layer packet has arrived. */
  readonly arrived: () => void;
}

export interface BleConnectionEvents {
  notification(characteristic: Channel, value: Uint8Array): void;
  /** The central has learned that the link is gone. Once; not after `close()`. */
  lost(): void;
  /** The controller's buffer has room for another message. */
  room(): void;
}

const NOTIFY_QUEUE = 8;

export class BleConnection {
  readonly mtu: number;
  readonly #model: BleLinkModel;
  readonly #scheduler: Scheduler;
  readonly #peripheral: BlePeripheral;
  readonly #events: BleConnectionEvents;
  readonly #random: () => number;
  readonly #anchorMs: number;
  readonly #toPeripheral: Outgoing[] = [];
  readonly #toCentral: Outgoing[] = [];
  #notificationsQueued = 0;
  #inEvent = false;
  #cancelEvent: Cancel | undefined;
  #linkPayload: number;
  /** `up`; `silent`: peripheral gone, central does not know yet; `down`. */
  #state: 'up' | 'silent' | 'down' = 'up';

  constructor(scheduler: Scheduler, peripheral: BlePeripheral, model: BleLinkModel, events: BleConnectionEvents) {
    this.#scheduler = scheduler;
    this.#peripheral = peripheral;
    this.#model = model;
    this.#events = events;
    this.#random = seededRandom(model.seed);
    this.#anchorMs = scheduler.now();
    this.mtu = Math.max(23, Math.min(model.mtu, peripheral.maxMtu));
    this.#linkPayload = Math.max(27, Math.min(model.linkPayloadBytes, peripheral.maxLinkPayloadBytes));
    const connection: PeripheralConnection = {
      mtu: () => this.mtu,
      notify: (characteristic, value) => this.#notify(characteristic, value),
      security: () => ({
        encrypted: this.#model.bonded,
        bonded: this.#model.bonded,
        authenticated: this.#model.bonded,
      }),
      disconnect: (how) => this.#peripheralDisconnects(how),
    };
    peripheral.onConnect(connection);
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Messages waiting in the controller towards the peripheral. */
  get queued(): number {
    return this.#toPeripheral.length;
  }

  /** Queues an ATT message of that many bytes (opcode included) towards the peripheral. */
  sendToPeripheral(attBytes: number, arrived: () => void): void {
    if (this.#state === 'down') return;
    this.#toPeripheral.push({ packets: linkPacketsOf(attBytes, this.#linkPayload), arrived });
    this.#wake();
  }

  /** Queues an ATT answer of that many bytes towards the central. */
  sendToCentral(attBytes: number, arrived: () => void): void {
    if (this.#state !== 'up') return;
    this.#toCentral.push({ packets: linkPacketsOf(attBytes, this.#linkPayload), arrived });
    this.#wake();
  }

  /** The central ends the link: what is queued is dropped. */
  close(): void {
    if (this.#state === 'down') return;
    const tellPeripheral = this.#state === 'up';
    this.#end();
    if (tellPeripheral) this.#peripheral.onDisconnect();
  }

  #end(): void {
    this.#state = 'down';
    this.#cancelEvent?.();
    this.#toPeripheral.length = 0;
    this.#toCentral.length = 0;
  }

  #notify(characteristic: string, value: Uint8Array): boolean {
    if (value.length > this.mtu - ATT_VALUE_HEADER_BYTES) {
      throw new RangeError(`a notification of ${value.length} bytes does not fit ATT_MTU ${this.mtu}`);
    }
    if (this.#state !== 'up') return true;
    if (this.#notificationsQueued >= NOTIFY_QUEUE) return false;
    this.#notificationsQueued += 1;
    const copy = value.slice();
    this.sendToCentral(copy.length + ATT_VALUE_HEADER_BYTES, () => {
      this.#notificationsQueued -= 1;
      this.#events.notification(characteristic, copy);
    });
    return true;
  }

  #peripheralDisconnects(how: 'graceful' | 'silent'): void {
    if (this.#state !== 'up') return;
    if (how === 'graceful') {
      // LL_TERMINATE_IND (2 bytes) leaves after what is queued.
      this.#toCentral.push({
        packets: [2],
        arrived: () => {
          this.#end();
          this.#peripheral.onDisconnect();
          this.#events.lost();
        },
      });
      this.#wake();
      return;
    }
    this.#state = 'silent';
    this.#cancelEvent?.();
    this.#toCentral.length = 0;
    this.#peripheral.onDisconnect();
    this.#scheduler.after(this.#model.supervisionTimeoutMs, () => {
      if (this.#state !== 'silent') return;
      this.#end();
      this.#events.lost();
    });
  }

  #hasWork(): boolean {
    return this.#toPeripheral.length > 0 || this.#toCentral.length > 0;
  }

  #wake(): void {
    if (this.#inEvent || this.#cancelEvent || this.#state !== 'up') return;
    const { intervalMs } = this.#model;
    const now = this.#scheduler.now();
    const eventIndex = Math.floor((now - this.#anchorMs) / intervalMs + 1e-9) + 1;
    this.#cancelEvent = this.#scheduler.after(this.#anchorMs + eventIndex * intervalMs - now, () => {
      this.#cancelEvent = undefined;
      this.#inEvent = true;
      this.#exchange(this.#anchorMs + (eventIndex + 1) * intervalMs);
    });
  }

  #closeEvent(): void {
    this.#inEvent = false;
    if (this.#state === 'up' && this.#hasWork()) this.#wake();
  }

  #exchange(eventEndMs: number): void {
    if (this.#state !== 'up') return this.#closeEvent();
    const { phy } = this.#model;
    const central = this.#toPeripheral[0];
    const centralBytes = central?.packets[0] ?? 0;
    const centralLost = this.#lost();
    this.#scheduler.after((linkPacketAirUs(centralBytes, phy) + INTER_FRAME_SPACE_US) / 1000, () => {
      if (this.#state !== 'up' || centralLost) return this.#closeEvent();
      if (central) this.#arrive(this.#toPeripheral, central, true);
      if (this.#state !== 'up') return this.#closeEvent();
      const answer = this.#toCentral[0];
      const answerBytes = answer?.packets[0] ?? 0;
      const answerLost = this.#lost();
      this.#scheduler.after((linkPacketAirUs(answerBytes, phy) + INTER_FRAME_SPACE_US) / 1000, () => {
        if (this.#state !== 'up' || answerLost) return this.#closeEvent();
        if (answer) this.#arrive(this.#toCentral, answer, false);
        if (this.#state !== 'up' || !this.#hasWork()) return this.#closeEvent();
        const nextMs =
          exchangeUs(this.#toPeripheral[0]?.packets[0] ?? 0, this.#toCentral[0]?.packets[0] ?? 0, phy) / 1000;
        if (this.#scheduler.now() + nextMs > eventEndMs) return this.#closeEvent();
        this.#exchange(eventEndMs);
      });
    });
  }

  #arrive(queue: Outgoing[], message: Outgoing, fromCentral: boolean): void {
    message.packets.shift();
    if (message.packets.length > 0) return;
    queue.shift();
    message.arrived();
    if (fromCentral && this.#state === 'up') this.#events.room();
  }

  #lost(): boolean {
    return this.#model.lossRate > 0 && this.#random() < this.#model.lossRate;
  }
}
