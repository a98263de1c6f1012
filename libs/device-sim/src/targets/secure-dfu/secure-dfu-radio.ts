/** The Bluetooth side of a Secure DFU unit: advertising, attribute table, and who may write what. */
import type {
  Advertisement,
  AttRefusal,
  BlePeripheral,
  GattService,
  PeripheralBond,
  PeripheralConnection,
  PeripheralPairing,
} from '../../target.js';
import { applicationServices, BOOTLOADER_SERVICES, SecureDfuUuid } from './gatt.js';
import { agreedMtu } from './profile.js';
import type { SecureDfuUnit } from './secure-dfu-unit.js';

const ATT_READ_NOT_PERMITTED = 0x02;
const ATT_INVALID_LENGTH = 0x0d;
const ATT_INSUFFICIENT_AUTHENTICATION = 0x05;
const ATT_INSUFFICIENT_ENCRYPTION = 0x0f;
/** Client characteristic configuration descriptor improperly configured. */
const ATT_CCCD = 0xfd;
const CONTROL_POINT_MAX_BYTES = 23;
const JUMP_AFTER_MS = 150;

/** The bootloader's address: last byte plus one, without carry. */
export function bootloaderAddressOf(address: string): string {
  const parts = address.split(':');
  const last = (Number.parseInt(parts[5] ?? '0', 16) + 1) & 0xff;
  return [...parts.slice(0, 5), last.toString(16).padStart(2, '0')].join(':');
}

export class SecureDfuRadio implements BlePeripheral {
  readonly #unit: SecureDfuUnit;
  readonly #address: string;
  #connection: PeripheralConnection | undefined;
  readonly #subscribed = new Set<string>();
  /** Notifications that are due, oldest first. */
  #waiting: { readonly characteristic: string; readonly frame: Uint8Array }[] = [];
  #nameIsBeingStored = false;
  /** The application pairs where it offers a way for bonded peers; its bootloader pairs with nobody. */
  readonly pairing: PeripheralPairing = {
    accepts: () => this.#unit.options.buttonless === 'bonded' && this.#unit.bootloader === undefined,
    bonds: new Map<string, PeripheralBond>(),
  };

  constructor(unit: SecureDfuUnit, address: string) {
    this.#unit = unit;
    this.#address = address;
    unit.connectRadio({
      respond: (bytes) => this.#notify(SecureDfuUuid.controlPoint, bytes),
      disconnect: (how) => {
        const connection = this.#connection;
        connection?.disconnect(how);
      },
    });
  }

  get maxMtu(): number {
    const { options, rules, bootloader } = this.#unit;
    const own = Math.min(options.maxMtu ?? 247, options.faults?.maxMtu ?? 247);
    return bootloader ? agreedMtu(own, Math.min(rules.maxMtu, 247)) : own;
  }

  get maxLinkPayloadBytes(): number {
    return this.#unit.options.maxLinkPayloadBytes ?? (this.#unit.rules.maxMtu >= 247 ? 251 : 27);
  }

  advertisement(): Advertisement | undefined {
    const { options, bootloader, isRunning, isMute, isLeaving, settings } = this.#unit;
    if (!isRunning || isMute || isLeaving || this.#connection) return undefined;
    const addressType = options.addressType ?? 'random';
    if (!bootloader) {
      return {
        address: this.#address,
        addressType,
        name: options.name ?? options.model ?? 'demo-sensor',
        services: [SecureDfuUuid.deviceInformation],
        intervalMs: options.advertisingIntervalMs ?? 100,
      };
    }
    return {
      address: this.#bootloaderAddress(),
      addressType,
      name: settings.advertisedName ?? 'DfuTarg',
      services: [SecureDfuUuid.service],
      intervalMs: 25,
    };
  }

  #bootloaderAddress(): string {
    const { options, settings } = this.#unit;
    if (options.bootloaderIdentityAddress !== undefined) return options.bootloaderIdentityAddress;
    return options.bootloaderAddress === 'same' || settings.peerData
      ? this.#address
      : bootloaderAddressOf(this.#address);
  }

  /** Security mode 1 level 2: a link encrypted with a key that was kept. */
  #insecure(characteristic: string): AttRefusal | undefined {
    const { bootloader, settings } = this.#unit;
    const secured = bootloader ? settings.peerData : characteristic === SecureDfuUuid.buttonlessBonded;
    if (!secured) return undefined;
    const security = this.#connection?.security?.();
    if (security?.encrypted && security.bonded) return undefined;
    return { attError: security?.bonded ? ATT_INSUFFICIENT_ENCRYPTION : ATT_INSUFFICIENT_AUTHENTICATION };
  }

