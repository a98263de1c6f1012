/**
 * Nordic's legacy DFU over a UART: what can be said. Types and wire numbers, no logic.
 *
 * Source: nRF5 SDK 11, components/libraries/bootloader_dfu/dfu_types.h and dfu_transport_serial.c;
 * Adafruit_nRF52_Bootloader, lib/sdk11.
 */

/** First word of each payload. */
export const PacketType = { Invalid: 0, Init: 1, Start: 3, Data: 4, Stop: 5 } as const;

/** Parts of one transfer, in `Start`; SoftDevice and bootloader may come together. */
export const UpdateMode = { Softdevice: 1, Bootloader: 2, Application: 4 } as const;

export type Message =
  | {
      readonly type: typeof PacketType.Start;
      readonly mode: number;
      readonly softdeviceBytes: number;
      readonly bootloaderBytes: number;
      readonly applicationBytes: number;
    }
  | { readonly type: typeof PacketType.Init; readonly initPacket: Uint8Array }
  | { readonly type: typeof PacketType.Data; readonly bytes: Uint8Array }
  | { readonly type: typeof PacketType.Stop }
  /** Does nothing: bootloaders take it from the line, acknowledge it, and throw it away. */
  | { readonly type: typeof PacketType.Invalid };

/** Sequence numbers run from 0 to 7; the first after a start of the bootloader is 1. */
export const SEQUENCE_NUMBERS = 8;
export const FIRST_SEQUENCE_NUMBER = 1;
/** Firmware bytes of one frame: the buffers of the target hold one such frame each. */
export const DATA_BYTES = 512;
