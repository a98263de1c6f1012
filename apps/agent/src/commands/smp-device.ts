/** Asks one device one thing, and tells what it answered. */
import { DrydockError, smp, smpCommand, type SmpCommand } from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { SessionDriver } from '../driver/session-driver.js';
import { linkOptionsOf } from '../links/link-factory.js';
import { linksFor } from './by-hand.js';
import { OPEN_MS } from './find-unit.js';
import { printJson, printLines, tellError } from './console-output.js';
import type { DeviceCommandOptions } from './smp-words.js';

/** Erasing a slot is the longest of all. */
const COMMAND_MS = 120_000;

/** @param command a request, or what is wrong with it. @returns the exit status. */
export async function tellDevice(command: SmpCommand | string, options: DeviceCommandOptions): Promise<number> {
  const json = options.json ?? false;
  const links = linksFor(options);
  let driver: SessionDriver | undefined;
  try {
    if (typeof command === 'string') throw new DrydockError('request.invalid', { detail: command });
    driver = new SessionDriver({ clock: realClock, link: await links.link(options.link, smp), fences: NO_FENCES });
    const answer = await driver.run((info) => smpCommand(info, linkOptionsOf(options.link), command), {
      openMs: OPEN_MS,
      limitMs: COMMAND_MS,
    });
    if (json) printJson(answer);
    else printLines(Object.keys(answer).length === 0 ? ['done'] : JSON.stringify(answer, undefined, 2).split('\n'));
    return 0;
  } catch (error) {
    return tellError(error, json);
  } finally {
    await driver?.close();
    await links.close();
  }
}
