/** One scan shared by everybody who looks for something; paused while a connection is being made. */
import type { Sighting } from '@drydock/dfu-core';
import { encodeAddress } from './hci-wire.js';
import type { KnownDevice } from './link-security.js';
import type { NobleInstance } from './noble-instance.js';
import type { NoblePeripheral } from './noble-types.js';
import { isPrivate } from './pairing/private-addresses.js';

export interface FoundPeripheral {
  /** Under the address of its identity, where a bond tells it. */
  readonly sighting: Sighting;
  readonly peripheral: NoblePeripheral;
  readonly addressType: 'public' | 'random' | undefined;
}

const SCAN_COMMAND_WITHIN_MS = 2000;
/** Vol 4 Part E, 7.7.65.2: the controller does not know. */
const RSSI_UNKNOWN = 127;

export class BleScanner {
  readonly #stack: NobleInstance;
  readonly #listeners = new Set<(found: FoundPeripheral) => void>();
  readonly #inUse: () => ReadonlySet<string>;
  readonly #statedAddress: (address: string) => string | undefined;
  readonly #deviceOf: (address: string) => KnownDevice | undefined;
  #pauses = 0;
  #scanning = false;
  #closed = false;
  #change: Promise<void> = Promise.resolve();

  /**
   * @param inUse ids that noble must not forget: connected, or about to be.
   * @param statedAddress what the device at an address states as its own.
   * @param deviceOf whose private address it is.
   * @param silent called when the controller does not answer.
   */
  constructor(
    stack: NobleInstance,
    inUse: () => ReadonlySet<string>,
    statedAddress: (address: string) => string | undefined,
    deviceOf: (address: string) => KnownDevice | undefined,
    private readonly silent: () => void = () => undefined,
  ) {
    this.#stack = stack;
    this.#inUse = inUse;
    this.#statedAddress = statedAddress;
    this.#deviceOf = deviceOf;
    stack.noble.on('discover', (peripheral: NoblePeripheral) => this.#discovered(peripheral));
  }

  /** Calls the listener at every report until the returned function is called. */
  listen(listener: (found: FoundPeripheral) => void): () => void {
    this.#listeners.add(listener);
    void this.#adjust();
    return () => {
      this.#listeners.delete(listener);
      void this.#adjust();
    };
  }

  /** Many controllers cannot scan and initiate at once. @returns when scanning has stopped; call the result to go on. */
  async pause(): Promise<() => void> {
    this.#pauses++;
    await this.#adjust();
    let paused = true;
    return () => {
      if (!paused) return;
      paused = false;
      this.#pauses--;
      void this.#adjust();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#adjust();
    this.#closed = true;
  }

  #adjust(): Promise<void> {
    this.#change = this.#change.then(() => this.#apply());
    return this.#change;
  }

  async #apply(): Promise<void> {
    const wanted = this.#listeners.size > 0 && this.#pauses === 0;
    if (wanted === this.#scanning || this.#closed) return;
    this.#scanning = wanted;
    const { noble } = this.#stack;
    const event = wanted ? 'scanStart' : 'scanStop';
    await new Promise<void>((resolve) => {
      // A controller that does not answer here may not answer elsewhere either.
      const timer = setTimeout(() => {
        this.silent();
        done();
      }, SCAN_COMMAND_WITHIN_MS);
      timer.unref();
      function done(): void {
        clearTimeout(timer);
        noble.removeListener(event, done);
        resolve();
      }
      noble.once(event, done);
      if (wanted) {
        this.#stack.forgetStrangers(this.#inUse());
        noble.startScanning([], true);
      } else noble.stopScanning();
    });
  }

  #discovered(peripheral: NoblePeripheral): void {
    if (!peripheral.connectable) return;
    const { localName, serviceUuids } = peripheral.advertisement;
    const deviceAddress = this.#statedAddress(peripheral.address);
    const onAir = peripheral.address.toLowerCase();
    const addressType = addressTypeOf(this.#stack.bindings._addresseTypes[peripheral.id]);
    const isChanging = addressType === 'random' && isPrivate(encodeAddress(onAir));
    const device = isChanging ? this.#deviceOf(onAir) : undefined;
    const found: FoundPeripheral = {
      peripheral,
      addressType: device ? device.addressType : addressType,
      sighting: {
        link: 'ble',
        address: device?.address ?? onAir,
        ...(isChanging && !device && { privateAddress: true }),
        services: [...new Set((serviceUuids ?? []).map(channelOf))],
        ...(peripheral.rssi === RSSI_UNKNOWN ? {} : { rssiDbm: peripheral.rssi }),
        ...(localName === undefined ? {} : { name: localName }),
        ...(deviceAddress === undefined ? {} : { deviceAddress }),
      },
    };
    for (const listener of [...this.#listeners]) listener(found);
  }
}

function addressTypeOf(text: string | undefined): FoundPeripheral['addressType'] {
  return text === 'random' || text === 'public' ? text : undefined;
}

/** noble writes 16-bit UUIDs without leading zeros. */
export function channelOf(uuid: string): string {
  return uuid.length < 4 ? uuid.padStart(4, '0') : uuid.toLowerCase();
}
