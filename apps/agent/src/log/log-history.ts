/** What happened lately: the newest lines from info upwards, kept in memory for `status`, and found again in the log file. */
import { open, readFile } from 'node:fs/promises';
import { LEVELS, parseLogLine, type LogLine } from './log-line.js';

const MAX_LINES = 200;
const MAX_ERRORS = 20;
/** Looked at when the agent starts: enough for what is shown, little enough to cost no time. */
const TAIL_BYTES = 64 * 1024;

export class LogHistory {
  readonly #lines: LogLine[] = [];
  readonly #errors: LogLine[] = [];
  readonly #last = new Map<string, LogLine>();

  /** @param watched messages whose newest line is kept, however much is said after it. */
  constructor(private readonly watched: ReadonlySet<string> = new Set()) {}

  take(line: LogLine): void {
    if (line.level < LEVELS.info) return;
    push(this.#lines, line, MAX_LINES);
    if (line.level >= LEVELS.warn) push(this.#errors, line, MAX_ERRORS);
    if (this.watched.has(line.msg)) this.#last.set(line.msg, line);
  }

  takeText(text: string): void {
    const line = parseLogLine(text.trimEnd());
    if (line) this.take(line);
  }

  /** Newest last. */
  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** Warnings and errors, newest last. */
  get errors(): readonly LogLine[] {
    return this.#errors;
  }

  last(message: string): LogLine | undefined {
    return this.#last.get(message);
  }
}

/** Lines of the log file and of those set aside before it, oldest first. */
export async function* logLines(path: string): AsyncGenerator<string> {
  const files: string[] = [];
  for (let number = 16; number >= 0; number -= 1) files.push(number === 0 ? path : `${path}.${number}`);
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    for (const line of text.split('\n')) if (line !== '') yield line;
  }
}

/** What an earlier life of the agent left at the end of its log; nothing where it cannot be read. */
export async function recallHistory(path: string, history: LogHistory): Promise<void> {
  const newest = await tailOf(path);
  const older = newest.length < TAIL_BYTES ? await tailOf(`${path}.1`) : '';
  for (const text of [older, newest]) for (const line of text.split('\n')) history.takeText(line);
}

async function tailOf(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const piece = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const { bytesRead } = await file.read(piece, 0, piece.length, size - piece.length);
    return piece.subarray(0, bytesRead).toString('utf8');
  } catch {
    return '';
  } finally {
    await file.close();
  }
}

function push<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.splice(0, list.length - most);
}
