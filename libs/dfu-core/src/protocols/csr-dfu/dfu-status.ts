/**
 * States and status codes of the DFU machine, the public part of what a loader says.
 *
 * Source: USB Device Firmware Upgrade 1.1, 6.1.2; BlueZ, tools/dfu.h.
 */
import type { ErrorCode } from '@drydock/contracts';
import { ByteReader } from '../../bytes/byte-reader.js';

export const DfuState = {
  AppIdle: 0,
  AppDetach: 1,
  Idle: 2,
  DownloadSync: 3,
  DownloadBusy: 4,
  DownloadIdle: 5,
  ManifestSync: 6,
  Manifest: 7,
  ManifestWaitReset: 8,
  UploadIdle: 9,
  Error: 10,
} as const;

/** Name, and whose fault it is: a file that is not for this unit, or a unit that could not do it now. */
const STATUS: Readonly<Record<number, readonly [name: string, code: ErrorCode, meaning: string]>> = {
  0x01: ['errTARGET', 'target.refused-image', 'the file is not for this device'],
  0x02: ['errFILE', 'target.refused-image', 'the file failed a check of the vendor'],
  0x03: ['errWRITE', 'target.refused', 'its memory could not be written'],
  0x04: ['errERASE', 'target.refused', 'its memory could not be erased'],
  0x05: ['errCHECK_ERASED', 'target.refused', 'its memory was not empty after erasing'],
  0x06: ['errPROG', 'target.refused', 'programming failed'],
  0x07: ['errVERIFY', 'target.refused', 'what was written does not match'],
  0x08: ['errADDRESS', 'target.refused-image', 'an address lies outside'],
  0x09: ['errNOTDONE', 'target.refused', 'the end came too early'],
  0x0a: ['errFIRMWARE', 'target.refused-image', 'the firmware it received is corrupt'],
  0x0b: ['errVENDOR', 'target.refused', 'an error of the vendor'],
  0x0c: ['errUSBR', 'target.refused', 'an unexpected reset'],
  0x0d: ['errPOR', 'target.refused', 'an unexpected loss of power'],
  0x0e: ['errUNKNOWN', 'target.refused', 'an unknown error'],
  0x0f: ['errSTALLEDPKT', 'target.refused', 'it did not expect the request'],
};

export interface DfuStatus {
  /** 0: no error. */
  readonly status: number;
  /** How long to wait before the next request. */
  readonly pollMs: number;
  readonly state: number;
}

/** @throws MalformedFrameError when it is no status block. */
export function decodeStatus(data: Uint8Array): DfuStatus {
  const reader = new ByteReader(data, 'DFU status');
  const status = reader.u8();
  const pollMs = reader.u16le() + reader.u8() * 0x10000;
  const state = reader.u8();
  reader.u8();
  reader.expectEnd();
  return { status, pollMs, state };
}

export function explainStatus(status: number): { name: string; code: ErrorCode; meaning: string } {
  const [name, code, meaning] = STATUS[status] ?? [`status ${status}`, 'target.refused', 'an error of no known number'];
  return { name, code, meaning };
}
