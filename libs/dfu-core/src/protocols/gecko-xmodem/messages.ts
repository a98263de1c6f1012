/**
 * The Gecko Bootloader's menu: what can be said. Types and wire values, no logic.
 *
 * Source: gecko_sdk 4.4.1, platform/bootloader/communication/xmodem-uart/btl_comm_xmodem_common.c; for the forerunner,
 * NabuCasa/universal-silabs-flasher, gecko_bootloader.py.
 */

/** One byte each, no Enter. */
export const Choice = { Upload: 0x31, Run: 0x32, Menu: 0x33 } as const;

/** Old Ember bootloaders want a line end before they answer; the others print their menu at any byte. */
export const WAKE_UP = 0x0a;

export interface Menu {
  /** `gecko`: GBL files. `ember`: the forerunner, EBL files. */
  readonly family: 'gecko' | 'ember';
  /** As the menu prints it: `2.04.01`. */
  readonly version: string;
}

/** What a bootloader prints when an upload failed. */
export interface AbortReport {
  readonly kind: 'block' | 'file' | 'unknown';
  /** Two hex digits. */
  readonly code: number | undefined;
}

export const PROMPT = 'BL >';
export const BEGIN_UPLOAD = 'begin upload';
export const COMPLETE = 'Serial upload complete';
export const ABORTED = 'Serial upload aborted';
export const FAILED_TO_BOOT = 'Failed to boot';
