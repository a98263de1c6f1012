/**
 * Who answers. A bootloader prints its menu at a line end. An application can only be asked where it is known to speak
 * BGAPI (`application=bgapi`); all others say nothing that could be told here.
 */
import { LinkError } from '../../errors.js';
import type { Identification } from '../../session/protocol.js';
import type { Session } from '../../session/session.js';
import { findApplication } from '../bgapi-dfu/identify.js';
import { BgapiPort, readPortOptions } from '../bgapi-dfu/port.js';
import type { Talk } from '../silabs/talk.js';
import { noMenu } from './errors.js';
import type { Menu } from './messages.js';
import { Terminal } from './terminal.js';

export const PROTOCOL_NAME = 'gecko-xmodem';
const TRIES = 3;

/** What the link's spelling says: the application's own language, if it is one that is spoken here. */
export interface Way {
  readonly talk: Talk;
  readonly terminal: Terminal;
  /** The application's UART; undefined where it cannot be asked. */
  readonly application: BgapiPort | undefined;
  readonly baud: number;
  /** Speaks to the bootloader, at its speed. */
  toBootloader(): Session<void>;
}

/** @throws DrydockError `request.invalid` for an option that is none. */
export function openWay(talk: Talk, options: Readonly<Record<string, string>>): Way {
  const { application, ...rest } = options;
  const port = new BgapiPort(talk, readPortOptions(rest));
  const { applicationLine, bootloaderLine } = port.options;
  return {
    talk,
    terminal: new Terminal(talk),
    application: application === 'bgapi' ? port : undefined,
    baud: bootloaderLine.baud,
    toBootloader: () => talk.setLine(bootloaderLine, applicationLine),
  };
}

/** @throws LinkError `link.timeout` when nobody answers. */
export function* identify(way: Way, tries = TRIES): Session<Identification> {
  // Asked first: bytes for a menu are none of its commands, and it does not mind the other order.
  const application = way.application && (yield* findApplication(way.application, tries));
  if (application) return { ...application, protocol: PROTOCOL_NAME };
  yield* way.toBootloader();
  const menu = yield* way.terminal.menu(tries);
  if (!menu) throw new LinkError('link.timeout', { withinMs: tries * 1500, detail: noMenu(way.baud) });
  return bootloaderFacts(way, menu);
}

export function bootloaderFacts({ talk }: Way, menu: Menu): Identification {
  return {
    protocol: PROTOCOL_NAME,
    mode: 'bootloader',
    identity: talk.link.identity,
    hardware: { bootloader: menu.family, bootloaderVersion: menu.version },
    running: [],
  };
}

/** An application of which nothing is known but that the bootloader started it. */
export function silentApplication({ talk }: Way): Identification {
  return { protocol: PROTOCOL_NAME, mode: 'application', identity: talk.link.identity, hardware: {}, running: [] };
}
