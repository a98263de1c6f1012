/**
 * OTA of Silicon Labs over BLE: how it is spelled. All numbers little-endian.
 *
 * Source: as `messages.ts`; platform/bootloader/communication/apploader/btl_apploader_common.c (version values).
 */
import { ByteReader } from '../../bytes/byte-reader.js';
import type { Control, LoaderVersion } from './messages.js';

/** @returns one write to the control characteristic. */
export function encodeControl(value: Control): Uint8Array {
  return Uint8Array.of(value);
}

/** 8 bytes: four words of 16 bits. @throws MalformedFrameError for any other length. */
export function decodeLoaderVersion(value: Uint8Array): LoaderVersion {
  const reader = new ByteReader(value, 'AppLoader version');
  const version = { major: reader.u16le(), minor: reader.u16le(), patch: reader.u16le(), build: reader.u16le() };
  reader.expectEnd();
  return version;
}

/** One byte. @throws MalformedFrameError */
export function decodeOtaVersion(value: Uint8Array): number {
  const reader = new ByteReader(value, 'OTA version');
  const version = reader.u8();
  reader.expectEnd();
  return version;
}

/** Bootloader and application version: one word of 32 bits, major in the highest byte. @throws MalformedFrameError */
export function decodeVersionWord(value: Uint8Array): number {
  const reader = new ByteReader(value, 'version word');
  const version = reader.u32le();
  reader.expectEnd();
  return version;
}

/** `4.2.2-389` */
export function spellLoaderVersion({ major, minor, patch, build }: LoaderVersion): string {
  return `${major}.${minor}.${patch}-${build}`;
}
