/** A small GATT peripheral for tests and benches of a link itself: echoes, counts, refuses, falls away on demand. */
import type {
  Advertisement,
  AttRefusal,
  BlePeripheral,
  GattService,
  PairingTraits,
  PeripheralBond,
  PeripheralConnection,
  PeripheralPairing,
} from '../target.js';

/** UUIDs of its service and characteristics. */
export const GenericUuid = {
  service: '8e400001f3154f609fb8838830daea50',
  commands: '8e400002f3154f609fb8838830daea50',
  events: '8e400003f3154f609fb8838830daea50',
  indications: '8e400004f3154f609fb8838830daea50',
  secret: '8e400005f3154f609fb8838830daea50',
  slow: '8e400006f3154f609fb8838830daea50',
  version: '2a26',
} as const;

export interface GenericOptions {
  readonly address: string;
  readonly addressType?: 'public' | 'random';
  readonly name?: string;
  readonly maxMtu?: number;
  readonly maxLinkPayloadBytes?: number;
  readonly services?: readonly string[];
  /** It pairs, in this way; then `secret` is open to `secretNeeds`. Default: it pairs with nobody. */
  readonly pairing?: PairingTraits;
  /** Default `encrypted`. */
  readonly secretNeeds?: 'encrypted' | 'authenticated';
}

/**
 * - Writes of `commands` are kept; those with a response come back on the channel that `echoOn` names.
 * - `version` is a long value. `secret` asks for a bond, and is open to nobody unless the device pairs. `slow` answers a write after `answerAfterMs`.
 */
export class GenericPeripheral implements BlePeripheral {
  advertised: Advertisement | undefined;
  readonly maxMtu: number;
  readonly maxLinkPayloadBytes: number;
  connection: PeripheralConnection | undefined;
  readonly written: { characteristic: string; bytes: Uint8Array; withResponse: boolean }[] = [];
  writtenBytes = 0;
  disconnects = 0;
  readonly version: Uint8Array = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
  onNextRead: (() => void) | undefined;
  answerAfterMs = 0;
  echoOn: (bytes: Uint8Array) => string = () => GenericUuid.events;
  readonly pairing?: PeripheralPairing;
  readonly #secretNeeds: 'encrypted' | 'authenticated';

  constructor(options: GenericOptions) {
    this.advertised = {
      address: options.address,
      addressType: options.addressType ?? 'random',
      services: options.services ?? [GenericUuid.service],
      intervalMs: 20,
      ...(options.name === undefined ? {} : { name: options.name }),
    };
    const traits = options.pairing;
    if (traits) this.pairing = { accepts: () => true, bonds: new Map<string, PeripheralBond>(), traits };
    this.#secretNeeds = options.secretNeeds ?? 'encrypted';
    this.maxMtu = options.maxMtu ?? 247;
    this.maxLinkPayloadBytes = options.maxLinkPayloadBytes ?? 251;
  }

  advertisement(): Advertisement | undefined {
    return this.advertised;
  }

  services(): readonly GattService[] {
    return [
      { uuid: '180a', characteristics: [{ uuid: GenericUuid.version, properties: ['read'] }] },
      {
        uuid: GenericUuid.service,
        characteristics: [
          { uuid: GenericUuid.commands, properties: ['write', 'write-without-response'] },
          { uuid: GenericUuid.events, properties: ['notify'] },
          { uuid: GenericUuid.indications, properties: ['indicate'] },
          { uuid: GenericUuid.secret, properties: ['read', 'write', 'notify'] },
          { uuid: GenericUuid.slow, properties: ['write'] },
        ],
      },
    ];
  }

  onConnect(connection: PeripheralConnection): void {
    this.connection = connection;
  }

  onDisconnect(): void {
    this.connection = undefined;
    this.disconnects++;
  }

  onSubscribe(characteristic: string): AttRefusal | undefined {
    return characteristic === GenericUuid.secret && !this.#isOpen() ? { attError: 0x0f } : undefined;
  }

  onWrite(
    characteristic: string,
    bytes: Uint8Array,
    withResponse: boolean,
  ): AttRefusal | { delayMs: number } | undefined {
    if (characteristic === GenericUuid.secret && !this.#isOpen()) return { attError: 0x05 };
    if (characteristic === GenericUuid.slow) return { delayMs: this.answerAfterMs };
    this.written.push({ characteristic, bytes, withResponse });
    this.writtenBytes += bytes.length;
    if (withResponse) this.connection?.notify(this.echoOn(bytes), bytes);
    return undefined;
  }

  onRead(characteristic: string): Uint8Array | AttRefusal {
    if (characteristic === GenericUuid.secret && !this.#isOpen()) return { attError: 0x05 };
    const { onNextRead } = this;
    this.onNextRead = undefined;
    onNextRead?.();
    return this.version;
  }

  #isOpen(): boolean {
    const security = this.connection?.security?.();
    return this.pairing !== undefined && security?.[this.#secretNeeds] === true;
  }
}
