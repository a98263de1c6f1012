/** What an OAD service needs of the unit it runs on. */
import type { AttRefusal, Cancel } from '../../target.js';
import type { FaultInjector } from '../fault-injector.js';
import type { FlashMemory } from '../flash-memory.js';
import type { TiOadOptions } from './options.js';

export interface OadHost {
  readonly options: TiOadOptions;
  readonly memory: FlashMemory;
  readonly faults: FaultInjector;
  /** Flash region that takes the download. */
  readonly region: string;
  mtu(): number;
  after(delayMs: number, fn: () => void): Cancel;
  /** Whether the host has enabled notifications of it. */
  isSubscribed(characteristic: string): boolean;
  notify(characteristic: string, bytes: Uint8Array): void;
  log(what: 'touched' | 'erased' | 'written' | 'activated', detail?: string): void;
  /** The file that runs, or is installed beneath a persistent application. */
  installed(): Uint8Array | undefined;
  /** The user application is overwritten from now on. */
  loseApplication(): void;
  /** The image in `region` is to be started: resets, the link ending in good form or just falling silent. */
  activate(lengthBytes: number, how: 'graceful' | 'silent'): void;
  dropLink(): void;
  /** Leaves the persistent application, if there is another to start. */
  startUserApplication(): void;
  tookImageBytes(count: number): void;
}

/** One of the services FFC0. */
export interface OadService {
  onWrite(characteristic: string, bytes: Uint8Array, withResponse: boolean): AttRefusal | undefined;
  linkOpened(): void;
  linkLost(): void;
}

export const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
export const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
