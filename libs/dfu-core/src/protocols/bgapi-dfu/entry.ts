/**
 * Into the bootloader, and out of it. No reset is ever answered: what starts afterwards says so by an event, or is asked.
 *
 * Source: gecko_sdk 4.4.1, uart_dfu.c, sl_bt_api.h (system_reset, user_reset_to_dfu), btl_comm_bgapi_common.c; Blue
 * Gecko SDK 2.x uart_dfu host (repeats, dfu_boot_failure).
 */
import { DrydockError, MalformedFrameError } from '../../errors.js';
import type { Session } from '../../session/session.js';
import { decodeDfuBoot, encodeReset } from './codec.js';
import { findApplication, findBootloader, versionOfBoot } from './identify.js';
import { type ApplicationVersion, type MessageName, ResetMode } from './messages.js';
import { type BgapiPort, isNamed } from './port.js';

/** From reset to the first event; hosts of the vendor wait 10 s altogether. */
const BOOT_MS = 4_000;
/** dfu_boot follows a failure at once, but for the oldest bootloader. */
const AFTER_FAILURE_MS = 1_500;
const APPLICATION_BOOT_MS = 5_000;
/** A bootloader that speaks another language says nothing that could be waited for. */
const SILENT_BOOT_MS = 1_500;
const HELLO_MS = 1_000;

export interface Loader {
  /** As dfu_boot told it; undefined when the event was missed. */
  readonly version: number | undefined;
}

type Booted = { readonly side: 'bootloader'; readonly version: number | undefined } | { readonly side: 'application' };

/** What an application is asked to reset with, in the order of trying. */
function entries(port: BgapiPort): readonly MessageName[] {
  const { userResetToDfu, systemReset, dfuReset } = port.dialect;
  // Where it is unknown, the user message does nothing; a system reset always costs the running application.
  if (port.options.generation === 'bt12x') return [dfuReset, dfuReset, systemReset];
  return [...(userResetToDfu ? [userResetToDfu] : []), systemReset, dfuReset];
}

/**
 * From the running application.
 * @param loaderIs `silent`: one that does not speak BGAPI; then what answers hello no longer has gone there.
 * @throws DrydockError `target.refused` when it does not go.
 */
export function* enterFromApplication(port: BgapiPort, loaderIs: 'heard' | 'silent' = 'heard'): Session<Loader> {
  for (const name of entries(port)) {
    yield* port.speakTo('application');
    yield* port.drain();
    if (name === port.dialect.userResetToDfu) yield* port.send(name);
    else yield* port.sendBytes(encodeReset(port.dialect, name, ResetMode.Dfu));
    if (loaderIs === 'silent') {
      yield* port.talk.sleep(SILENT_BOOT_MS);
      if (!(yield* port.ask(port.dialect.hello, HELLO_MS, 2))) return { version: undefined };
      continue;
    }
    const loader = yield* awaitLoader(port);
    if (loader) return loader;
  }
  throw new DrydockError('target.refused', {
    request: 'enter bootloader',
    result: 'none',
    detail:
      'its application starts again or says nothing: a Series 2 NCP needs the bootloader interface for ' +
      'user_reset_to_dfu, and the bootloader must be one for BGAPI UART DFU at the speed of bootbaud',
  });
}

/**
 * A bootloader reads one file per start: it is started anew. Each form of reset is understood by some generations and
 * ignored by the others.
 * @returns undefined when no bootloader is there.
 */
export function* restartLoader(port: BgapiPort): Session<Loader | undefined> {
  const { systemReset, dfuReset, deviceType } = port.dialect;
  const forms = deviceType === 0 ? [dfuReset] : [systemReset, dfuReset];
  for (const name of forms) {
    yield* port.speakTo('bootloader');
    yield* port.drain();
    yield* port.sendBytes(encodeReset(port.dialect, name, ResetMode.Dfu));
    const booted = yield* awaitBoot(port, BOOT_MS);
    if (booted?.side === 'bootloader') return booted;
    if (booted) return undefined;
  }
  // The oldest may only answer; what it has parsed so far is then not known to be nothing.
  return (yield* findBootloader(port, 1)) ? { version: undefined } : undefined;
}

/** After a request to go: the event that a bootloader starts with, or at least its answer. */
function* awaitLoader(port: BgapiPort): Session<Loader | undefined> {
  yield* port.speakTo('bootloader');
  const booted = yield* awaitBoot(port, BOOT_MS);
  if (booted?.side === 'bootloader') return booted;
  if (booted) return undefined;
  // The event may have been lost, or been sent before the speed was changed.
  if (!(yield* findBootloader(port, 1))) return undefined;
  return (yield* restartLoader(port)) ?? { version: undefined };
}

function* awaitBoot(port: BgapiPort, withinMs: number): Session<Booted | undefined> {
  const { dfuBoot, dfuBootFailure, systemBoot, dfuReset } = port.dialect;
  const names = [dfuBoot, systemBoot, ...(dfuBootFailure ? [dfuBootFailure] : [])];
  let packet = yield* port.next(names, withinMs);
  if (packet && dfuBootFailure && isNamed(packet, dfuBootFailure)) {
    packet = yield* port.next([dfuBoot], AFTER_FAILURE_MS);
    if (!packet) {
      // The oldest bootloader says so instead of dfu_boot, and waits to be asked.
      yield* port.sendBytes(encodeReset(port.dialect, dfuReset, ResetMode.Dfu));
      packet = yield* port.next([dfuBoot], withinMs);
      if (!packet) return { side: 'bootloader', version: undefined };
    }
  }
  if (!packet) return undefined;
  if (isNamed(packet, systemBoot)) return { side: 'application' };
  try {
    return { side: 'bootloader', version: decodeDfuBoot(packet.payload) };
  } catch (error) {
    if (error instanceof MalformedFrameError) return { side: 'bootloader', version: undefined };
    throw error;
  }
}

/** What was seen after the bootloader was told to start the application. */
export interface Started {
  readonly side: 'application' | 'bootloader' | 'nobody';
  /** From the application's own boot event. */
  readonly version?: ApplicationVersion;
}

/** Tells the bootloader to start what it has. */
export function* startApplication(port: BgapiPort, loaderVersion: number | undefined): Session<Started> {
  const { systemReset, dfuReset, systemBoot, dfuBoot } = port.dialect;
  const onlyOld = port.options.generation !== 'efr32';
  const isOld = onlyOld || (loaderVersion !== undefined && loaderVersion >>> 24 <= 1);
  const forms = onlyOld ? [dfuReset, dfuReset] : isOld ? [dfuReset, systemReset] : [systemReset, dfuReset];
  for (const name of forms) {
    yield* port.speakTo('bootloader');
    yield* port.drain();
    yield* port.sendBytes(encodeReset(port.dialect, name, ResetMode.Application));
    yield* port.speakTo('application');
    const packet = yield* port.next([systemBoot, dfuBoot], APPLICATION_BOOT_MS);
    if (packet && isNamed(packet, systemBoot)) {
      const version = versionOfBoot(port, packet);
      return { side: 'application', ...(version && { version }) };
    }
    if (packet) return { side: 'bootloader' };
    // Stacks that are started on demand say nothing by themselves.
    if (yield* findApplication(port, 2)) return { side: 'application' };
  }
  return { side: (yield* findBootloader(port, 1)) ? 'bootloader' : 'nobody' };
}
