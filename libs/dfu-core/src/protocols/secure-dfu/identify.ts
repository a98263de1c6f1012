/**
 * Who answers, and what it says about itself. Nothing is changed on the target.
 *
 * An application is asked through its Device Information Service; over BLE most bootloaders answer neither hardware nor
 * firmware version (reduced protocol), those that do are believed for people's eyes.
 *
 * Sources: Bluetooth SIG, Device Information Service 1.1; nRF5 SDK 17, nrf_dfu_req_handler.c (NRF_DFU_PROTOCOL_REDUCED).
 */
import { strFromU8 } from 'fflate';
import { DrydockError, isSecurityRefusal, TargetRefusedError } from '../../errors.js';
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
/** A device that was just switched on answers within this; pings are cheap. */
const PING_PATIENCE_MS = 4_000;
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
  // On a serial line only bootloaders speak this protocol.
  if (link.kind === 'serial') return 'bootloader';
  return link.channels.includes(CONTROL_POINT) && link.channels.includes(PACKET) ? 'bootloader' : 'application';
}

/**
 * @throws DrydockError `target.wrong-kind` when the unit shows no sign of this protocol, unless `anyApplication` (after an
 * update the new application may lack it).
 */
export function* identify(
  talk: Conversation,
  options: Readonly<Record<string, string>>,
  anyApplication = false,
): Session<Identification> {
  const stated = statedHardware(options);
  if (modeOf(talk.link) === 'bootloader') return yield* identifyBootloader(talk, stated);
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
    hardware: { ...stated, ...(buttonless && { buttonless }), ...(serialNumber === undefined ? {} : { serialNumber }) },
    running: version === undefined ? [] : [{ image: 0, version }],
    ...(model === undefined ? {} : { model }),
  };
}

/**
 * What people know of a unit and it cannot say: `hwVersion=52` and `softDevice=0x0101` in the spelling of its link.
 * @throws DrydockError `request.invalid` when they are no numbers.
 */
function statedHardware(options: Readonly<Record<string, string>>): Record<string, string | number> {
  const stated: Record<string, string | number> = {};
  const number = (name: string, highest: number): number | undefined => {
    const text = options[name];
    if (text === undefined) return undefined;
    const value = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : Number.NaN;
    if (!(value <= highest)) {
      throw new DrydockError('request.invalid', { detail: `${name}=${text} is no number up to ${highest}` });
    }
    return value;
  };
  const hwVersion = number('hwVersion', 0xffffffff);
  const softDevice = number('softDevice', 0xffff);
  if (hwVersion !== undefined) stated['hwVersion'] = hwVersion;
  if (softDevice !== undefined) stated['softDevice'] = `0x${softDevice.toString(16).padStart(4, '0')}`;
  return stated;
}

function* identifyBootloader(
  talk: Conversation,
  stated: Readonly<Record<string, string | number>>,
): Session<Identification> {
  yield* talk.openControl(PING_PATIENCE_MS);
  const hardware: Record<string, string | number> = { ...stated };
  const installed: RunningImage[] = [];
  const answer = yield* talk.request({ opcode: Opcode.HardwareVersion });
  if (!('refused' in answer)) {
    Object.assign(hardware, { part: answer.part, variant: answer.variant, romBytes: answer.romBytes });
    for (let image = 0; image < MAX_INSTALLED; image++) {
      const found = yield* talk.request({ opcode: Opcode.FirmwareVersion, image });
      if ('refused' in found || found.type === InstalledType.None) break;
      if (found.type === InstalledType.Application) installed.push({ image: 0, version: String(found.version) });
      if (found.type === InstalledType.Bootloader) {
        installed.push({ image: 2, version: String(found.version) });
        hardware['bootloaderVersion'] = found.version;
      }
      if (found.type === InstalledType.Softdevice) {
        // Its version names no family, so which FWID it has cannot be told.
        installed.push({ image: 1, version: String(found.version) });
      }
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
    if (error instanceof TargetRefusedError || isSecurityRefusal(error)) return undefined;
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
