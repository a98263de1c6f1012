/** What both kinds of OTA over BLE share: advertising, reads, the connection, the fault plan. */
import type { Advertisement, AttRefusal, BlePeripheral, GattService, PeripheralConnection } from '../../target.js';
import { AttError, readValue, SilabsOtaUuid } from './ota-gatt.js';
import type { SilabsUnit, UnitSide } from './silabs-unit.js';

export type WriteAnswer = AttRefusal | { readonly delayMs?: number } | undefined;

/** A write whose answer never comes: the host runs into its own time-out. */
export const NEVER_MS = 24 * 3600 * 1000;

export abstract class OtaRadio implements BlePeripheral, UnitSide {
  protected connection: PeripheralConnection | undefined;
  /** On its way out: no new connection is taken. */
  protected isLeaving = false;

  constructor(
    protected readonly unit: SilabsUnit,
    protected readonly address: string,
  ) {}

  get maxMtu(): number {
    return Math.min(this.unit.options.maxMtu ?? 247, this.unit.faults.plan.maxMtu ?? 247);
  }

  get maxLinkPayloadBytes(): number {
    return this.unit.options.maxLinkPayloadBytes ?? 251;
  }

  protected get loaderAddress(): string {
    return this.unit.options.loaderAddress ?? this.address;
  }

  advertisement(): Advertisement | undefined {
    const { options, isRunning, isMute, personality } = this.unit;
    if (!isRunning || isMute || this.isLeaving || this.connection) return undefined;
    const addressType = options.addressType ?? 'random';
    const intervalMs = options.advertisingIntervalMs ?? 100;
    if (personality === 'bootloader') {
      // The service is not in the advertisement; the device's own address is, whatever address it sends from.
      const deviceAddress = { address: this.address, addressType };
      return { address: this.loaderAddress, addressType, name: 'OTA', services: [], intervalMs, deviceAddress };
    }
    const name = options.name ?? options.model ?? 'silabs-node';
    return { address: this.address, addressType, name, services: ['180a'], intervalMs };
  }

  onConnect(connection: PeripheralConnection): void {
    this.connection = connection;
    this.unit.linkOpened();
    this.connected();
  }

  onDisconnect(): void {
    if (!this.connection) return;
    this.connection = undefined;
    this.disconnected();
  }

  onSubscribe(): AttRefusal | undefined {
    return undefined;
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    return readValue(this.unit, characteristic) ?? { attError: AttError.ReadNotPermitted };
  }

  onWrite(characteristic: string, value: Uint8Array, withResponse: boolean): WriteAnswer {
    const kind = this.unit.options.dataWrites ?? 'both';
    if (characteristic === SilabsOtaUuid.data) {
      if (kind !== 'both' && (kind === 'with-response') !== withResponse) {
        return withResponse ? { attError: AttError.WriteNotPermitted } : undefined;
      }
    }
    const frame = this.unit.faults.toDevice(value);
    // A frame that never came is not answered either.
    if (!frame) return withResponse ? { delayMs: NEVER_MS } : undefined;
    const answer = this.write(characteristic, frame, withResponse);
    if (!withResponse || (answer && 'attError' in answer)) return answer;
    return { delayMs: (answer?.delayMs ?? 0) + this.unit.faults.silentForMs };
  }

  stopped(): void {
    this.isLeaving = false;
    const { connection } = this;
    connection?.disconnect('silent');
  }

  started(): void {
    this.isLeaving = false;
  }

  /** Ends the link in good form and resets a moment later. */
  protected leave(intoBootloader: boolean, afterMs = 0): void {
    this.isLeaving = true;
    this.unit.after(afterMs, () => {
      this.connection?.disconnect('graceful');
      this.unit.after(30, () => this.unit.reset(intoBootloader));
    });
  }

  /** Image bytes were taken: the faults that hang on their number. */
  protected counted(bytes: number): void {
    if (this.unit.countBytes(bytes) === 'disconnect') {
      const { connection } = this;
      connection?.disconnect('silent');
    }
  }

  abstract services(): readonly GattService[];
  protected abstract connected(): void;
  protected abstract disconnected(): void;
  protected abstract write(characteristic: string, value: Uint8Array, withResponse: boolean): WriteAnswer;
}
