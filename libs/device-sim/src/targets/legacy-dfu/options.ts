/** Everything that can be set on a simulated Legacy DFU unit. */
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';
import type { LegacySdk } from './profile.js';

/** Hardware facts that the bootloader compares with an init packet. */
export interface LegacyHardware {
  /** UICR word; 0xFFFF (default): every file is taken. */
  readonly deviceType?: number;
  readonly deviceRevision?: number;
  /** FWID of the SoftDevice that is installed. Default 0x0064 (S110 8.0). */
  readonly softDeviceFwid?: number;
  /** 64 bytes x | y, big-endian: a bootloader that takes signed init packets only. */
  readonly publicKey?: Uint8Array;
}

export interface LegacyDfuOptions extends LegacyHardware {
  readonly scheduler: Scheduler;
  /** `aa:bb:cc:dd:ee:ff`. Default made from `serialNumber`. */
  readonly address?: string;
  readonly addressType?: 'public' | 'random';
  readonly serialNumber?: string;
  readonly model?: string;
  /** Advertised name of the application. Default `model`. */
  readonly name?: string;
  /** Image bytes that it runs when it leaves the factory; undefined: none, it starts in its bootloader. */
  readonly application?: Uint8Array;
  /** Default `11`. */
  readonly sdk?: LegacySdk;
  /** `single`: the application is erased by the start request. Default `dual`. */
  readonly banks?: 'dual' | 'single';
  /**
   * What the application hands over when it jumps: nothing (default), a bond with an identity key (same address, that
   * peer only), or a peer without one (same address, directed advertising without name and service).
   */
  readonly peerData?: 'none' | 'bonded' | 'directed';
  /** The application wants an encrypted link with a bond before it jumps, and pairs. Default false. */
  readonly wantsBond?: boolean;
  /** What the link does when the unit leaves. Default `silent` (host sees a supervision timeout). */
  readonly jumpLink?: 'graceful' | 'silent';
  /** The link goes before the response to a request that restarts the unit. Default false. */
  readonly dropsBeforeResponse?: boolean;
  /** Room of each bank. Default 128 KiB. */
  readonly bankBytes?: number;
  readonly flash?: Partial<FlashTiming>;
  /** From reset to advertising. Default 300; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  readonly inactivityMs?: number;
  /** From a control point write to its answer. Default 0.5. */
  readonly answerMs?: number;
  readonly maxMtu?: number;
  /** The bootloader agrees to a larger MTU, although its packet characteristic stays at 20 bytes. Default false. */
  readonly grantsMtu?: boolean;
  readonly advertisingIntervalMs?: number;
  /** Buffers for packets that wait for flash. Default 8. */
  readonly packetBuffers?: number;
  /** Version string that an image states when it runs. Default: the marker of `makeDemoFirmware`. */
  readonly firmwareRevision?: (image: Uint8Array) => string | undefined;
  /** Parts that the application leaves out; `information`: the whole Device Information Service. */
  readonly without?: readonly ('model' | 'serial' | 'revision' | 'information' | 'dfu')[];
  readonly faults?: FaultPlan;
}
