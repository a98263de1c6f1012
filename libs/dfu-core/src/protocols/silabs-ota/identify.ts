/**
 * Who answers, and what it says about itself. Nothing is changed on the target.
 *
 * - control without data: an application that reboots into an AppLoader;
 * - control, data and Device Information: an application that takes the file itself;
 * - control, data and the AppLoader's version, no Device Information: an AppLoader, which counts as bootloader.
 *
 * Source: gecko_sdk 4.4.1, bt_host_ota_dfu/main.c (the missing data characteristic); Bluetooth SIG, Device Information
 * Service 1.1.
 */
import { strFromU8 } from 'fflate';
import { DrydockError, isSecurityRefusal, MalformedFrameError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import type { Channel, LinkInfo, Session } from '../../session/session.js';
import type { Talk } from '../silabs/talk.js';
import { spellBootloaderVersion } from '../silabs/versions.js';
import { decodeLoaderVersion, decodeOtaVersion, decodeVersionWord, spellLoaderVersion } from './codec.js';
import {
  APPLICATION_VERSION,
  BOOTLOADER_VERSION,
  FIRMWARE_REVISION,
  LOADER_VERSION,
  MODEL_NUMBER,
  OTA_CONTROL,
  OTA_DATA,
  OTA_VERSION,
  SERIAL_NUMBER,
} from './messages.js';

export const PROTOCOL_NAME = 'silabs-ota';
const MAX_TEXT_BYTES = 248;

export type Face = 'in-place application' | 'ota application' | 'loader' | 'other';

export function faceOf(link: LinkInfo): Face {
  const has = (channel: Channel): boolean => link.channels.includes(channel);
  if (!has(OTA_CONTROL)) return 'other';
  if (!has(OTA_DATA)) return 'in-place application';
  const hasInformation = [FIRMWARE_REVISION, MODEL_NUMBER, SERIAL_NUMBER].some(has);
  return !hasInformation && has(LOADER_VERSION) ? 'loader' : 'ota application';
}

/**
 * @param anyApplication after an update the new application may lack the service.
 * @throws DrydockError `target.wrong-kind` when the unit shows no sign of this protocol.
 */
export function* identify(talk: Talk, anyApplication: boolean): Session<Identification> {
  const face = faceOf(talk.link);
  if (face === 'other' && !anyApplication) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'Silicon Labs OTA target',
      detail: 'it offers no OTA control characteristic',
    });
  }
  const bootloader = yield* optional(talk, BOOTLOADER_VERSION, decodeVersionWord);
  const application = yield* optional(talk, APPLICATION_VERSION, decodeVersionWord);
  const loader = yield* optional(talk, LOADER_VERSION, decodeLoaderVersion);
  const ota = yield* optional(talk, OTA_VERSION, decodeOtaVersion);
  const revision = yield* optional(talk, FIRMWARE_REVISION, decodeText);
  const model = yield* optional(talk, MODEL_NUMBER, decodeText);
  const serialNumber = yield* optional(talk, SERIAL_NUMBER, decodeText);
  const isLoader = face === 'loader';
  const number = application === undefined || application === 0 ? undefined : String(application);
  const version = revision ?? number;
  return {
    protocol: PROTOCOL_NAME,
    mode: isLoader ? 'bootloader' : 'application',
    identity: identityOf(talk.link),
    hardware: {
      ota: isLoader ? 'apploader' : face === 'ota application' ? 'in-application' : 'by-reboot',
      ...(ota === undefined ? {} : { otaVersion: ota }),
      ...(loader && { [ota === undefined || ota >= 3 ? 'loaderVersion' : 'stackVersion']: spellLoaderVersion(loader) }),
      ...(bootloader === undefined ? {} : { bootloaderVersion: spellBootloaderVersion(bootloader) }),
      ...(application === undefined ? {} : { applicationVersion: application }),
      ...(serialNumber === undefined ? {} : { serialNumber }),
    },
    running: isLoader || version === undefined ? [] : [{ image: 0, version }],
    ...(isLoader && number !== undefined && { installed: [{ image: 0, version: number }] }),
    ...(model === undefined ? {} : { model }),
  };
}

/** An AppLoader under an address of its own states the unit's in its advertisement. */
export function identityOf(link: LinkInfo): Identification['identity'] {
  const { identity, deviceAddress } = link;
  return identity.kind === 'ble-address' && deviceAddress !== undefined
    ? { kind: 'ble-address', value: deviceAddress }
    : identity;
}

/** @returns undefined where there is nothing readable; the link's own troubles are thrown. */
function* optional<T>(talk: Talk, channel: Channel, decode: (value: Uint8Array) => T): Session<T | undefined> {
  if (!talk.link.channels.includes(channel)) return undefined;
  try {
    return decode(yield* talk.query(channel));
  } catch (error) {
    if (error instanceof MalformedFrameError) return undefined;
    if (isSecurityRefusal(error) || (error instanceof DrydockError && error.code === 'target.refused'))
      return undefined;
    throw error;
  }
}

function decodeText(value: Uint8Array): string | undefined {
  const text = strFromU8(value.subarray(0, MAX_TEXT_BYTES)).replace(/\0+$/, '').trim();
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x20 || code === 0x7f || code === 0xfffd) return undefined;
  }
  return text === '' ? undefined : text;
}
