/** The Bluetooth side of a TI OAD unit: advertising, attribute table, and who may write what. */
import type { Advertisement, AttRefusal, BlePeripheral, GattService, PeripheralConnection } from '../../target.js';
import {
  ENHANCED_SERVICE,
  OFF_CHIP_CLASSIC_SERVICE,
  ON_CHIP_CLASSIC_SERVICE,
  RESET_SERVICE,
  servicesWith,
  TiOadUuid,
} from './gatt.js';
import type { TiOadUnit } from './ti-oad-unit.js';

const ATT_INVALID_HANDLE = 0x01;
const ATT_WRITE_NOT_PERMITTED = 0x03;

export class TiOadRadio implements BlePeripheral {
  readonly #unit: TiOadUnit;
  readonly #address: string;
  #connection: PeripheralConnection | undefined;
  readonly #subscribed = new Set<string>();
  /** Notifications that found no buffer yet; each says whether it left. */
  #outgoing: (() => boolean)[] = [];

  constructor(unit: TiOadUnit, address: string) {
    this.#unit = unit;
    this.#address = address;
    unit.connectRadio({
      mtu: () => this.#connection?.mtu() ?? 23,
      isSubscribed: (characteristic) => this.#subscribed.has(characteristic),
      notify: (characteristic, bytes) => this.#notify(characteristic, bytes),
      disconnect: (how) => {
        const connection = this.#connection;
        connection?.disconnect(how);
      },
    });
  }

  get maxMtu(): number {
    const { options } = this.#unit;
    const usual = options.variant === 'c1' ? 23 : options.variant.startsWith('e2') ? 255 : 251;
    return Math.min(options.maxMtu ?? usual, options.faults?.maxMtu ?? 517);
  }

  get maxLinkPayloadBytes(): number {
    return this.#unit.options.maxLinkPayloadBytes ?? (this.#unit.options.variant.startsWith('c') ? 27 : 251);
  }

  advertisement(): Advertisement | undefined {
    const { options, isRunning, isMute, isLeaving, isPersistent, isOnChip } = this.#unit;
    if (!isRunning || isMute || isLeaving || this.#connection) return undefined;
    return {
      address: this.#address,
      addressType: options.addressType ?? 'public',
      name: isPersistent
        ? (options.persistentName ?? 'OAD Persistent App')
        : (options.name ?? options.model ?? 'ti-sensor'),
      services: [isOnChip && !isPersistent ? 'ffd0' : 'ffc0'],
      intervalMs: options.advertisingIntervalMs ?? 100,
    };
  }

  services(): readonly GattService[] {
    const { options, isPersistent } = this.#unit;
    const without = options.without ?? [];
    const information = isPersistent
      ? []
      : [
          ...(without.includes('model') ? [] : [TiOadUuid.modelNumber]),
          ...(without.includes('serial') ? [] : [TiOadUuid.serialNumber]),
          ...(without.includes('revision') ? [] : [TiOadUuid.firmwareRevision]),
        ];
    return servicesWith(this.#ownServices(), information);
  }

  #ownServices(): readonly GattService[] {
    const { options, isPersistent, isOnChip } = this.#unit;
    if (isOnChip && !isPersistent) return [RESET_SERVICE];
    if (isOnChip && options.persistentHasReset) return [ENHANCED_SERVICE, RESET_SERVICE];
    if (options.variant === 'c1') return [ON_CHIP_CLASSIC_SERVICE];
    return [options.variant === 'c2' ? OFF_CHIP_CLASSIC_SERVICE : ENHANCED_SERVICE];
  }

  onConnect(connection: PeripheralConnection): void {
    this.#connection = connection;
    this.#outgoing = [];
    this.#subscribed.clear();
    this.#unit.linkOpened();
  }

  onDisconnect(): void {
    if (!this.#connection) return;
    this.#connection = undefined;
    this.#subscribed.clear();
    this.#unit.linkLost();
  }

  onSubscribe(characteristic: string, mode: 'notify' | 'indicate' | 'none'): AttRefusal | undefined {
    if (mode === 'none') this.#subscribed.delete(characteristic);
    else this.#subscribed.add(characteristic);
    return undefined;
  }

  onWrite(characteristic: string, value: Uint8Array, withResponse: boolean): AttRefusal | undefined {
    if (characteristic === TiOadUuid.control && withResponse) return { attError: ATT_WRITE_NOT_PERMITTED };
    const frame = this.#unit.faults.toDevice(value);
    if (!frame) return undefined;
    if (characteristic === TiOadUuid.reset) {
      this.#unit.resetRequest(frame);
      return undefined;
    }
    return this.#unit.service?.onWrite(characteristic, frame, withResponse);
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    const { options } = this.#unit;
    const text: Readonly<Record<string, string>> = {
      '2a00': options.name ?? options.model ?? 'ti-sensor',
      [TiOadUuid.modelNumber]: options.model ?? 'ti-sensor',
      [TiOadUuid.serialNumber]: options.serialNumber ?? 'SIM-0001',
      [TiOadUuid.firmwareRevision]: this.#unit.firmwareRevision() ?? '',
    };
    const value = text[characteristic];
    return value === undefined ? { attError: ATT_INVALID_HANDLE } : new TextEncoder().encode(value);
  }

  /** Nothing leaves while the configuration is off. */
  #notify(characteristic: string, bytes: Uint8Array): void {
    if (!this.#subscribed.has(characteristic)) return;
    const frame = this.#unit.faults.toHost(bytes);
    if (!frame) return;
    const connection = this.#connection;
    const send = (): void => {
      if (!connection || this.#connection !== connection) return;
      this.#outgoing.push(() => connection.notify(characteristic, frame));
      if (this.#outgoing.length === 1) this.#drain();
    };
    const waitMs = Math.max(this.#unit.options.answerMs ?? 0.5, this.#unit.faults.silentForMs);
    if (waitMs > 0) this.#unit.after(waitMs, send);
    else send();
  }

  /** In order: what finds no buffer waits, and what comes later waits behind it. */
  #drain(): void {
    for (let next = this.#outgoing[0]; next; next = this.#outgoing[0]) {
      if (!next()) return void this.#unit.after(2, () => this.#drain());
      this.#outgoing.shift();
    }
  }
}
