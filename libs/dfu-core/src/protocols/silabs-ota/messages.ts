/**
 * OTA of Silicon Labs over BLE: what can be said. Types and wire numbers, no logic.
 *
 * Source: gecko_sdk 4.4.1, app/bluetooth/example_host/bt_host_ota_dfu/main.c, app/bluetooth/common/app_ota_dfu and
 * in_place_ota_dfu (GATT XML); SiliconLabs/SimplicityConnect-android, GattCharacteristic.kt, ErrorCodes.kt.
 */
import type { Channel } from '../../session/session.js';

/** GATT, spelled as `Channel`. */
export const OTA_SERVICE: Channel = '1d14d6eefd634fa1bfa48f47b42119f0';
export const OTA_CONTROL: Channel = 'f7bf3564fb6d4e5388a45e37e0326063';
export const OTA_DATA: Channel = '984227f334fc4045a5d02c581f81a153';
export const LOADER_VERSION: Channel = '4f4a23688cca451ebfffcf0e2ee23e9f';
export const OTA_VERSION: Channel = '4cc07bcf08684b329dadba4cc41e5316';
export const BOOTLOADER_VERSION: Channel = '25f05c0ae91746e9b2a5aa2be1245afe';
export const APPLICATION_VERSION: Channel = '0d77cc114ac149f2bfa9cd96ac7a92f8';

export const DEVICE_INFORMATION_SERVICE: Channel = '180a';
export const MODEL_NUMBER: Channel = '2a24';
export const SERIAL_NUMBER: Channel = '2a25';
export const FIRMWARE_REVISION: Channel = '2a26';

/** The AppLoader's name, unless the product gave it another. */
export const LOADER_NAME = 'OTA';

/** One byte, written with response. To an application without data characteristic any value means: reboot. */
export const Control = { Start: 0x00, Finish: 0x03, CloseLink: 0x04 } as const;
export type Control = (typeof Control)[keyof typeof Control];

/** ATT errors of the AppLoader. The application's own component has others under the same numbers. */
export const LoaderError = {
  Check: 0x80,
  NotStarted: 0x81,
  NoBuffer: 0x82,
  TooLarge: 0x83,
  Parse: 0x84,
  Bootloader: 0x85,
  WrongBootloader: 0x86,
  Overlap: 0x87,
} as const;

export const ApplicationError = { Rejected: 0x80, NotReady: 0x81, StorageFull: 0x82, PackageLost: 0x83 } as const;

/** The in-place component's security hook said no. */
export const ENTRY_DENIED = 0xfc;

export interface LoaderVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly build: number;
}
