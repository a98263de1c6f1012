/** The Bluetooth side of a Legacy DFU unit: advertising, attribute table, and who may write what. */
import type {
  Advertisement,
  AttRefusal,
  BlePeripheral,
  GattService,
  PeripheralBond,
  PeripheralConnection,
  PeripheralPairing,
} from '../../target.js';
import { applicationServices, bootloaderServices, LegacyDfuUuid } from './gatt.js';
import type { LegacyDfuUnit } from './legacy-dfu-unit.js';

const ATT_READ_NOT_PERMITTED = 0x02;
const ATT_INSUFFICIENT_AUTHENTICATION = 0x05;
/** Client characteristic configuration descriptor improperly configured. */
const ATT_CCCD = 0xfd;
const START = 0x01;
const NOT_SUPPORTED = 0x03;
const RESPONSE = 0x10;

/** The bootloader's address when it has no peer: last byte plus one, without carry. */
function plusOne(address: string): string {
  const last = (Number.parseInt(address.slice(-2), 16) + 1) & 0xff;
  return `${address.slice(0, -2)}${last.toString(16).padStart(2, '0')}`;
}

export class LegacyDfuRadio implements BlePeripheral {
  readonly #unit: LegacyDfuUnit;
  readonly #address: string;
  #connection: PeripheralConnection | undefined;
  #isSubscribed = false;
  readonly #bonds = new Map<string, PeripheralBond>();
  /** Notifications that wait for room, in their order. */
  #waiting: Uint8Array[] = [];
  #isSending = false;

  constructor(unit: LegacyDfuUnit, address: string) {
    this.#unit = unit;
    this.#address = address;
    unit.connectRadio({
      respond: (bytes) => this.#notify(bytes),
      disconnect: (how) => this.#connection?.disconnect(how),
    });
  }

  /** The application pairs; its bootloader pairs with nobody, and knows a bond only when it was handed over. */
  get pairing(): PeripheralPairing {
    const { options, bootloader, peer } = this.#unit;
    return {
      accepts: () => options.wantsBond === true && this.#unit.bootloader === undefined,
      bonds: bootloader && peer !== 'bonded' ? new Map<string, PeripheralBond>() : this.#bonds,
    };
  }

  get maxMtu(): number {
    const { options, bootloader, rules } = this.#unit;
    const own = Math.min(options.maxMtu ?? 247, options.faults?.maxMtu ?? 247);
    const keepsSmall = bootloader && rules.packetBytes !== undefined && !options.grantsMtu;
    return keepsSmall ? Math.min(own, 23) : own;
  }

  get maxLinkPayloadBytes(): number {
    return this.#unit.rules.packetBytes === undefined ? 251 : 27;
  }

