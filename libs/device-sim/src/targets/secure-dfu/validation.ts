/**
 * What the bootloader checks at Execute of the init packet, in its order, and of the whole image.
 *
 * Source: nRF5 SDK 15 to 17 `nrf_dfu_validation.c`, `nrf_dfu_ver_validation.c`; SDK 12 to 14
 * `dfu_req_handling.c` (versions before the signature).
 */
import { createHash, verify, type KeyObject } from 'node:crypto';
import type { InitCommand, InitPacket } from './init-packet.js';
import type { SdkRules } from './profile.js';

/** A result code, with the byte that follows 0x0B. */
export interface Refusal {
  readonly result: number;
  readonly extended?: number;
}

export const ResultCode = {
  success: 0x01,
  opcodeNotSupported: 0x02,
  invalidParameter: 0x03,
  insufficientResources: 0x04,
  invalidObject: 0x05,
  notPermitted: 0x08,
  failed: 0x0a,
  extended: 0x0b,
} as const;

export const ExtendedError = {
  initInvalid: 0x04,
  firmwareVersion: 0x05,
  hardwareVersion: 0x06,
  softDeviceVersion: 0x07,
  signatureMissing: 0x08,
  hashType: 0x09,
  signatureType: 0x0b,
  verificationFailed: 0x0c,
} as const;

export interface ValidationFacts {
  readonly rules: SdkRules;
  readonly publicKey: KeyObject | undefined;
  readonly hwVersion: number;
  /** FWID of the SoftDevice; undefined for a unit without one. */
  readonly softDeviceFwid: number | undefined;
  readonly applicationVersion: number;
  readonly bootloaderVersion: number;
  readonly downgradePrevention: boolean;
  readonly isDebugBootloader: boolean;
  readonly bootloaderBytes: number;
  /** Free room for an image of that type. */
  readonly roomBytes: number;
}

export const FirmwareType = {
  application: 0,
  softDevice: 1,
  bootloader: 2,
  softDeviceBootloader: 3,
  external: 4,
} as const;

const reversed = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).reverse();

