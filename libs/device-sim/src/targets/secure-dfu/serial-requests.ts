/**
 * Requests that only builds for a serial line answer.
 *
 * Source: nRF5 SDK 17 `nrf_dfu_req_handler.c` (without NRF_DFU_PROTOCOL_REDUCED), `nrf_dfu_serial.c`.
 */
import type { SdkRules } from './profile.js';
import type { DfuSettings } from './settings.js';
import { ResultCode } from './validation.js';

const Request = { protocolVersion: 0x00, mtu: 0x07, ping: 0x09, hardwareVersion: 0x0a, firmwareVersion: 0x0b } as const;
const ImageType = { softDevice: 0, application: 1, bootloader: 2, none: 0xff } as const;
const RAM_BYTES = 0x40000;
const PAGE_BYTES = 4096;

export interface SerialFacts {
  readonly mtu: number;
  /** As the chip's FICR states them. */
  readonly part: number;
  readonly variant: number;
  readonly romBytes: number;
}

const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** @returns what follows success in the answer, or the result code of a refusal. */
export function serialAnswer(
  request: Uint8Array,
  facts: SerialFacts,
  rules: SdkRules,
  settings: DfuSettings,
): readonly number[] | number {
  // Versions came with SDK 15, as the abort did.
  const knowsVersions = rules.hasAbort;
  switch (request[0]) {
    case Request.ping:
      return request.length === 2 ? [request[1] ?? 0] : ResultCode.invalidParameter;
    case Request.mtu:
      return [facts.mtu & 0xff, facts.mtu >> 8];
    case Request.protocolVersion:
      return knowsVersions ? [1] : ResultCode.opcodeNotSupported;
    case Request.hardwareVersion:
      if (!knowsVersions) return ResultCode.opcodeNotSupported;
      return [facts.part, facts.variant, facts.romBytes, RAM_BYTES, PAGE_BYTES].flatMap(u32);
    case Request.firmwareVersion:
      return knowsVersions ? firmwareVersion(request[1] ?? 0, settings) : ResultCode.opcodeNotSupported;
    default:
      return ResultCode.opcodeNotSupported;
  }
}

/** Image 0 is the bootloader, then the SoftDevice if there is one, then the application if there is one. */
function firmwareVersion(image: number, settings: DfuSettings): readonly number[] {
  const { bank0, softDeviceFwid } = settings;
  const images = [
    { type: ImageType.bootloader, version: settings.bootloaderVersion, address: 0x78000, length: 0x6000 },
    ...(softDeviceFwid === undefined
      ? []
      : [{ type: ImageType.softDevice, version: settings.softDeviceVersion, address: 0x1000, length: 0x25000 }]),
    ...(bank0
      ? [
          {
            type: ImageType.application,
            version: settings.applicationVersion,
            address: 0x26000,
            length: bank0.sizeBytes,
          },
        ]
      : []),
  ];
  const found = images[image] ?? { type: ImageType.none, version: 0, address: 0, length: 0 };
  return [found.type, ...u32(found.version), ...u32(found.address), ...u32(found.length)];
}
