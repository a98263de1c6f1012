/** The part of noble that we use, as 1.9.2-26 really behaves (its own typings say more than it does). */
import type { EventEmitter } from 'node:events';

export interface NobleAdvertisement {
  readonly localName?: string;
  /** 16-bit UUIDs without leading zeros. */
  readonly serviceUuids?: readonly string[];
}

export interface NobleCharacteristic extends EventEmitter {
  readonly uuid: string;
  readonly properties: readonly string[];
  /** Emits `read`; with empty data when the device refused. */
  read(): void;
  /** Emits `write` when queued (without response) or answered; nothing when refused. */
  write(data: Buffer, withoutResponse: boolean): void;
  /** Emits `notify` when the configuration is written; nothing when refused. */
  subscribe(): void;
}

export interface NobleService {
  readonly uuid: string;
  discoverCharacteristics(uuids: readonly string[], done: (error: unknown, found: NobleCharacteristic[]) => void): void;
}

export interface NoblePeripheral extends EventEmitter {
  /** Address without colons. */
  readonly id: string;
  readonly address: string;
  readonly advertisement: NobleAdvertisement;
  readonly rssi: number;
  readonly connectable: boolean;
  mtu: number | null;
  readonly state: string;
  connect(options: object, done: (error?: Error | null) => void): void;
  cancelConnect(): void;
  disconnect(): void;
  discoverServices(uuids: readonly string[], done: (error: unknown, found: NobleService[]) => void): void;
}

/** The event emitter class that noble makes one of per instance. */
export interface HciSocketInstance extends EventEmitter {
  bindRaw(deviceId?: number): unknown;
  bindUser(deviceId?: number): unknown;
  start(): void;
  stop(): void;
  isDevUp(): boolean;
  setFilter(filter: Buffer): void;
  write(packet: Buffer): void;
}
export type HciSocketClass = new () => HciSocketInstance;

/** noble's Linux bindings, as far as we reach into them. */
export interface NobleBindings extends EventEmitter {
  init(): void;
  readonly _addresses: Record<string, string>;
  readonly _addresseTypes: Record<string, string>;
  readonly _connectable: Record<string, boolean>;
  readonly scannable: Record<string, boolean>;
  readonly _gap: { _discoveries: Record<string, unknown> };
  readonly _hci: { _aclConnections: Map<number, { pending: number }> };
}

export interface Noble extends EventEmitter {
  initialized: boolean;
  readonly _peripherals: Record<string, NoblePeripheral>;
  readonly _services: Record<string, unknown>;
  readonly _characteristics: Record<string, unknown>;
  readonly _descriptors: Record<string, unknown>;
  startScanning(uuids: readonly string[], allowDuplicates: boolean): void;
  stopScanning(): void;
}
