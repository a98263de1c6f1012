/**
 * What can be said in SMP, the Simple Management Protocol of Zephyr and Mynewt ("mcumgr"), for updates.
 *
 * Source: Zephyr `doc/services/device_mgmt/smp_protocol.rst`, `smp_groups/smp_group_0.rst`, `smp_group_1.rst`, `smp_group_3.rst`;
 * mcu-tools/mcuboot `boot/boot_serial/src/boot_serial.c` for serial recovery.
 */

export const Op = { Read: 0, ReadAnswer: 1, Write: 2, WriteAnswer: 3 } as const;
export type Op = (typeof Op)[keyof typeof Op];

/** Two bits of the header. Version 2 differs only in how errors of a group are told. */
export const Version = { V1: 0, V2: 1 } as const;

export const Group = { Os: 0, Image: 1, Settings: 3 } as const;
export const OsCommand = { Echo: 0, DateTime: 4, Reset: 5, Params: 6, Info: 7, BootloaderInfo: 8 } as const;
export const ImageCommand = { State: 0, Upload: 1, Erase: 5, SlotInfo: 6 } as const;
export const SettingsCommand = { Value: 0, Save: 3 } as const;

/** `reset` into this: MCUboot's serial recovery, or the firmware loader. */
export const BOOT_MODE_BOOTLOADER = 1;

export interface Header {
  readonly op: Op;
  readonly version: number;
  readonly group: number;
  readonly sequence: number;
  readonly command: number;
}

/** A CBOR map; keys that are no text are left out when decoding. */
export type Body = ReadonlyMap<string, unknown>;

export interface Message {
  readonly header: Header;
  readonly body: Body;
}

/** What a client may ask. */
export type Request =
  | { readonly kind: 'params' }
  | { readonly kind: 'os-info'; readonly format: string }
  | { readonly kind: 'bootloader-info'; readonly query?: string }
  | { readonly kind: 'echo'; readonly text: string }
  | { readonly kind: 'datetime' }
  /** `yyyy-MM-dd'T'HH:mm:ss`, with fractions and a zone where the unit keeps them. */
  | { readonly kind: 'set-datetime'; readonly text: string }
  | { readonly kind: 'reset'; readonly force?: boolean; readonly bootMode?: number }
  | { readonly kind: 'list' }
  /** With a hash alone: test. Confirm without hash: the running image. */
  | { readonly kind: 'set-state'; readonly hash?: Uint8Array; readonly confirm: boolean }
  | {
      readonly kind: 'upload-first';
      readonly data: Uint8Array;
      readonly totalBytes: number;
      /** SHA-256 of the whole file, by which the target resumes. */
      readonly sha?: Uint8Array;
      readonly image?: number;
      /** Let the target refuse what is not newer than what it runs. */
      readonly upgrade?: boolean;
    }
  | { readonly kind: 'upload-next'; readonly data: Uint8Array; readonly offset: number }
  | { readonly kind: 'erase'; readonly slot?: number }
  | { readonly kind: 'slot-info' }
  /** A value of the unit's settings, as the bytes that its firmware keeps; lost at a reset unless saved. */
  | { readonly kind: 'set-setting'; readonly name: string; readonly value: Uint8Array }
  | { readonly kind: 'save-settings' };

/** The target's buffers: longest message it holds, and how many, shared by requests and answers. */
export interface ParamsAnswer {
  readonly bufferBytes: number;
  readonly bufferCount: number;
}

/** MCUboot's way to update, as `bootloader info` with query `mode` states it. */
export const BootMode = {
  Unknown: -1,
  SingleSlot: 0,
  SwapScratch: 1,
  Overwrite: 2,
  SwapMove: 3,
  DirectXip: 4,
  DirectXipRevert: 5,
  RamLoad: 6,
  FirmwareLoader: 7,
  SingleSlotRamLoad: 8,
  SwapOffset: 9,
} as const;

export interface BootloaderModeAnswer {
  readonly mode: number;
  /** The bootloader erases an older image instead of starting it. */
  readonly noDowngrade: boolean;
}

/** One slot that holds an image. A flag that the target leaves out is false. */
export interface ImageState {
  readonly image: number;
  readonly slot: number;
  readonly version?: string;
  /** Value of the image's hash TLV, lower-case hex; not the SHA-256 of the file. */
  readonly hash?: string;
  readonly bootable: boolean;
  readonly pending: boolean;
  readonly confirmed: boolean;
  readonly active: boolean;
  readonly permanent: boolean;
}

export interface ImageListAnswer {
  readonly images: readonly ImageState[];
  /** Only applications state it; serial recovery never does. */
  readonly splitStatus?: number;
}

export interface UploadAnswer {
  /** Where the target wants the next byte from: it leads, whatever was sent. */
  readonly offset: number;
  /** With the last chunk, where the target compares what it stored with `sha`. */
  readonly match?: boolean;
}

export interface SlotInfo {
  readonly image: number;
  readonly slot: number;
  readonly sizeBytes?: number;
  /** To be sent as `image` so that the upload goes to this slot. */
  readonly uploadImage?: number;
}

export interface SlotInfoAnswer {
  readonly slots: readonly SlotInfo[];
  /** Largest file that the bootloader will take, by image. */
  readonly maxImageBytes: ReadonlyMap<number, number>;
}

/** A refusal: `group` for those of version 2, without it one of the codes all groups share. */
export interface Refusal {
  readonly group?: number;
  readonly code: number;
  /** `rsn` of verbose builds. */
  readonly reason?: string;
}
