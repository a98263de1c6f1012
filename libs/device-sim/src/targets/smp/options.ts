/** Everything that can be set on a simulated SMP / MCUboot unit. */
import type { KeyObject } from 'node:crypto';
import type { FaultPlan, PairingTraits, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';

export type SmpTransport = 'console' | 'raw' | 'ble' | 'udp';

export interface ExtraImage {
  /** In its primary slot at the factory. */
  readonly image?: Uint8Array;
  /** Default: that of the first image. */
  readonly slotBytes?: number;
}

export interface SmpOptions {
  readonly scheduler: Scheduler;
  /** How it is reached. Default `console`. */
  readonly transport?: SmpTransport;
  /** The unit's hardware identity; also its node name in `os info` (format `n`). Default `SIM-0001`. */
  readonly deviceId?: string;
  /** Hardware model; `os info` format `i` (hardware platform). Default `demo-board`. */
  readonly model?: string;
  /** MCUboot image in the primary slot (`makeFactoryImage`); undefined: none. */
  readonly image?: Uint8Array;
  /** Default 256 KiB each; the last page holds the trailer. */
  readonly slotBytes?: number;
  readonly flash?: Partial<FlashTiming>;
  /**
   * MCUboot mode number: 1 and 3 swap, 2 overwrite only, 9 swap using offset; 4 and 5 direct-XIP without and with
   * revert, 6 RAM load: the higher version of two slots starts; 0 and 8 a single slot, run in place or from RAM; 7 a
   * firmware loader beside the application. Default 3.
   */
  readonly mode?: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
  /** The firmware loader of mode 7, in the second slot. */
  readonly loader?: Uint8Array;
  /** Mode 7: the application lets the loader be named. Default true. */
  readonly hasSettings?: boolean;
  /** A second image whose primary slot is the flash of another core: never listed, overwritten at boot, no revert. */
  readonly networkCore?: ExtraImage;
  /** A second image of the same core, swapped as the first. */
  readonly secondImage?: ExtraImage;
  /** The bootloader leaves the network core alone in a boot for which the application was set first. Default true. */
  readonly networkCoreOrderBug?: boolean;
  /** Direct-XIP: where the slots lie; an image fixed to another address is refused with 25. */
  readonly slotAddresses?: readonly [number, number];
  /** The `image` key of an upload chooses a slot: 0 the free one, n the slot n - 1. Default false. */
  readonly directUpload?: boolean;
  /** False: an application without image group. Default: modes 0, 7 and 8 have none. */
  readonly hasImageGroup?: boolean;
  /** Images with SHA-384 or SHA-512 can be set by their hash. Default false. */
  readonly longHashes?: boolean;
  /** Pages are erased as the upload reaches them. Default false. */
  readonly progressiveErase?: boolean;
  /** These upload requests (counted from 1 after each boot) are answered with "busy". */
  readonly busyAt?: readonly number[];
  /** `boot_mode` is kept over the reset. Default true; false: the key is ignored. */
  readonly keepsBootMode?: boolean;
  /** MCUboot refuses lower versions and security counters. Default false. */
  readonly noDowngrade?: boolean;
  /** Public key that images must be signed by: PEM or key object. Undefined: only the hash is checked. */
  readonly publicKey?: KeyObject | string;
  /** Largest SMP message (on the console transport: message + 4). Default 384. */
  readonly bufSize?: number;
  /** Buffers shared by requests and responses. Default 4. */
  readonly bufCount?: number;
  /** Default true; false: `params` is answered with rc 8. */
  readonly hasParams?: boolean;
  /** Default true; false: `bootloader info` is answered with rc 8. */
  readonly hasBootloaderInfo?: boolean;
  /** Default true; false: `os info` is answered with rc 8. */
  readonly hasOsInfo?: boolean;
  /** Default `indefinite`, as Zephyr writes. */
  readonly cbor?: 'indefinite' | 'definite';
  /** Adds `rc: 0` to successes. Default false. */
  readonly legacyRc?: boolean;
  /** Leaves out flags that are false. Default false. */
  readonly frugalList?: boolean;
  /** Compares the whole upload with `sha` at its end and answers `match`. Default false. */
  readonly imageCheck?: boolean;
  /** Answers every request with version 0 (a server from before SMP v2). Default false. */
  readonly versionOneOnly?: boolean;
  /** Adds `rsn` texts to version 1 errors. Default false. */
  readonly verboseErrors?: boolean;
  /** Time to handle any request. Default 1. */
  readonly processMs?: number;
  /** From the answer of reset to the reset. Default 250. */
  readonly resetDelayMs?: number;
  /** From reset to the application answering, without a swap. Default 500; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  /** Time of a swap. Default: erase and write both images once. */
  readonly swapMs?: number;
  /** MCUboot serial recovery, reached with `boot_mode: 1` and when no image is valid. Default true. */
  readonly recovery?: boolean;
  readonly baud?: number;
  /** Log lines between console answers, and a banner at boot. Default false. */
  readonly chatter?: boolean;
  /** Zephyr's sender: last byte and CRC on a line of their own. Default false. */
  readonly crcOnExtraLine?: boolean;
  /** Raw UART: a partial message is forgotten after this silence. Default 3000. */
  readonly rawInactivityMs?: number;
  /** BLE: server side reassembly of fragments. Default true. */
  readonly reassembly?: boolean;
  /** BLE address, name, limits. */
  readonly address?: string;
  readonly addressType?: 'public' | 'random';
  readonly name?: string;
  readonly maxMtu?: number;
  readonly maxLinkPayloadBytes?: number;
  readonly advertisingIntervalMs?: number;
  /** BLE: another random address after each boot. Default false. */
  readonly changesAddress?: boolean;
  /** BLE: the characteristic wants an encrypted link, or one that was paired with a passkey. Default false. */
  readonly needsPairing?: boolean | 'authenticated';
  /** BLE: how it pairs, where it needs that. Default: legacy pairing by Just Works. */
  readonly pairing?: PairingTraits;
  /** BLE: a new private address after each boot and each connection; `pairing` names its identity. Default false. */
  readonly rotatesAddress?: boolean;
  readonly faults?: FaultPlan;
}
