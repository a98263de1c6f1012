/**
 * TI OAD over BLE: what can be said. Types and wire numbers, no logic.
 *
 * Sources: TI SimpleLink CC13x2/CC26x2 SDK, `profiles/oad/cc26xx/oad.h`, `oad_reset_service.c`; TI low-power F3 SDK,
 * `profiles/oad/src/oad_profile.c`; TI BLE-Stack 1.x `oad_target.c` and 2.x `oad.h`.
 */
import type { Channel } from '../../session/session.js';

/** TI's 128-bit base with a short id, spelled as `Channel`. */
const ti = (short: string): Channel => `f000${short}04514000b000000000000000`;

export const OAD_SERVICE: Channel = ti('ffc0');
export const IMAGE_IDENTIFY: Channel = ti('ffc1');
export const IMAGE_BLOCK: Channel = ti('ffc2');
export const IMAGE_COUNT: Channel = ti('ffc3');
export const IMAGE_STATUS: Channel = ti('ffc4');
export const CONTROL: Channel = ti('ffc5');
export const RESET_SERVICE: Channel = ti('ffd0');
export const RESET: Channel = ti('ffd1');
/** As applications advertise them; the services themselves have 128 bits. */
export const OAD_SERVICE_SHORT: Channel = 'ffc0';
export const RESET_SERVICE_SHORT: Channel = 'ffd0';

export const DEVICE_INFORMATION_SERVICE: Channel = '180a';
export const MODEL_NUMBER: Channel = '2a24';
export const SERIAL_NUMBER: Channel = '2a25';
export const FIRMWARE_REVISION: Channel = '2a26';

/** What answers behind the services; `reset-service`: a user application that can start a persistent one. */
export type Variant = 'classic-on-chip' | 'classic-off-chip' | 'enhanced' | 'mcuboot' | 'reset-service';

export const Opcode = {
  BlockSize: 0x01,
  ImageCount: 0x02,
  Start: 0x03,
  Enable: 0x04,
  Cancel: 0x05,
  DisableBlockRequests: 0x06,
  SoftwareVersion: 0x07,
  ImageStatus: 0x08,
  ProfileVersion: 0x09,
  DeviceType: 0x10,
  ImageInformation: 0x11,
  BlockRequest: 0x12,
  EraseBonds: 0x13,
} as const;
export type CommandOpcode = Exclude<(typeof Opcode)[keyof typeof Opcode], typeof Opcode.BlockRequest>;

/** MCUboot-based targets answer what does not fit their state under an event number instead of an opcode. */
export const Event = { Identify: 0x00, Block: 0x01 } as const;

export const Status = {
  Success: 0,
  Validation: 1,
  Flash: 2,
  BufferOverflow: 3,
  AlreadyStarted: 4,
  NotStarted: 5,
  NotComplete: 6,
  NoResources: 7,
  ImageTooBig: 8,
  IncompatibleImage: 9,
  InvalidFile: 10,
  IncompatibleFile: 11,
  Authorisation: 12,
  NotSupported: 13,
  Complete: 14,
  NotificationsOff: 15,
  IdentifyTimeout: 16,
  ApplicationStopped: 17,
  Internal: 18,
  Unsupported: 0xff,
} as const;

export const ResetCommand = { UserApplication: 0x00, PersistentApplication: 0x01 } as const;

export type Command =
  | { readonly opcode: Exclude<CommandOpcode, typeof Opcode.ImageCount | typeof Opcode.ImageInformation> }
  | { readonly opcode: typeof Opcode.ImageCount; readonly count: number }
  /** `running`: the image that answers; else what external flash holds. */
  | { readonly opcode: typeof Opcode.ImageInformation; readonly running: boolean };

export interface ImageInformation {
  readonly copyStatus: number;
  readonly crcStatus: number;
  readonly type: number;
  readonly number: number;
}

/** What comes back on the control characteristic. */
export type ControlAnswer =
  | { readonly kind: 'block-size'; readonly bytes: number }
  /** 4 bytes (TI header) or 6 (MCUboot: major, minor, revision and the low half of the build number, big-endian). */
  | { readonly kind: 'version'; readonly bytes: Uint8Array }
  | { readonly kind: 'device-type'; readonly chipType: number; readonly chipFamily: number; readonly revision: number }
  | { readonly kind: 'image-information'; readonly images: readonly ImageInformation[] }
  | { readonly kind: 'block-request'; readonly status: number; readonly block: number }
  /** `of`: opcode, or event number of an MCUboot-based target. */
  | { readonly kind: 'status'; readonly of: number; readonly status: number }
  /** The single byte FF: no such command. */
  | { readonly kind: 'unknown-command' };

/** Of classic targets: what runs there. */
export interface RunningHeader {
  readonly version: number;
  readonly lengthWords: number;
  readonly userId: Uint8Array;
}