  advertisement(): Advertisement | undefined {
    const { options, bootloader, isRunning, isMute, isLeaving, peer, rules } = this.#unit;
    if (!isRunning || isMute || isLeaving || this.#connection) return undefined;
    const addressType = options.addressType ?? 'random';
    if (!bootloader) {
      return {
        address: this.#address,
        addressType,
        name: options.name ?? options.model ?? 'demo-sensor',
        services: [LegacyDfuUuid.heartRate],
        intervalMs: options.advertisingIntervalMs ?? 100,
      };
    }
    if (peer === 'directed') return { address: this.#address, addressType, services: [], intervalMs: 25 };
    return {
      address: peer === 'none' && rules.plusOneWithoutPeer ? plusOne(this.#address) : this.#address,
      addressType,
      name: rules.name,
      services: [LegacyDfuUuid.service],
      intervalMs: 25,
    };
  }

  services(): readonly GattService[] {
    const { bootloader, rules, options } = this.#unit;
    if (bootloader) return bootloaderServices(rules.revision !== undefined);
    const without = options.without ?? [];
    const information = without.includes('information')
      ? []
      : [
          ...(without.includes('model') ? [] : [LegacyDfuUuid.modelNumber]),
          ...(without.includes('serial') ? [] : [LegacyDfuUuid.serialNumber]),
          ...(without.includes('revision') ? [] : [LegacyDfuUuid.firmwareRevision]),
          LegacyDfuUuid.hardwareRevision,
        ];
    const hasDfu = rules.applicationRevision !== undefined && !without.includes('dfu');
    return applicationServices(information, hasDfu ? { hasRevision: rules.applicationRevision !== 'none' } : undefined);
  }

  onConnect(connection: PeripheralConnection): void {
    this.#connection = connection;
    this.#isSubscribed = false;
    this.#waiting = [];
    this.#isSending = false;
    this.#unit.linkOpened();
    this.#unit.peerCame();
  }

  onDisconnect(): void {
    this.#connection = undefined;
    this.#isSubscribed = false;
    this.#waiting = [];
  }

  onSubscribe(characteristic: string, mode: 'notify' | 'indicate' | 'none'): AttRefusal | undefined {
    if (characteristic !== LegacyDfuUuid.controlPoint) return undefined;
    if (this.#unit.options.wantsBond && !this.#unit.bootloader) {
      const security = this.#connection?.security?.();
      if (!security?.encrypted || !security.bonded) return { attError: ATT_INSUFFICIENT_AUTHENTICATION };
    }
    this.#isSubscribed = mode !== 'none';
    return undefined;
  }

  onWrite(characteristic: string, value: Uint8Array, _withResponse: boolean): AttRefusal | undefined {
    const { bootloader, faults, rules } = this.#unit;
    if (characteristic === LegacyDfuUuid.packet) {
      // Longer than the attribute: the stack throws it away, and a command has no answer.
      if (value.length > (rules.packetBytes ?? this.maxMtu - 3)) return undefined;
      const frame = faults.toDevice(value);
      if (frame) bootloader?.packet(frame);
      return undefined;
    }
    if (characteristic !== LegacyDfuUuid.controlPoint) return { attError: 0x03 };
    if (!this.#isSubscribed) return { attError: ATT_CCCD };
    const frame = faults.toDevice(value);
    if (!frame) return undefined;
    if (bootloader) bootloader.request(frame);
    else this.#applicationRequest(frame);
    return undefined;
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    const { options, rules, bootloader } = this.#unit;
    if (characteristic === LegacyDfuUuid.revision) {
      const revision = bootloader ? rules.revision : rules.applicationRevision;
      return typeof revision === 'number' ? Uint8Array.of(revision, 0) : { attError: ATT_READ_NOT_PERMITTED };
    }
    const text: Readonly<Record<string, string>> = {
      '2a00': bootloader ? rules.name : (options.name ?? options.model ?? 'demo-sensor'),
      [LegacyDfuUuid.modelNumber]: options.model ?? 'demo-sensor',
      [LegacyDfuUuid.serialNumber]: options.serialNumber ?? 'SIM-0001',
      [LegacyDfuUuid.firmwareRevision]: this.#unit.firmwareRevision() ?? '',
      [LegacyDfuUuid.hardwareRevision]: 'legacy',
    };
    const value = text[characteristic];
    return value === undefined ? { attError: ATT_READ_NOT_PERMITTED } : new TextEncoder().encode(value);
  }

  /** Whatever is asked, refusals name the start request. */
  #applicationRequest(frame: Uint8Array): void {
    const refused = this.#unit.faults.refusal('jump');
    if (refused !== undefined) return this.#notify(Uint8Array.of(RESPONSE, START, refused));
    if (frame[0] === START && frame[1] === 4) return this.#unit.jumpToBootloader();
    this.#notify(Uint8Array.of(RESPONSE, START, NOT_SUPPORTED));
  }

  #notify(bytes: Uint8Array): void {
    const frame = this.#unit.faults.toHost(bytes);
    if (!frame) return;
    this.#waiting.push(frame);
    if (this.#isSending) return;
    this.#isSending = true;
    this.#unit.after(Math.max(this.#unit.options.answerMs ?? 0.5, this.#unit.faults.silentForMs), () => this.#pump());
  }

  #pump(): void {
    this.#isSending = false;
    while (this.#waiting.length > 0 && this.#connection && this.#isSubscribed) {
      if (!this.#connection.notify(LegacyDfuUuid.controlPoint, this.#waiting[0]!)) {
        this.#isSending = true;
        this.#unit.after(2, () => this.#pump());
        return;
      }
      this.#waiting.shift();
    }
    this.#waiting = [];
  }
}
