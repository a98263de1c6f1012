/**
 * SMP over Bluetooth LE, device side: one characteristic, messages cut into writes and notifications.
 *
 * Source: zephyr `subsys/mgmt/mcumgr/transport/src/smp_bt.c`, `smp_reassembly.c`.
 */
import type {
  Advertisement,
  AttRefusal,
  BlePeripheral,
  GattService,
  PeripheralBond,
  PeripheralConnection,
  PeripheralPairing,
} from '../../target.js';
import { resolvableAddress } from '../../hci/pairing/toolbox.js';
import type { SmpUnit, TransportSide } from './smp-unit.js';

export const SmpUuid = {
  service: '8d53dc1d1db74cd3868b8a527460aa84',
  characteristic: 'da2e7828fbce4e01ae9e261174997c48',
} as const;

const HEADER_BYTES = 8;
const ATT_READ_NOT_PERMITTED = 0x02;
const ATT_INSUFFICIENT_AUTHENTICATION = 0x05;

export class SmpBle implements BlePeripheral, TransportSide {
  readonly #unit: SmpUnit;
  readonly #address: string;
  #connection: PeripheralConnection | undefined;
  #isSubscribed = false;
  /** Pairs with whoever asks, where it needs pairing at all. */
  readonly pairing: PeripheralPairing;
  /** Private addresses that it has had. */
  #rotations = 0;
  #partial: Uint8Array<ArrayBufferLike> = new Uint8Array();
  readonly #outgoing: Uint8Array[] = [];
  #isSending = false;

  constructor(unit: SmpUnit, address: string) {
    this.#unit = unit;
    this.#address = address;
    this.pairing = {
      accepts: () => (unit.options.needsPairing ?? false) !== false,
      bonds: new Map<string, PeripheralBond>(),
      traits: unit.options.pairing,
    };
  }

  get maxMtu(): number {
    return Math.min(this.#unit.options.maxMtu ?? 247, this.#unit.faults.plan.maxMtu ?? 247);
  }

  get maxLinkPayloadBytes(): number {
    return this.#unit.options.maxLinkPayloadBytes ?? 251;
  }

  advertisement(): Advertisement | undefined {
    const { options, isRunning, isMute, personality } = this.#unit;
    if (!isRunning || isMute || this.#connection || personality === 'recovery') return undefined;
    return {
      address: this.#currentAddress(),
      addressType: options.rotatesAddress ? 'random' : (options.addressType ?? 'random'),
      name: this.#name(),
      services: [SmpUuid.service],
      intervalMs: options.advertisingIntervalMs ?? 100,
    };
  }

  /** The loader goes by the name that it was given. */
  #name(): string {
    const { options, personality, loaderName } = this.#unit;
    return (personality === 'loader' ? loaderName : undefined) ?? options.name ?? options.model ?? 'demo-board';
  }

  #currentAddress(): string {
    // The loader is another program, with an identity of its own.
    if (this.#unit.personality === 'loader') return `${this.#address.slice(0, 2)}:10:ad:e5:00:01`;
    const { rotatesAddress = false, pairing } = this.#unit.options;
    if (rotatesAddress && pairing?.identity) {
      return resolvableAddress(pairing.identity.irk, 0x12345 * (this.#unit.boots + 1) + this.#rotations);
    }
    if (!(this.#unit.options.changesAddress ?? false)) return this.#address;
    const last = (Number.parseInt(this.#address.slice(-2), 16) + this.#unit.boots) & 0xff;
    return `${this.#address.slice(0, -2)}${last.toString(16).padStart(2, '0')}`;
  }

  services(): readonly GattService[] {
    return [
      { uuid: '1800', characteristics: [{ uuid: '2a00', properties: ['read'] }] },
      {
        uuid: SmpUuid.service,
        characteristics: [{ uuid: SmpUuid.characteristic, properties: ['write-without-response', 'notify'] }],
      },
    ];
  }

  onConnect(connection: PeripheralConnection): void {
    this.#connection = connection;
    this.#isSubscribed = false;
    this.#unit.linkOpened();
  }

  onDisconnect(): void {
    this.#connection = undefined;
    this.#rotations += 1;
    this.#outgoing.length = 0;
    this.#isSending = false;
    // The end of a link takes the subscription with it, and that drops a half message.
    this.#partial = new Uint8Array();
  }

  onSubscribe(_characteristic: string, mode: 'notify' | 'indicate' | 'none'): AttRefusal | undefined {
    if (this.#isInsecure()) return { attError: ATT_INSUFFICIENT_AUTHENTICATION };
    this.#isSubscribed = mode !== 'none';
    // A stale half message is dropped when the host unsubscribes.
    if (mode === 'none') this.#partial = new Uint8Array();
    return undefined;
  }

  onWrite(characteristic: string, value: Uint8Array): AttRefusal | undefined {
    if (characteristic !== SmpUuid.characteristic || this.#isInsecure()) return undefined;
    const frame = this.#unit.faults.toDevice(value);
    if (!frame) return undefined;
    if (!(this.#unit.options.reassembly ?? true)) {
      this.#unit.receive(frame);
      return undefined;
    }
    if (this.#partial.length === 0 && frame.length < HEADER_BYTES) return undefined;
    this.#partial = Buffer.concat([this.#partial, frame]);
    const total = HEADER_BYTES + (((this.#partial[2] ?? 0) << 8) | (this.#partial[3] ?? 0));
    if (total > this.#unit.bufSize || this.#partial.length > total) this.#partial = new Uint8Array();
    else if (this.#partial.length === total) {
      const message = Uint8Array.from(this.#partial);
      this.#partial = new Uint8Array();
      this.#unit.receive(message);
    }
    return undefined;
  }

  #isInsecure(): boolean {
    const { needsPairing = false } = this.#unit.options;
    const security = this.#connection?.security?.();
    return needsPairing !== false && security?.[needsPairing === true ? 'encrypted' : needsPairing] !== true;
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    if (characteristic !== '2a00') return { attError: ATT_READ_NOT_PERMITTED };
    return new TextEncoder().encode(this.#name());
  }

  send(message: Uint8Array): void {
    const connection = this.#connection;
    if (!connection || !this.#isSubscribed) return;
    const piece = connection.mtu() - 3;
    for (let at = 0; at < message.length; at += piece) this.#outgoing.push(message.slice(at, at + piece));
    if (!this.#isSending) this.#sendNext();
  }

  stopped(): void {
    this.#partial = new Uint8Array();
    const connection = this.#connection;
    connection?.disconnect('silent');
  }

  started(): void {
    // The radio starts to advertise by itself.
  }

  #sendNext(): void {
    const connection = this.#connection;
    const piece = this.#outgoing[0];
    this.#isSending = piece !== undefined;
    if (!connection || !piece) return;
    const frame = this.#unit.faults.toHost(piece);
    const next = (): void => {
      if (this.#connection !== connection) return;
      if (frame && !connection.notify(SmpUuid.characteristic, frame)) {
        this.#unit.after(2, next);
        return;
      }
      this.#outgoing.shift();
      this.#sendNext();
    };
    next();
  }
}
