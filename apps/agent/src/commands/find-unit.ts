/** Finds out who answers on a link. */
import { DrydockError, untilFirstWord, type Identification, type Protocol } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { SessionDriver } from '../driver/session-driver.js';
import { linkOptionsOf, type LinkFactory } from '../links/link-factory.js';
import { parseLinkName } from '../links/parse-link.js';

export const OPEN_MS = 30_000;
/** A port that is not there within this was misspelt; only Bluetooth units may take their time to be seen. */
const OPEN_PORT_MS = 5_000;
export const IDENTIFY_MS = 60_000;
/**
 * Whoever is there and well says its first word within this, at 9600 baud too. Round by round of full patience a port
 * with the last of five languages would take half a minute.
 */
const FIRST_WORD_MS = 700;
/** A menu is printed at once; and those who wait behind this question are most. */
const MENU_MS = 300;
/** Then no other language helps. */
const NO_LINK: readonly string[] = ['link.not-found', 'link.open-failed', 'link.busy', 'link.ble-unavailable'];
/** What a unit of another family looks like; anything else that one protocol met is what is wrong with the unit. */
const ANOTHER_FAMILY: readonly string[] = ['link.timeout', 'link.no-such-channel', 'target.wrong-kind'];

export interface FoundUnit {
  readonly found: Identification;
  readonly protocol: Protocol;
  /** What its slots hold, where it was asked for. */
  readonly details: readonly string[];
}

/**
 * Asks the protocols, one after the other, until the unit answers one of them. On a serial port, where nothing tells who
 * listens, all are asked in a hurry before any is asked with patience.
 * @param inDetail also what its slots hold.
 * @throws DrydockError of the link, or of the only protocol; `target.wrong-kind` with what each of several met.
 */
export async function findUnit(
  links: LinkFactory,
  name: string,
  protocols: readonly Protocol[],
  inDetail = false,
): Promise<FoundUnit> {
  const isOpenQuestion = protocols.length > 1 && parseLinkName(name).kind === 'serial';
  const failures = new Map<string, DrydockError>();
  for (const isHurried of isOpenQuestion ? [true, false] : [false]) {
    for (const protocol of protocols) {
      try {
        return await ask(links, name, protocol, { isHurried, inDetail });
      } catch (error) {
        if (!(error instanceof DrydockError) || protocols.length === 1 || NO_LINK.includes(error.code)) throw error;
        failures.set(protocol.name, error);
      }
    }
  }
  const telling = [...failures.values()].filter(({ code }) => !ANOTHER_FAMILY.includes(code));
  if (telling.length === 1) throw telling[0]!;
  throw new DrydockError('target.wrong-kind', {
    expected: `unit that speaks ${protocols.map((protocol) => protocol.name).join(', ')}`,
    detail: [...failures].map(([protocol, { message }]) => `${protocol}: ${message.replace(/\.$/, '')}`).join('; '),
  });
}

async function ask(
  links: LinkFactory,
  name: string,
  protocol: Protocol,
  { isHurried, inDetail }: { isHurried: boolean; inDetail: boolean },
): Promise<FoundUnit> {
  const options = linkOptionsOf(name);
  const openMs = parseLinkName(name).kind === 'ble' ? OPEN_MS : OPEN_PORT_MS;
  const times = { openMs, limitMs: IDENTIFY_MS };
  const driver = new SessionDriver({ clock: realClock, link: await links.link(name, protocol), fences: NO_FENCES });
  try {
    const found = await driver.run((info) => {
      const session = protocol.identify(info, options);
      return isHurried ? untilFirstWord(session, protocol.name === 'gecko-xmodem' ? MENU_MS : FIRST_WORD_MS) : session;
    }, times);
    const { details } = protocol;
    const lines = inDetail && details ? await driver.run((info) => details(info, options), times) : [];
    return { found, protocol, details: lines };
  } finally {
    await driver.close();
  }
}