/** r and s are stored little-endian, one after the other. */
export function verifyReversedSignature(key: KeyObject, data: Uint8Array, stored: Uint8Array): boolean {
  const signature = Buffer.concat([reversed(stored.subarray(0, 32)), reversed(stored.subarray(32, 64))]);
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** Size of the image that the init packet announces; 0 when it names none. */
export function imageBytesOf(init: InitCommand): number {
  switch (init.type) {
    case FirmwareType.application:
    case FirmwareType.external:
      return init.applicationBytes ?? 0;
    case FirmwareType.softDevice:
      return init.softDeviceBytes ?? 0;
    case FirmwareType.bootloader:
      return init.bootloaderBytes ?? 0;
    case FirmwareType.softDeviceBootloader:
      return (init.softDeviceBytes ?? 0) > 0 && (init.bootloaderBytes ?? 0) > 0
        ? (init.softDeviceBytes ?? 0) + (init.bootloaderBytes ?? 0)
        : 0;
    default:
      return 0;
  }
}

/** @returns undefined when the packet is accepted. */
export function validateInitPacket(packet: InitPacket, facts: ValidationFacts): Refusal | undefined {
  const steps = facts.rules.versionsBeforeSignature
    ? [checkTypeAndHash, checkVersions, checkSignature, checkSizes]
    : [checkSignature, checkTypeAndHash, checkVersions, checkSizes];
  for (const step of steps) {
    const refusal = step(packet, facts);
    if (refusal) return refusal;
  }
  return undefined;
}

/** Before SDK 13 there are no reasons, only "failed". */
function because(extended: number, facts: ValidationFacts): Refusal {
  return facts.rules.extendedErrors ? { result: ResultCode.extended, extended } : { result: ResultCode.failed };
}

function checkSignature(packet: InitPacket, facts: ValidationFacts): Refusal | undefined {
  if (!packet.signature) {
    const isRequired = facts.publicKey !== undefined;
    return isRequired ? because(ExtendedError.signatureMissing, facts) : undefined;
  }
  if (packet.signature.type !== 0) return because(ExtendedError.signatureType, facts);
  if (packet.signature.bytes.length !== 64) return { result: ResultCode.failed };
  if (!facts.publicKey) return undefined;
  const holds = verifyReversedSignature(facts.publicKey, packet.signedBytes, packet.signature.bytes);
  return holds ? undefined : { result: ResultCode.invalidObject };
}

function checkTypeAndHash({ init }: InitPacket, facts: ValidationFacts): Refusal | undefined {
  if (init.type === undefined || init.type > FirmwareType.external) return because(ExtendedError.initInvalid, facts);
  if (init.hashType !== 3 || init.hash?.length !== 32) return because(ExtendedError.hashType, facts);
  return undefined;
}

function checkVersions({ init }: InitPacket, facts: ValidationFacts): Refusal | undefined {
  if (init.isDebug && facts.isDebugBootloader) return undefined;
  if (init.hwVersion === undefined) return because(ExtendedError.initInvalid, facts);
  if (init.hwVersion !== facts.hwVersion) return because(ExtendedError.hardwareVersion, facts);
  if (!softDeviceFits(init, facts)) return because(ExtendedError.softDeviceVersion, facts);
  const changesBootloader = init.type === FirmwareType.bootloader || init.type === FirmwareType.softDeviceBootloader;
  if (init.fwVersion === undefined) {
    const isNeeded = changesBootloader || (init.type === FirmwareType.application && facts.downgradePrevention);
    return isNeeded ? because(ExtendedError.initInvalid, facts) : undefined;
  }
  if (changesBootloader) {
    if (init.fwVersion <= facts.bootloaderVersion) return because(ExtendedError.firmwareVersion, facts);
  } else if (facts.downgradePrevention && init.fwVersion < facts.applicationVersion) {
    return because(ExtendedError.firmwareVersion, facts);
  }
  return undefined;
}

function softDeviceFits(init: InitCommand, facts: ValidationFacts): boolean {
  const first = init.softDevices[0];
  if (facts.softDeviceFwid === undefined) return first === undefined || first === 0;
  if (first === undefined) return false;
  if (first === 0) return init.type === FirmwareType.application;
  if (init.type === FirmwareType.external && init.softDevices.includes(0xfffe)) return true;
  return init.softDevices.includes(facts.softDeviceFwid);
}

function checkSizes({ init }: InitPacket, facts: ValidationFacts): Refusal | undefined {
  const size = imageBytesOf(init);
  if (size === 0) {
    return facts.rules.extendedErrors
      ? { result: ResultCode.extended, extended: ExtendedError.initInvalid }
      : { result: ResultCode.invalidParameter };
  }
  if ((init.bootloaderBytes ?? 0) > facts.bootloaderBytes) return { result: ResultCode.insufficientResources };
  return size > facts.roomBytes ? { result: ResultCode.insufficientResources } : undefined;
}

/** At the last data Execute. @returns undefined when the image may be activated. */
export function validateImage(image: Uint8Array, init: InitCommand, facts: ValidationFacts): Refusal | undefined {
  const digest = createHash('sha256').update(image).digest();
  if (!init.hash || !digest.equals(reversed(init.hash))) return because(ExtendedError.verificationFailed, facts);
  if (init.type === FirmwareType.application) {
    const validation = init.bootValidation[0];
    if (
      validation?.type === 3 &&
      facts.publicKey &&
      !verifyReversedSignature(facts.publicKey, image, validation.bytes)
    ) {
      return { result: ResultCode.invalidObject };
    }
  }
  if (init.type === FirmwareType.softDevice || init.type === FirmwareType.softDeviceBootloader) {
    const size = init.softDeviceBytes ?? 0;
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    // The info struct lies at 0x2000 in a SoftDevice image (0x3000 in flash).
    const isSoftDevice =
      size >= 0x2018 && view.getUint32(0x2004, true) === 0x51b1e5db && view.getUint32(0x2008, true) >= size;
    if (!isSoftDevice) return { result: ResultCode.invalidObject };
  }
  return undefined;
}