  services(): readonly GattService[] {
    if (this.#unit.bootloader) return BOOTLOADER_SERVICES;
    const without = this.#unit.options.without ?? [];
    const information = [
      ...(without.includes('model') ? [] : [SecureDfuUuid.modelNumber]),
      ...(without.includes('serial') ? [] : [SecureDfuUuid.serialNumber]),
      ...(without.includes('revision') ? [] : [SecureDfuUuid.firmwareRevision]),
      SecureDfuUuid.hardwareRevision,
      SecureDfuUuid.manufacturer,
    ];
    return applicationServices(this.#buttonless(), information);
  }

  onConnect(connection: PeripheralConnection): void {
    this.#connection = connection;
    this.#subscribed.clear();
    this.#waiting = [];
    this.#unit.linkOpened();
  }

  onDisconnect(): void {
    if (!this.#connection) return;
    this.#connection = undefined;
    this.#subscribed.clear();
    this.#unit.linkLost();
  }

  onSubscribe(characteristic: string, mode: 'notify' | 'indicate' | 'none'): AttRefusal | undefined {
    const insecure = this.#insecure(characteristic);
    if (insecure) return insecure;
    if (mode === 'none') this.#subscribed.delete(characteristic);
    else this.#subscribed.add(characteristic);
    return undefined;
  }

  onWrite(characteristic: string, value: Uint8Array, withResponse: boolean): AttRefusal | undefined {
    const { bootloader, faults } = this.#unit;
    const isPacket = characteristic === SecureDfuUuid.packet;
    const insecure = this.#insecure(characteristic);
    if (insecure) return insecure;
    if (!isPacket && !this.#subscribed.has(characteristic)) return { attError: ATT_CCCD };
    const longest = isPacket ? Math.max(20, this.maxMtu - 3) : CONTROL_POINT_MAX_BYTES;
    if (value.length > longest) return withResponse ? { attError: ATT_INVALID_LENGTH } : undefined;
    const frame = faults.toDevice(value);
    if (!frame) return undefined;
    if (characteristic === this.#buttonless() && !bootloader) this.#buttonlessRequest(frame);
    if (characteristic === SecureDfuUuid.controlPoint) bootloader?.request(frame);
    if (isPacket) bootloader?.packet(frame);
    return undefined;
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    const { options } = this.#unit;
    const text: Readonly<Record<string, string>> = {
      '2a00': this.#unit.bootloader ? 'DfuTarg' : (options.name ?? options.model ?? 'demo-sensor'),
      [SecureDfuUuid.modelNumber]: options.model ?? 'demo-sensor',
      [SecureDfuUuid.serialNumber]: options.serialNumber ?? 'SIM-0001',
      [SecureDfuUuid.firmwareRevision]: this.#unit.firmwareRevision() ?? '',
      [SecureDfuUuid.hardwareRevision]: String(options.hwVersion ?? 52),
      [SecureDfuUuid.manufacturer]: 'The Drydock authors',
    };
    const value = text[characteristic];
    return value === undefined ? { attError: ATT_READ_NOT_PERMITTED } : new TextEncoder().encode(value);
  }

  #buttonless(): string | undefined {
    const kind = this.#unit.options.buttonless ?? 'open';
    if (kind === 'none') return undefined;
    if (kind === 'experimental') return SecureDfuUuid.buttonlessExperimental;
    return kind === 'open' ? SecureDfuUuid.buttonless : SecureDfuUuid.buttonlessBonded;
  }

  /** `01` enter the bootloader, `02 len name` set its name; answers `20 op result`. */
  #buttonlessRequest(request: Uint8Array): void {
    const opcode = request[0] ?? 0;
    const channel = this.#buttonless() ?? SecureDfuUuid.buttonless;
    const answer = (result: number): void => this.#notify(channel, Uint8Array.from([0x20, opcode, result]));
    const refused = this.#unit.faults.refusal('buttonless');
    if (refused !== undefined) return answer(refused);
    if (opcode === 0x01) {
      if (this.#nameIsBeingStored) return answer(0x06);
      answer(0x01);
      // The reset waits for the confirmation of the indication, which takes a few connection events.
      this.#unit.leave();
      this.#unit.after(JUMP_AFTER_MS, () => {
        this.#connection?.disconnect(this.#unit.options.jumpLink ?? 'silent');
        this.#unit.after(20, () => this.#unit.jumpToBootloader(channel === SecureDfuUuid.buttonlessBonded));
      });
      return;
    }
    const knowsNames = channel === SecureDfuUuid.buttonless && this.#unit.rules.hasInactivityTimer;
    if (opcode !== 0x02 || !knowsNames) return answer(0x02);
    const length = request[1] ?? 0;
    if (length < 1 || length > 20 || request.length !== 2 + length) return answer(0x05);
    if (this.#nameIsBeingStored) return answer(0x04);
    this.#nameIsBeingStored = true;
    this.#unit.touch('advertised name');
    const advertisedName = new TextDecoder().decode(request.slice(2));
    this.#unit.store({ advertisedName }, () => {
      this.#nameIsBeingStored = false;
      answer(0x01);
    });
  }

  #notify(characteristic: string, bytes: Uint8Array): void {
    const frame = this.#unit.faults.toHost(bytes);
    const connection = this.#connection;
    if (!frame || !connection) return;
    this.#unit.after(Math.max(this.#unit.options.answerMs ?? 0.5, this.#unit.faults.silentForMs), () => {
      if (this.#connection !== connection) return;
      this.#waiting.push({ characteristic, frame });
      if (this.#waiting.length === 1) this.#pump(connection);
    });
  }

  /** In order: what finds no room is tried again, and the others wait behind it. */
  #pump(connection: PeripheralConnection): void {
    if (this.#connection !== connection) return;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (!connection.notify(next.characteristic, next.frame)) {
        this.#unit.after(2, () => this.#pump(connection));
        return;
      }
      this.#waiting.shift();
    }
  }
}
