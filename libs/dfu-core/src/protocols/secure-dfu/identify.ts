/**
 * Who answers, and what it says about itself. Nothing is changed on the target.
 *
 * An application is asked through its Device Information Service; over BLE most bootloaders answer neither hardware nor
 * firmware version (reduced protocol), those that do are believed for people's eyes.
 *
 * Sources: Bluetooth SIG, Device Information Service 1.1; nRF5 SDK 17, nrf_dfu_req_handler.c (NRF_DFU_PROTOCOL_REDUCED).
 */
import { strFromU8 } from 'fflate';
import { DrydockError, TargetRefusedError } from '../../errors.js';
import type { Identification, RunningImage } from '../../session/protocol.js';
import type { Channel, Identity, LinkInfo, Session } from '../../session/session.js';
import { applicationAddress, bootloaderAddress } from './addresses.js';
import type { Conversation } from './conversation.js';
import {
  BUTTONLESS_EXPERIMENTAL,
  BUTTONLESS_WITH_BONDS,
  BUTTONLESS_WITHOUT_BONDS,
  CONTROL_POINT,
  FIRMWARE_REVISION,
  InstalledType,
  MODEL_NUMBER,
  Opcode,
  PACKET,
  SERIAL_NUMBER,
} from './messages.js';

export const PROTOCOL_NAME = 'secure-dfu';
const MAX_TEXT_BYTES = 248;
/** Bootloader, SoftDevice, application; more would be noise. */
const MAX_INSTALLED = 4;

/** How an application enters its bootloader, as `hardware.buttonless` names it. */
const BUTTONLESS = [
  [BUTTONLESS_WITHOUT_BONDS, 'without-bonds'],
  [BUTTONLESS_WITH_BONDS, 'with-bonds'],
  [BUTTONLESS_EXPERIMENTAL, 'experimental'],
] as const;

/** A bootloader is what offers control point and packet; whatever else answers under the name is an application. */
export function modeOf(link: LinkInfo): 'application' | 'bootloader' {
  return link.channels.includes(CONTROL_POINT) && link.channels.includes(PACKET) ? 'bootloader' : 'application';
}

/**
 * @throws DrydockError `target.wrong-kind` when the unit shows no sign of this protocol, unless `anyApplication` (after an
 * update the new application may lack it).
 */
export function* identify(talk: Conversation, anyApplication = false): Session<Identification> {
  if (modeOf(talk.link) === 'bootloader') return yield* identifyBootloader(talk);
  const { channels, identity } = talk.link;
  const buttonless = BUTTONLESS.find(([channel]) => channels.includes(channel))?.[1];
  if (!buttonless && !anyApplication) {
    throw new DrydockError('target.wrong-kind', {
      expected: 'Nordic Secure DFU target',
      detail: 'it offers neither the buttonless service nor a bootloader',
    });
  }
  const version = yield* readText(talk, FIRMWARE_REVISION);
  const model = yield* readText(talk, MODEL_NUMBER);
  const serialNumber = yield* readText(talk, SERIAL_NUMBER);
  return {
    protocol: PROTOCOL_NAME,
    mode: 'application',
    identity,
    hardware: { ...(buttonless && { buttonless }), ...(serialNumber === undefined ? {} : { serialNumber }) },
    running: version === undefined ? [] : [{ image: 0, version }],
    ...(model === undefined ? {} : { model }),
  };
}

function* identifyBootloader(talk: Conversation): Session<Identification> {
  yield* talk.subscribe(CONTROL_POINT);
  const hardware: Record<string, string | number> = {};
  const installed: RunningImage[] = [];
  const answer = yield* talk.request({ opcode: Opcode.HardwareVersion });
  if (!('refused' in answer)) {
    Object.assign(hardware, { part: answer.part, variant: answer.variant });
    for (let image = 0; image < MAX_INSTALLED; image++) {
      const found = yield* talk.request({ opcode: Opcode.FirmwareVersion, image });
      if ('refused' in found || found.type === InstalledType.None) break;
      if (found.type === InstalledType.Application) installed.push({ image: 0, version: String(found.version) });
      if (found.type === InstalledType.Bootloader) hardware['bootloaderVersion'] = found.version;
    }
  }
  return {
    protocol: PROTOCOL_NAME,
    mode: 'bootloader',
    identity: talk.link.identity,
    hardware,
    running: [],
    ...(installed.length > 0 && { installed }),
  };
}

/** @returns undefined where there is nothing readable; the link's own troubles are thrown. */
function* readText(talk: Conversation, channel: Channel): Session<string | undefined> {
  if (!talk.link.channels.includes(channel)) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = yield* talk.query(channel);
  } catch (error) {
    // A characteristic behind encryption, or a refused read, is one that cannot be read.
    if (error instanceof TargetRefusedError || (error instanceof DrydockError && error.code === 'link.auth-required')) {
      return undefined;
    }
    throw error;
  }
  const text = strFromU8(bytes.subarray(0, MAX_TEXT_BYTES)).replace(/\0+$/, '').trim();
  return text === '' || hasUnprintable(text) ? undefined : text;
}

/**
 * Whether the unit is the expected one. A bootloader may answer under the application's address or the one after it.
 * @returns undefined when it is, else what was found instead.
 */
export function otherUnit(found: Identification, expected: Identity): string | undefined {
  if (expected.kind === 'serial-number' && found.mode === 'application') {
    const serial = found.hardware['serialNumber'];
    return serial === expected.value ? undefined : `serial number ${String(serial ?? 'not readable')}`;
  }
  const allowed = found.mode === 'bootloader' ? [expected.value, bootloaderAddress(expected.value)] : [expected.value];
  return found.identity.kind === expected.kind && allowed.includes(found.identity.value)
    ? undefined
    : `${found.identity.kind} ${found.identity.value}`;
}

/** Addresses under which the application of a unit may answer, the likeliest first. */
export function applicationAddresses(found: Identification, expected: Identity | undefined): readonly string[] {
  if (expected?.kind === 'ble-address') return [expected.value];
  const { value } = found.identity;
  return found.mode === 'application' ? [value] : [applicationAddress(value), value];
}

function hasUnprintable(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x20 || code === 0x7f || code === 0xfffd) return true;
  }
  return false;
}
