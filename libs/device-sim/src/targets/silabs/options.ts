/** Everything that can be set on a simulated Silicon Labs or Bluegiga unit. */
import type { FaultPlan, Scheduler } from '../../target.js';
import type { FlashTiming } from '../flash-memory.js';

/**
 * How the unit takes firmware:
 * - `bgapi`: BGAPI UART DFU, generation as in `generation`;
 * - `xmodem`: the Gecko Bootloader's menu on a UART;
 * - `apploader`: over BLE, from the application into the AppLoader;
 * - `application-ota`: over BLE, inside the running application, installed by the bootloader afterwards.
 */
export type SilabsAccess = 'bgapi' | 'xmodem' | 'apploader' | 'application-ota';

/**
 * BGAPI bootloaders: Bluegiga BLE11x; Bluegiga BT121/BT122; Blue Gecko legacy (EBL); Gecko Bootloader 1.x;
 * Gecko Bootloader 2.x of GSDK 4; the same of the Simplicity SDK.
 */
export type BgapiGeneration = 'ble11x' | 'bt12x' | 'blue-gecko-2' | 'gecko-1' | 'gecko-2' | 'sisdk';

export interface SilabsOptions {
  readonly scheduler: Scheduler;
  readonly access: SilabsAccess;
  /** The unit's hardware identity. Default `SIM-0001`. */
  readonly deviceId?: string;
  /** Default `silabs-node`. */
  readonly model?: string;
  /** Image bytes that it runs when it leaves the factory; undefined: none. */
  readonly application?: Uint8Array;
  /** Application properties version of that image. Default 1. */
  readonly applicationVersion?: number;
  /** Flash address of the application. Default 0x4000 (BLE11x: 0x1000). */
  readonly applicationAddress?: number;
  /** Room for it. Default 512 KiB. */
  readonly applicationBytes?: number;
  readonly flash?: Partial<FlashTiming>;

  // Bootloader
  /** Version word major << 24 | minor << 16 | customer. Default by generation. 0: no bootloader (AppLoader only). */
  readonly bootloaderVersion?: number;
  /** ECDSA P-256 public key, 64 bytes x, y big-endian: files must be signed by it. */
  readonly publicKey?: Uint8Array;
  /** 16 bytes: encrypted files can be opened. */
  readonly aesKey?: Uint8Array;
  /** Files that are not encrypted are refused. */
  readonly requireEncryption?: boolean;
  /** From reset to the first sign of life. Default 200. */
  readonly rebootMs?: number;

  // BGAPI UART
  /** Default `gecko-2`. */
  readonly generation?: BgapiGeneration;
  /** Series 1 applications obey `system_reset(1)`; Series 2 ones only start anew. Default 1. */
  readonly series?: 1 | 2;
  /** The NCP is built with the bootloader interface: it obeys `user_reset_to_dfu`. Default true. */
  readonly userResetToDfu?: boolean;
  /** Of the application: plain, with length prefix (BLE11x), or robust frames. Default plain. */
  readonly framing?: 'plain' | 'packet' | 'robust';
  /** Whether the BLE11x bootloader expects the length prefix as well. Default false. */
  readonly packetModeInBootloader?: boolean;
  /** Default true; false: the stack is started on demand and says nothing at boot. */
  readonly systemBootEvent?: boolean;
  readonly applicationBaud?: number;
  readonly bootloaderBaud?: number;
  /** Bytes that a reset puts on the line. */
  readonly junkAtBoot?: Uint8Array;

  // XMODEM
  /** Back to the application after so long in the menu; 0: never. Default 0. */
  readonly menuIdleMs?: number;
  /** The application answers BGAPI. Default false: it says nothing. */
  readonly applicationSpeaksBgapi?: boolean;

  // BLE
  readonly address?: string;
  readonly addressType?: 'public' | 'random';
  /** Advertised name of the application. Default `model`. */
  readonly name?: string;
  readonly maxMtu?: number;
  readonly maxLinkPayloadBytes?: number;
  readonly advertisingIntervalMs?: number;
  /** AppLoader: its address, when it is not the application's. */
  readonly loaderAddress?: string;
  /** Both kinds of write by default. */
  readonly dataWrites?: 'both' | 'with-response' | 'without-response';
  /** AppLoader: bytes that may wait for the flash. Default 16 KiB. */
  readonly bufferBytes?: number;
  /** OTA version characteristic. Default 3. */
  readonly otaVersion?: number;
  /** The application states its revision in Device Information. Default true. */
  readonly hasRevision?: boolean;
  /** Slot of application OTA. Default `applicationBytes`. */
  readonly slotBytes?: number;
  /** Application OTA: from the end of the link to the reboot. Default 500. */
  readonly verifyMs?: number;
  readonly faults?: FaultPlan;
}
