/**
 * Who answers, and what it says about itself. Nothing is changed on the target.
 *
 * Application and bootloader offer the same service; the revision characteristic tells them apart. Bootloaders of SDK 6.1
 * and older have none: then any other service is the sign of an application, and the name one of a bootloader.
 *
 * Sources: nRF5 SDK 11, ble_dfu.c; IOS-DFU-Library, LegacyDFUService.swift (targets without revision); Bluetooth SIG,
 * Device Information Service 1.1.
 */
import { strFromU8 } from 'fflate';
import { DrydockError, isSecurityRefusal, MalformedFrameError, TargetRefusedError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import type { Channel, LinkInfo, Session } from '../../session/session.js';
import { decodeRevision } from './codec.js';
import type { LinkTalk } from '../../session/link-talk.js';
import {
  APPLICATION_REVISION,
  CONTROL_POINT,
  DFU_REVISION,
  FIRMWARE_REVISION,
  FIRST_BOOTLOADER_REVISION,
  LEGACY_DFU_SERVICE,
  MODEL_NUMBER,
  PACKET,
  SERIAL_NUMBER,
} from './messages.js';

export const PROTOCOL_NAME = 'legacy-dfu';
/** What stock bootloaders call themselves; Adafruit's can be changed when it is built. */
export const ADAFRUIT_NAME = 'AdaDFU';
const BOOTLOADER_NAMES = ['DfuTarg', ADAFRUIT_NAME];
const MAX_TEXT_BYTES = 248;
/** Characteristics of the generic services (2a00 to 2a06 but for alerts), which everything has. */
const GENERIC: readonly Channel[] = ['2a00', '2a01', '2a02', '2a03', '2a04', '2a05'];
const OWN: readonly Channel[] = [CONTROL_POINT, PACKET, DFU_REVISION, `00001533${LEGACY_DFU_SERVICE.slice(8)}`];

/** What a look at the unit told, before it is asked anything that takes long. */
export interface Look {
  readonly mode: 'application' | 'bootloader';
  /** Of the DFU service; undefined where it has none. */
  readonly revision: number | undefined;
}

export const hasLegacyDfu = (link: LinkInfo): boolean =>
  link.channels.includes(CONTROL_POINT) && link.channels.includes(PACKET);

/** Reads the revision, and from it and the services who answers. A unit without the service is an application. */
export function* look(talk: LinkTalk): Session<Look> {
  const { link } = talk;
  if (!hasLegacyDfu(link)) return { mode: 'application', revision: undefined };
  const revision = link.channels.includes(DFU_REVISION) ? yield* readRevision(talk) : undefined;
  if (revision === APPLICATION_REVISION) return { mode: 'application', revision };
  if (revision !== undefined && revision >= FIRST_BOOTLOADER_REVISION) return { mode: 'bootloader', revision };
  if (link.name !== undefined && BOOTLOADER_NAMES.includes(link.name)) return { mode: 'bootloader', revision };
  const others = link.channels.some((channel) => !GENERIC.includes(channel) && !OWN.includes(channel));
  return { mode: others ? 'application' : 'bootloader', revision };
}

function* readRevision(talk: LinkTalk): Session<number | undefined> {
  try {
    return decodeRevision(yield* talk.query(DFU_REVISION));
  } catch (error) {
    if (error instanceof MalformedFrameError || error instanceof TargetRefusedError) return undefined;
    throw error;
  }
}

/**
 * @param options of the link's spelling: what people know of the unit and it cannot say (`deviceType`, `deviceRevision`,
 * `softDevice`).
 * @throws DrydockError `target.wrong-kind` when the unit shows no sign of this protocol, unless `anyApplication` (after an
 * update the new application may lack it).
 */
export function* identify(
  talk: LinkTalk,
  options: Readonly<Record<string, string>>,
  anyApplication = false,
): Session<Identification> {
  const { link } = talk;
  const stated = statedHardware(options);
  if (!hasLegacyDfu(link) && !anyApplication) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'Nordic Legacy DFU target',
      detail: 'it does not offer the service 00001530-1212-EFDE-1523-785FEABCD123',
    });
  }
  const { mode, revision } = yield* look(talk);
  const dfu: Record<string, string | number> = hasLegacyDfu(link) ? { dfuRevision: revision ?? 'none' } : {};
  if (mode === 'bootloader') {
    return {
      protocol: PROTOCOL_NAME,
      mode,
      identity: link.identity,
      hardware: { ...stated, ...dfu },
      running: [],
    };
  }
  const version = yield* readText(talk, FIRMWARE_REVISION);
  const model = yield* readText(talk, MODEL_NUMBER);
  const serialNumber = yield* readText(talk, SERIAL_NUMBER);
  return {
    protocol: PROTOCOL_NAME,
    mode,
    identity: link.identity,
    hardware: { ...stated, ...dfu, ...(serialNumber === undefined ? {} : { serialNumber }) },
    running: version === undefined ? [] : [{ image: 0, version }],
    ...(model === undefined ? {} : { model }),
  };
}

/**
 * Facts that no legacy bootloader tells: `deviceType=82`, `deviceRevision=52840`, `softDevice=0x0064`.
 * @throws DrydockError `request.invalid` when they are no 16-bit numbers.
 */
export function statedHardware(options: Readonly<Record<string, string>>): Record<string, string | number> {
  const stated: Record<string, string | number> = {};
  for (const name of ['deviceType', 'deviceRevision', 'softDevice'] as const) {
    const text = options[name];
    if (text === undefined) continue;
    const value = /^(?:0x[0-9a-f]{1,4}|\d{1,5})$/i.test(text) ? Number(text) : Number.NaN;
    if (!(value <= 0xffff)) {
      throw new DrydockError('request.invalid', { detail: `${name}=${text} is no number up to 65535` });
    }
    stated[name] = name === 'softDevice' ? `0x${value.toString(16).padStart(4, '0')}` : value;
  }
  return stated;
}

/** @returns undefined where there is nothing readable; the link's own troubles are thrown. */
function* readText(talk: LinkTalk, channel: Channel): Session<string | undefined> {
  if (!talk.link.channels.includes(channel)) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = yield* talk.query(channel);
  } catch (error) {
    // A characteristic behind encryption, or a refused read, is one that cannot be read.
    if (error instanceof TargetRefusedError || isSecurityRefusal(error)) return undefined;
    throw error;
  }
  const text = strFromU8(bytes.subarray(0, MAX_TEXT_BYTES)).replace(/\0+$/, '').trim();
  const printable = [...text].every((character) => {
    const code = character.codePointAt(0)!;
    return code >= 0x20 && code !== 0x7f && code !== 0xfffd;
  });
  return text === '' || !printable ? undefined : text;
}
