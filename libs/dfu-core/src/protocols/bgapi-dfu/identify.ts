/**
 * Who answers on the UART, and what it says about itself. Nothing is changed on the target.
 *
 * An application answers hello; a bootloader never does, and answers "set address", which changes nothing in any of
 * them (the oldest stays in DFU mode longer for it).
 *
 * Source: gecko_sdk 4.4.1, sl_bt_api.h (system class), btl_comm_bgapi_common.c; jrowberg/bglib.
 */
import { LinkError, MalformedFrameError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import type { Session } from '../../session/session.js';
import { spellBootloaderVersion } from '../silabs/versions.js';
import { decodeAddress, decodeVersion, encodeSetAddress, spellVersion } from './codec.js';
import { silence } from './errors.js';
import { type ApplicationVersion, DeviceType, type Packet } from './messages.js';
import type { BgapiPort } from './port.js';

export const PROTOCOL_NAME = 'bgapi-dfu';

const ANSWER_MS = 1_000;
const TRIES = 3;
/** A bootloader that holds half a packet forgets it after 3 s. */
const PROBE_MS = 1_500;
/** Whoever is there and well answers four bytes within this, at 9600 baud too. */
const SOON_MS = 300;

/** @returns what the application says; undefined when none answers. The port then speaks to it. */
export function* findApplication(
  port: BgapiPort,
  tries = TRIES,
  withinMs = ANSWER_MS,
): Session<Identification | undefined> {
  yield* port.speakTo('application');
  const hello = yield* port.ask(port.dialect.hello, withinMs, tries);
  if (!hello) return undefined;
  const version = yield* readVersion(port);
  const address = yield* readAddress(port);
  const { bootloader } = version ?? {};
  return {
    protocol: PROTOCOL_NAME,
    mode: 'application',
    identity: port.talk.link.identity,
    hardware: {
      generation: port.options.generation,
      ...(bootloader === undefined ? {} : { bootloaderVersion: spellBootloaderVersion(bootloader) }),
      ...(address === undefined ? {} : { address }),
    },
    running: version ? [{ image: 0, version: spellVersion(version) }] : [],
  };
}

/** @returns true when a bootloader answers. The port then speaks to it. */
export function* findBootloader(port: BgapiPort, tries = TRIES, withinMs = PROBE_MS): Session<boolean> {
  yield* port.speakTo('bootloader');
  const { setAddress, dfuBoot } = port.dialect;
  for (let attempt = 0; attempt < tries; attempt++) {
    yield* port.sendBytes(encodeSetAddress(port.dialect));
    if (yield* port.next([setAddress, dfuBoot], withinMs)) return true;
  }
  return false;
}

const PATIENT = { tries: TRIES, answerMs: ANSWER_MS, probeMs: PROBE_MS };
const HURRIED_THEN_PATIENT = [{ tries: 1, answerMs: SOON_MS, probeMs: SOON_MS }, PATIENT];

/** @throws LinkError `link.timeout` when neither answers. */
export function* identify(port: BgapiPort): Session<Identification> {
  // Bytes of a bootloader inside other framing would put an application out of step: then only with patience.
  const isHurried = port.options.framing === 'plain' && port.options.bootloaderFraming === 'plain';
  for (const each of isHurried ? HURRIED_THEN_PATIENT : [PATIENT]) {
    const application = yield* findApplication(port, each.tries, each.answerMs);
    if (application) return application;
    if (yield* findBootloader(port, each.tries, each.probeMs)) return bootloaderFacts(port);
  }
  const { applicationLine } = port.options;
  throw new LinkError('link.timeout', { withinMs: TRIES * ANSWER_MS, detail: silence(applicationLine.baud) });
}

export function bootloaderFacts(port: BgapiPort, version?: number): Identification {
  const isGecko = port.options.generation === 'efr32' && version !== undefined;
  return {
    protocol: PROTOCOL_NAME,
    mode: 'bootloader',
    identity: port.talk.link.identity,
    hardware: {
      generation: port.options.generation,
      ...(isGecko ? { bootloaderVersion: spellBootloaderVersion(version) } : {}),
    },
    running: [],
  };
}

function* readVersion(port: BgapiPort): Session<ApplicationVersion | undefined> {
  const { version, deviceType } = port.dialect;
  const answer = version && (yield* port.ask(version, ANSWER_MS, 2));
  return answer && readable(() => decodeVersion(answer.payload, 'response', deviceType === DeviceType.Bluetooth));
}

function* readAddress(port: BgapiPort): Session<string | undefined> {
  const { address, deviceType } = port.dialect;
  const answer = address && (yield* port.ask(address, ANSWER_MS, 2));
  return answer && readable(() => decodeAddress(answer.payload, deviceType === DeviceType.Bluetooth));
}

/** What an application said of itself when it started. */
export function versionOfBoot(port: BgapiPort, event: Packet): ApplicationVersion | undefined {
  const isEfr32 = port.options.generation === 'efr32';
  return readable(() => decodeVersion(event.payload, 'event', isEfr32));
}

/** An answer that cannot be read is none: other stacks may spell it otherwise. */
function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedFrameError) return undefined;
    throw error;
  }
}
