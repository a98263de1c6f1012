/** `drydock-agent logs`: the log of the agent on this machine, filtered, and on request what is said from now on. */
import { open, stat } from 'node:fs/promises';
import { DrydockError } from '@drydock/dfu-core';
import { realClock, sleep } from '../clock.js';
import { logLines } from '../log/log-history.js';
import { describeLogLine, LEVELS, LogPicker, parseLogLine, type LevelName } from '../log/log-line.js';
import { logPath } from '../status/state-folder.js';
import { EXIT, tellError } from './console-output.js';

export interface LogsOptions {
  readonly state: string;
  readonly level?: string;
  readonly device?: string;
  readonly attempt?: string;
  readonly lines?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
}

const DEFAULT_LINES = 100;
const MAX_LINES = 100_000;
const FOLLOW_MS = 300;
const MAX_PIECE = 1024 * 1024;

export async function logs(options: LogsOptions, out: (line: string) => void = toStdout): Promise<number> {
  try {
    const level = options.level ?? 'debug';
    if (!(level in LEVELS)) refuse('--level', `one of ${Object.keys(LEVELS).join(', ')}`);
    const most = Number(options.lines ?? DEFAULT_LINES);
    if (!Number.isInteger(most) || most < 0 || most > MAX_LINES) refuse('--lines', `a number from 0 to ${MAX_LINES}`);
    const path = logPath(options.state);
    const picker = new LogPicker({
      level: LEVELS[level as LevelName],
      device: options.device,
      attempt: options.attempt,
    });
    const show = (text: string): string | undefined => {
      const line = parseLogLine(text);
      if (!line || !picker.wants(line)) return undefined;
      return options.json === true ? text : describeLogLine(line);
    };
    const from = options.follow === true ? await sizeOf(path) : undefined;
    const kept: string[] = [];
    for await (const text of logLines(path)) {
      const shown = show(text);
      if (shown === undefined) continue;
      kept.push(shown);
      if (kept.length > most * 2 + 64) kept.splice(0, kept.length - most);
    }
    for (const line of most === 0 ? [] : kept.slice(-most)) out(line);
    if (options.follow === true)
      await follow(path, from, (text) => {
        const shown = show(text);
        if (shown !== undefined) out(shown);
      });
    return EXIT.proven;
  } catch (error) {
    return tellError(error, options.json ?? false);
  }
}

function refuse(field: string, detail: string): never {
  throw new DrydockError('settings.invalid', { field, detail });
}

function toStdout(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface Place {
  readonly inode: number;
  readonly size: number;
}

async function sizeOf(path: string): Promise<Place | undefined> {
  return stat(path).then(
    ({ ino, size }) => ({ inode: ino, size }),
    () => undefined,
  );
}

/** Until a signal; a file that was set aside is left for the new one. */
async function follow(path: string, from: Place | undefined, take: (text: string) => void): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  process.stdout.once('error', () => stop.abort());
  let at = from;
  let rest = '';
  while (!stop.signal.aborted) {
    const now = await sizeOf(path);
    if (now && (now.inode !== at?.inode || now.size < at.size)) at = { inode: now.inode, size: 0 };
    if (now && at && now.size > at.size) {
      const piece = Buffer.alloc(Math.min(MAX_PIECE, now.size - at.size));
      const file = await open(path, 'r');
      const { bytesRead } = await file.read(piece, 0, piece.length, at.size).finally(() => file.close());
      at = { inode: at.inode, size: at.size + bytesRead };
      const lines = (rest + piece.subarray(0, bytesRead).toString('utf8')).split('\n');
      rest = (lines.pop() ?? '').slice(-MAX_PIECE);
      lines.forEach(take);
      if (bytesRead > 0) continue;
    }
    await sleep(realClock, FOLLOW_MS, stop.signal);
  }
}
