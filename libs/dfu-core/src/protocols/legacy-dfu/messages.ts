/**
 * Nordic Legacy DFU over BLE: what can be said. Types and wire numbers, no logic.
 *
 * Source: nRF5 SDK 11, components/ble/ble_services/ble_dfu/ble_dfu.h and ble_dfu.c.
 */
import type { Channel } from '../../session/session.js';

/** GATT, spelled as `Channel`. */
export const LEGACY_DFU_SERVICE: Channel = '000015301212efde1523785feabcd123';
export const CONTROL_POINT: Channel = '000015311212efde1523785feabcd123';
export const PACKET: Channel = '000015321212efde1523785feabcd123';
/** Absent before SDK 7. */
export const DFU_REVISION: Channel = '000015341212efde1523785feabcd123';

export const DEVICE_INFORMATION_SERVICE: Channel = '180a';
export const MODEL_NUMBER: Channel = '2a24';
export const SERIAL_NUMBER: Channel = '2a25';
export const FIRMWARE_REVISION: Channel = '2a26';

/** What the revision characteristic of an application reads. */
export const APPLICATION_REVISION = 1;
/** The smallest revision of a bootloader (SDK 7); 6 is SDK 8, 8 is SDK 9 to 11 and Adafruit. */
export const FIRST_BOOTLOADER_REVISION = 5;
/** From here on an init buffer of 128 bytes and signed init packets are possible. */
export const SIGNING_REVISION = 7;

export const Opcode = {
  Start: 0x01,
  Init: 0x02,
  ReceiveImage: 0x03,
  Validate: 0x04,
  Activate: 0x05,
  Reset: 0x06,
  ReportReceived: 0x07,
  SetReceipts: 0x08,
  Response: 0x10,
  Receipt: 0x11,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];
export type RequestOpcode = Exclude<Opcode, typeof Opcode.Response | typeof Opcode.Receipt>;

/** Parts of one transfer; SoftDevice and bootloader may come together. */
export const ImageType = { Softdevice: 0x01, Bootloader: 0x02, Application: 0x04 } as const;

export const Status = {
  Success: 1,
  InvalidState: 2,
  NotSupported: 3,
  DataSize: 4,
  CrcError: 5,
  OperationFailed: 6,
} as const;

export type Request =
  /** `types` is left out for bootloaders of SDK 6.0 and older. */
  | { readonly opcode: typeof Opcode.Start; readonly types?: number }
  /** `step` is left out for bootloaders of SDK 6.1 and older. */
  | { readonly opcode: typeof Opcode.Init; readonly step?: 'begin' | 'complete' }
  /** A receipt after every so many packets; 0 = none. */
  | { readonly opcode: typeof Opcode.SetReceipts; readonly packets: number }
  | {
      readonly opcode:
        | typeof Opcode.ReceiveImage
        | typeof Opcode.Validate
        | typeof Opcode.Activate
        | typeof Opcode.Reset
        | typeof Opcode.ReportReceived;
    };

/** What the control point says. */
export type Notice =
  | { readonly kind: 'response'; readonly request: number; readonly status: number }
  /** Answer to `ReportReceived`. */
  | { readonly kind: 'received'; readonly receivedBytes: number }
  /** Unasked, after so many packets: bytes of firmware so far. */
  | { readonly kind: 'receipt'; readonly receivedBytes: number };

/** Bytes of the parts of one transfer; 0 = not part of it. */
export interface ImageSizes {
  readonly softdevice: number;
  readonly bootloader: number;
  readonly application: number;
}
