/**
 * Nordic Secure DFU: what can be said. Types and wire numbers, no logic.
 *
 * Source: nRF5 SDK 17, components/libraries/bootloader/dfu/nrf_dfu_req_handler.h, nrf_dfu_handling_error.h;
 * components/ble/ble_services/ble_dfu/ble_dfu.h (buttonless).
 */
import type { Channel } from '../../session/session.js';

/** GATT, spelled as `Channel`. */
export const SECURE_DFU_SERVICE: Channel = 'fe59';
export const CONTROL_POINT: Channel = '8ec90001f3154f609fb8838830daea50';
export const PACKET: Channel = '8ec90002f3154f609fb8838830daea50';
export const BUTTONLESS_WITHOUT_BONDS: Channel = '8ec90003f3154f609fb8838830daea50';
export const BUTTONLESS_WITH_BONDS: Channel = '8ec90004f3154f609fb8838830daea50';
/** SDK 12 only; the service has the same UUID. */
export const BUTTONLESS_EXPERIMENTAL: Channel = '8e400001f3154f609fb8838830daea50';

/** The way that is taken where an application offers several. */
export const BUTTONLESS_CHANNELS: readonly Channel[] = [
  BUTTONLESS_WITHOUT_BONDS,
  BUTTONLESS_WITH_BONDS,
  BUTTONLESS_EXPERIMENTAL,
];

export const DEVICE_INFORMATION_SERVICE: Channel = '180a';
export const MODEL_NUMBER: Channel = '2a24';
export const SERIAL_NUMBER: Channel = '2a25';
export const FIRMWARE_REVISION: Channel = '2a26';

export const Opcode = {
  CreateObject: 0x01,
  SetReceipts: 0x02,
  CalculateChecksum: 0x03,
  Execute: 0x04,
  SelectObject: 0x06,
  /** These three are spoken over serial lines only; Bluetooth builds refuse them (reduced protocol). */
  GetMtu: 0x07,
  WriteObject: 0x08,
  Ping: 0x09,
  HardwareVersion: 0x0a,
  FirmwareVersion: 0x0b,
  Abort: 0x0c,
  Response: 0x60,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];
/** What is answered: writes of an object are not. */
export type RequestOpcode = Exclude<Opcode, typeof Opcode.Response | typeof Opcode.WriteObject>;

export const ObjectType = { Command: 1, Data: 2 } as const;
export type ObjectType = (typeof ObjectType)[keyof typeof ObjectType];

export const ResultCode = {
  Invalid: 0x00,
  Success: 0x01,
  OpcodeNotSupported: 0x02,
  InvalidParameter: 0x03,
  InsufficientResources: 0x04,
  InvalidObject: 0x05,
  UnsupportedType: 0x07,
  OperationNotPermitted: 0x08,
  OperationFailed: 0x0a,
  ExtendedError: 0x0b,
} as const;

export const ExtendedError = {
  NoError: 0x00,
  InvalidErrorCode: 0x01,
  WrongCommandFormat: 0x02,
  UnknownCommand: 0x03,
  InitCommandInvalid: 0x04,
  FirmwareVersion: 0x05,
  HardwareVersion: 0x06,
  SoftdeviceVersion: 0x07,
  SignatureMissing: 0x08,
  WrongHashType: 0x09,
  HashFailed: 0x0a,
  WrongSignatureType: 0x0b,
  VerificationFailed: 0x0c,
  InsufficientSpace: 0x0d,
} as const;

/** `type` of a firmware-version answer. */
export const InstalledType = { Softdevice: 0, Application: 1, Bootloader: 2, None: 0xff } as const;

export type Request =
  | { readonly opcode: typeof Opcode.CreateObject; readonly type: ObjectType; readonly sizeBytes: number }
  /** A receipt after every so many packets; 0 = none. */
  | { readonly opcode: typeof Opcode.SetReceipts; readonly packets: number }
  | { readonly opcode: typeof Opcode.CalculateChecksum }
  | { readonly opcode: typeof Opcode.Execute }
  | { readonly opcode: typeof Opcode.SelectObject; readonly type: ObjectType }
  | { readonly opcode: typeof Opcode.HardwareVersion }
  | { readonly opcode: typeof Opcode.FirmwareVersion; readonly image: number }
  | { readonly opcode: typeof Opcode.GetMtu }
  /** `id` comes back in the answer. */
  | { readonly opcode: typeof Opcode.Ping; readonly id: number }
  | { readonly opcode: typeof Opcode.Abort };

/** Both numbers run from the start of the init packet or image, across objects. */
export interface ChecksumReport {
  readonly offsetBytes: number;
  readonly crc32: number;
}

export type Answer =
  | {
      readonly opcode:
        typeof Opcode.CreateObject | typeof Opcode.SetReceipts | typeof Opcode.Execute | typeof Opcode.Abort;
    }
  /** The answer to a checksum request, or unasked: a packet receipt. They look the same. */
  | ({ readonly opcode: typeof Opcode.CalculateChecksum } & ChecksumReport)
  | ({ readonly opcode: typeof Opcode.SelectObject; readonly maxSizeBytes: number } & ChecksumReport)
  /** Longest frame as it lies on the line, escapes and END included. */
  | { readonly opcode: typeof Opcode.GetMtu; readonly mtu: number }
  | { readonly opcode: typeof Opcode.Ping; readonly id: number }
  | {
      readonly opcode: typeof Opcode.HardwareVersion;
      readonly part: number;
      readonly variant: number;
      readonly romBytes: number;
      readonly ramBytes: number;
      readonly pageBytes: number;
    }
  | {
      readonly opcode: typeof Opcode.FirmwareVersion;
      readonly type: number;
      readonly version: number;
      readonly address: number;
      readonly lengthBytes: number;
    };

/** The answer is no. `extended` comes with result 0x0B. */
export interface Refusal {
  readonly refused: number;
  readonly result: number;
  readonly extended?: number;
}

export const ButtonlessOpcode = { EnterBootloader: 0x01, SetName: 0x02, Response: 0x20 } as const;
export const ButtonlessResult = {
  Success: 0x01,
  OpcodeNotSupported: 0x02,
  OperationFailed: 0x04,
  NameInvalid: 0x05,
  Busy: 0x06,
  NotBonded: 0x07,
} as const;

/** Opcode that was asked, and the result as it came. */
export interface ButtonlessAnswer {
  readonly opcode: number;
  readonly result: number;
}
