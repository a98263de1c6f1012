/**
 * BGAPI UART DFU: what can be said. Types and wire numbers, no logic.
 *
 * Source: gecko_sdk 4.4.1, protocol/bluetooth/inc/sl_bt_api.h (message ids), platform/bootloader/communication/
 * bgapi-uart-dfu/btl_comm_bgapi.h; simplicity_sdk 2024.6.0 (system reboot); jrowberg/bglib, Arduino/BGLib.h and
 * yanshouwang/BGLib.NET for BLE11x.
 */

/** Which dialect: Bluegiga BLE11x; Bluegiga BT121/BT122; everything since Blue Gecko. */
export type Generation = 'ble11x' | 'bt12x' | 'efr32';

/** Field "technology type" of the header. */
export const DeviceType = { Ble11x: 0, Bluetooth: 4 } as const;

/** Header fields that name a message: kind (command or response, event), class, id. */
export interface MessageName {
  readonly isEvent: boolean;
  readonly classId: number;
  readonly id: number;
}

export interface Packet extends MessageName {
  readonly payload: Uint8Array;
}

const command = (classId: number, id: number): MessageName => ({ isEvent: false, classId, id });
const event = (classId: number, id: number): MessageName => ({ isEvent: true, classId, id });

/** The messages of one dialect. Responses have the name of their command. */
export interface Dialect {
  readonly deviceType: number;
  readonly hello: MessageName;
  /** Version of what runs; undefined where the application knows no such command. */
  readonly version: MessageName | undefined;
  readonly address: MessageName | undefined;
  readonly systemReset: MessageName;
  readonly dfuReset: MessageName;
  readonly systemReboot: MessageName | undefined;
  readonly userResetToDfu: MessageName | undefined;
  readonly setAddress: MessageName;
  readonly upload: MessageName;
  readonly finish: MessageName;
  readonly systemBoot: MessageName;
  readonly dfuBoot: MessageName;
  readonly dfuBootFailure: MessageName | undefined;
  /** Where the image goes; Gecko Bootloaders ignore it. */
  readonly flashAddress: number;
}

const BLUETOOTH: Dialect = {
  deviceType: DeviceType.Bluetooth,
  hello: command(1, 0x00),
  version: command(1, 0x1b),
  address: command(1, 0x15),
  systemReset: command(1, 0x01),
  dfuReset: command(0, 0x00),
  systemReboot: command(1, 0x1f),
  userResetToDfu: command(0xff, 0x02),
  setAddress: command(0, 0x01),
  upload: command(0, 0x02),
  finish: command(0, 0x03),
  systemBoot: event(1, 0x00),
  dfuBoot: event(0, 0x00),
  dfuBootFailure: event(0, 0x01),
  flashAddress: 0,
};

export const DIALECTS: Readonly<Record<Generation, Dialect>> = {
  efr32: BLUETOOTH,
  bt12x: { ...BLUETOOTH, version: undefined, address: undefined, systemReboot: undefined, userResetToDfu: undefined },
  ble11x: {
    deviceType: DeviceType.Ble11x,
    hello: command(0, 0x01),
    version: command(0, 0x08),
    address: command(0, 0x02),
    systemReset: command(0, 0x00),
    dfuReset: command(9, 0x00),
    systemReboot: undefined,
    userResetToDfu: undefined,
    setAddress: command(9, 0x01),
    upload: command(9, 0x02),
    finish: command(9, 0x03),
    systemBoot: event(0, 0x00),
    dfuBoot: event(9, 0x00),
    dfuBootFailure: undefined,
    flashAddress: 0x1000,
  },
};

/** Argument of the resets. */
export const ResetMode = { Application: 0, Dfu: 1 } as const;

export const Result = {
  Ok: 0x0000,
  /** GSDK 3 and later, and the bootloader's only word for no. */
  ChecksumError: 0x0046,
  /** Blue Gecko SDK 2.x. */
  ChecksumError2: 0x0b03,
  BuffersFull: 0x018e,
} as const;

/** What an application says of itself. */
export interface ApplicationVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly build: number;
  /** Gecko Bootloader version word; undefined for BLE11x and BT12x. */
  readonly bootloader: number | undefined;
}

/** How BGAPI packets travel on the application's UART. */
export type Framing = 'plain' | 'packet' | 'robust';
