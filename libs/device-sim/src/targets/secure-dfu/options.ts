/** Everything that can be set on a simulated Secure DFU unit. */
import type { KeyObject } from 'node:crypto';
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';
import type { SdkProfile } from './profile.js';

export interface SecureDfuOptions {
  readonly scheduler: Scheduler;
  /** `aa:bb:cc:dd:ee:ff`. Default made from `serialNumber`. */
  readonly address?: string;
  readonly addressType?: 'public' | 'random';
  /** The unit's hardware identity, read from its Device Information Service. Default `SIM-0001`. */
  readonly serialNumber?: string;
  /** Hardware model, read from its Device Information Service. Default `demo-sensor`. */
  readonly model?: string;
  /** Advertised name of the application. Default `model`. */
  readonly name?: string;
  /** Image bytes that it runs when it leaves the factory; undefined: none, it starts in its bootloader. */
  readonly application?: Uint8Array;
  /** `fw_version` of that image, for the bootloader's downgrade check. Default 1. */
  readonly applicationVersion?: number;
  readonly bootloaderVersion?: number;
  /** ECDSA P-256 public key: PEM, key object, or 64 bytes x | y (big-endian). Undefined: takes unsigned packages too. */
  readonly publicKey?: KeyObject | string | Uint8Array;
  /** Default 52. */
  readonly hwVersion?: number;
  /** Default 0x0101 (S132 7.2.0); null for a unit without SoftDevice. */
  readonly softDeviceFwid?: number | null;
  /** Default `17`. */
  readonly sdk?: SdkProfile;
  /** Default true: `fw_version` below the installed one is refused. */
  readonly downgradePrevention?: boolean;
  readonly isDebugBootloader?: boolean;
  /** Where the bootloader advertises. Default `plus-one`. */
  readonly bootloaderAddress?: 'plus-one' | 'same';
  /**
   * How the application offers the way into the bootloader. Default `open` (8EC90003); `bonded` 8EC90004, `experimental`
   * 8E400001 of SDK 12.
   */
  readonly buttonless?: 'open' | 'bonded' | 'experimental' | 'none';
  /** What the bootloader is built for. Default `ble`; a unit on a serial line is silent while its application runs. */
  readonly transport?: 'ble' | 'uart' | 'usb';
  /** The first boot stays in the bootloader, as with the button held. */
  readonly startsInBootloader?: boolean;
  /** Serial: bits per second. Default 115 200. */
  readonly baud?: number;
  /** Serial: FICR part and variant. Default 0x52840, 0x41414430. */
  readonly part?: number;
  readonly variant?: number;
  /** Version word of the SoftDevice. Default 7002000. */
  readonly softDeviceVersion?: number;
  /** The application's address is a private one and says nothing of the bootloader's. */
  readonly bootloaderIdentityAddress?: string;
  /** What the link does when the application jumps. Default `silent` (host sees a supervision timeout). */
  readonly jumpLink?: 'graceful' | 'silent';
  /** Room for application images in both banks. Default 352 KiB. */
  readonly applicationAreaBytes?: number;
  /** `single`: the application is erased as the image arrives. Default `dual`, falling back to single when full. */
  readonly banks?: 'dual' | 'single';
  readonly flash?: Partial<FlashTiming>;
  /** From reset to advertising. Default 300; `faults.rebootMs` overrides. */
  readonly rebootMs?: number;
  /** Default 120 000. */
  readonly inactivityMs?: number;
  /** Signature check in software. Default 250. */
  readonly verifyMs?: number;
  /** From a control point write to its answer. Default 0.5. */
  readonly answerMs?: number;
  /** Greatest ATT_MTU; the SDK profile and the fault plan may lower it. Default 247. */
  readonly maxMtu?: number;
  readonly maxLinkPayloadBytes?: number;
  /** Advertising interval of the application, milliseconds. Default 100 (bootloader: 25). */
  readonly advertisingIntervalMs?: number;
  /**
   * Version string that an image states when it runs. Default: the marker of `makeDemoFirmware`.
   * Undefined result: the characteristic reads empty.
   */
  readonly firmwareRevision?: (image: Uint8Array) => string | undefined;
  /** Characteristics that the application leaves out of its Device Information Service. */
  readonly without?: readonly ('model' | 'serial' | 'revision')[];
  readonly faults?: FaultPlan;
}
