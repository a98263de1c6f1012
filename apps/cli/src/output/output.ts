/**
 * Answers go to stdout, talk to stderr. A terminal gets colour and a pager; a pipe gets neither, nor any control character.
 */
import { spawn } from 'node:child_process';
import { cleanDeep } from './clean.js';
import { Times } from './format.js';
import { TableWriter, chooseColumns, type Column } from './table.js';
import type { CliError } from '../errors/cli-error.js';

export const JSON_SCHEMA = 'drydock.cli/v1';

export interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export interface OutputOptions {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  /** False: never. Undefined: in a terminal. */
  readonly color: boolean | undefined;
  readonly timeZone: string | undefined;
  readonly pager: string | undefined;
  readonly now: () => number;
}

const CODES = { red: 31, green: 32, yellow: 33, blue: 34, cyan: 36, dim: 2, bold: 1 } as const;
export type Ink = keyof typeof CODES;

export class Output {
  readonly times: Times;
  readonly #held: string[] = [];
  #heldLines = 0;
  #broken = false;

  constructor(readonly options: OutputOptions) {
    this.times = new Times(options.now, options.timeZone);
    // A reader that has seen enough (`| head`) is no error.
    options.stdout.on('error', () => (this.#broken = true));
    options.stderr.on('error', () => undefined);
  }

  get json(): boolean {
    return this.options.json;
  }

  get isTerminal(): boolean {
    return this.options.stdout.isTTY === true;
  }

  /** Nobody reads any more. */
  get isBroken(): boolean {
    return this.#broken;
  }

  ink(ink: Ink, text: string, on: Terminal = this.options.stdout): string {
    const wanted = this.options.color ?? on.isTTY === true;
    return wanted && on.isTTY === true ? `\u001b[${CODES[ink]}m${text}\u001b[0m` : text;
  }

  /** Part of the answer, for people. */
  lines(lines: readonly string[]): void {
    if (lines.length === 0) return;
    const text = lines.map((line) => `${line}\n`).join('');
    if (!this.isTerminal) {
      this.options.stdout.write(text);
      return;
    }
    this.#held.push(text);
    this.#heldLines += lines.length;
  }

  /** The answer for scripts: one object. */
  object(value: object): void {
    this.options.stdout.write(`${JSON.stringify({ schema: JSON_SCHEMA, ...value })}\n`);
  }

  /** One answer in both forms. */
  answer(value: object, lines: () => readonly string[]): void {
    if (this.json) this.object(value);
    else this.lines(lines());
  }

  /** A list, page by page: an array for scripts, a table for people. */
  async list<Row extends object>(
    pages: AsyncIterable<readonly Row[]>,
    columns: readonly Column<Row>[],
    wanted: string | undefined,
  ): Promise<number> {
    let count = 0;
    const chosen = chooseColumns(columns, wanted);
    if (this.json) {
      // Nothing is written before the first page is there: it may be refused.
      let begun = false;
      for await (const rows of pages) {
        if (!begun) this.options.stdout.write('[');
        begun = true;
        for (const row of rows) {
          this.options.stdout.write(
            `${count++ === 0 ? '\n' : ',\n'}${JSON.stringify({ schema: JSON_SCHEMA, ...row })}`,
          );
        }
        if (this.#broken) break;
        await this.#drained();
      }
      this.options.stdout.write(count === 0 ? (begun ? ']\n' : '[]\n') : '\n]\n');
      return count;
    }
    const table = new TableWriter<Row>(chosen);
    let headed = false;
    for await (const rows of pages) {
      count += rows.length;
      this.lines(table.lines(rows.map(cleanDeep)));
      headed = true;
      if (this.#broken) break;
      if (!this.isTerminal) await this.#drained();
    }
    if (!headed) this.lines(table.lines([]));
    return count;
  }

  /** Talk: what is going on, what to do next. Not for scripts. */
  say(line: string): void {
    if (!this.options.quiet && !this.json) this.options.stderr.write(`${line}\n`);
  }

  /** Talk that is not left out: what a person must know. */
  warn(line: string): void {
    if (!this.json) this.options.stderr.write(`${this.ink('yellow', 'Note:', this.options.stderr)}  ${line}\n`);
  }

  debug(line: string): void {
    if (this.options.debug) this.options.stderr.write(`debug: ${line}\n`);
  }

  error(error: CliError): void {
    const { code, exit, message } = error;
    const { fix, requestId, lines, problems } = cleanDeep(error.more);
    const { stderr } = this.options;
    if (this.json) {
      stderr.write(
        `${JSON.stringify({
          schema: JSON_SCHEMA,
          error: {
            code,
            message,
            ...(fix !== undefined && { fix }),
            ...(requestId !== undefined && { requestId }),
            exit,
            ...(problems && { problems }),
          },
        })}\n`,
      );
    } else {
      const said = cleanDeep(message);
      const facts = [`Code:  ${code}`, ...(requestId === undefined ? [] : [`Request: ${requestId}`]), `Exit: ${exit}`];
      stderr.write(
        [
          `${this.ink('red', 'Error:', stderr)} ${said}`,
          ...(lines ?? []).map((line) => (line === '' ? '' : `  ${line}`)),
          ...(fix === undefined ? [] : [`Fix:   ${fix}`]),
          facts.join('   '),
          '',
        ].join('\n'),
      );
    }
    if (this.options.debug && error.cause !== undefined) {
      stderr.write(
        `debug: ${error.cause instanceof Error ? (error.cause.stack ?? String(error.cause)) : String(error.cause)}\n`,
      );
    }
  }

  /** Writes what a terminal was to get: through the pager where it is longer than the screen. */
  async finish(): Promise<void> {
    const text = this.#held.splice(0).join('');
    if (text === '') return;
    const { pager, stdout } = this.options;
    if (pager !== undefined && this.#heldLines >= (stdout.rows ?? 24) && (await page(pager, text))) return;
    stdout.write(text);
  }

  async #drained(): Promise<void> {
    const { stdout } = this.options;
    if (!stdout.writable || (stdout as { writableNeedDrain?: boolean }).writableNeedDrain !== true) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        for (const name of ['drain', 'close', 'error']) stdout.off(name, end);
        resolve();
      };
      for (const name of ['drain', 'close', 'error']) stdout.once(name, end);
    });
  }
}

/** @returns whether a pager took it. */
function page(command: string, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, {
      shell: true,
      stdio: ['pipe', 'inherit', 'inherit'],
      // less: leave what fits, keep colours, leave the text on the screen.
      env: { LESS: 'FRX', ...process.env },
    });
    child.once('error', () => resolve(false));
    // 127: the shell found no such program.
    child.once('close', (status) => resolve(status !== 127));
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
}
