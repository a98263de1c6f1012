/**
 * `raw-port`: a BC127 for the vendor's own tool. Reads what runs, sends the module to DFU mode, gives the port to one
 * connection of this machine for a bounded time, takes it back, and reads what runs then: the only proof there is.
 *
 * The port is locked all the while, so that the daemon does not use it.
 */
import {
  createCsrDfu,
  DFU_LINE,
  DrydockError,
  enterCsrDfuMode,
  returnToMelody,
  type Identification,
  type LinkInfo,
  type Mended,
  type Session,
} from '@drydock/dfu-core';
import { realClock } from '../clock.js';
import { NO_FENCES } from '../driver/fences.js';
import { SessionDriver } from '../driver/session-driver.js';
import { linkOptionsOf } from '../links/link-factory.js';
import { parseLinkName } from '../links/parse-link.js';
import { bridgeRawPort } from '../links/uart/raw-bridge.js';
import { listenForTool, parseListen } from '../links/uart/tcp-tool.js';
import { linksFor, type CommonOptions } from './by-hand.js';
import { IDENTIFY_MS, OPEN_MS } from './find-unit.js';
import { EXIT, printJson, printLines, tellError } from './console-output.js';

export interface RawPortOptions extends CommonOptions {
  readonly link: string;
  /** `HOST:PORT` of this machine. */
  readonly listen: string;
  readonly minutes: string;
  /** Told where it listens. */
  readonly listening?: (port: number) => void;
}

const MAX_MINUTES = 60;
const RETURN_MS = 300_000;

const spell = ({ mode, running }: Identification): string =>
  mode === 'application' ? (running[0]?.version ?? 'unknown') : 'none (in its boot loader)';

function settingsLines(known: boolean, mended: Mended | undefined): string[] {
  if (!mended) return known ? [] : ['settings    were not shown before: nothing was put back'];
  const { lost, restored, unknown, still } = mended;
  if (lost.length === 0) return ['settings    as before'];
  const line = (what: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`settings    ${what}: ${names.join(', ')}`];
  return [
    ...line('put back', restored),
    ...line('unknown to the new firmware', unknown),
    ...line('STILL DIFFERENT', still),
  ];
}

/**
 * @returns 0 when Melody runs another version than before, 3 when the same, 1 when none runs, settings could not be put back,
 * or anything failed.
 */
export async function rawPort(options: RawPortOptions): Promise<number> {
  const json = options.json ?? false;
  const links = linksFor(options);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const parsed = parseLinkName(options.link);
    if (parsed.kind !== 'serial') throw new DrydockError('request.invalid', { detail: '--link: only serial: links' });
    const minutes = Number(options.minutes);
    if (!(minutes > 0 && minutes <= MAX_MINUTES)) {
      throw new DrydockError('request.invalid', { detail: `--minutes: more than 0, at most ${MAX_MINUTES}` });
    }
    const at = parseListen(options.listen);
    const protocol = createCsrDfu();
    const sessionOptions = linkOptionsOf(options.link);
    const perform = async <T>(session: (info: LinkInfo) => Session<T>, limitMs: number): Promise<T> => {
      const driver = new SessionDriver({
        clock: realClock,
        link: await links.link(options.link, protocol),
        fences: NO_FENCES,
      });
      try {
        return await driver.run(session, { openMs: OPEN_MS, limitMs });
      } finally {
        await driver.close();
      }
    };
    // Taken first: a module in DFU mode without anybody to come helps nobody.
    const tool = await listenForTool(at);
    let before;
    let bridge;
    try {
      before = await perform((info) => enterCsrDfuMode(info, sessionOptions), IDENTIFY_MS);
      const open = await (await links.link(options.link, protocol)).open({ line: DFU_LINE }, OPEN_MS);
      try {
        options.listening?.(tool.port);
        process.stderr.write(`The module is in DFU mode (115200 8E1); its port is at ${at.host} ${tool.port}.\n`);
        bridge = await bridgeRawPort(open, tool, { limitMs: minutes * 60_000, signal: stopping.signal });
      } finally {
        await open.close();
      }
    } finally {
      await tool.close();
    }
    const {
      identification: after,
      mended,
      trouble,
    } = await perform((info) => returnToMelody(info, sessionOptions, before.settings), RETURN_MS);
    if (json) printJson({ before: before.identification, after, ...(mended && { settings: mended }), ...bridge });
    else {
      printLines([
        `before      ${spell(before.identification)}`,
        `after       ${spell(after)}`,
        ...settingsLines(before.settings !== undefined, mended),
        `ended by    ${bridge.endedBy}`,
        `bytes       ${bridge.toDevice} to the module, ${bridge.toTool} to the tool`,
      ]);
    }
    if (trouble) throw trouble;
    if (after.mode !== 'application' || (mended && mended.still.length > 0)) return EXIT.failed;
    return spell(after) === spell(before.identification) ? EXIT.unproven : 0;
  } catch (error) {
    return tellError(error, json);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await links.close();
  }
}
