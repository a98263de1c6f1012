/**
 * The agent's own log file: bounded, rotated, and never in the way. A disk that is full or gone costs lines, which
 * are counted and told in the next one that can be written; it costs no update.
 */
import { appendFileSync } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface RotatingFileOptions {
  readonly path: string;
  /** Size at which the file is set aside. */
  readonly maxBytes?: number;
  /** Files kept beside the present one: `path.1` is the newest. */
  readonly keep?: number;
}

const MAX_BYTES = 1024 * 1024;
const KEEP = 4;
/** Lines that wait for a slow disk; more are lost. */
const MAX_WAITING_BYTES = 256 * 1024;
/** After a failure the disk is left alone for this long. */
const RETRY_MS = 30_000;

export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #keep: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #file: FileHandle | undefined;
  #bytes = 0;
  #work: Promise<void> | undefined;
  #notBeforeMs = 0;
  #lost = 0;
  #closed = false;

  constructor(options: RotatingFileOptions) {
    this.#path = options.path;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#keep = options.keep ?? KEEP;
  }

  /** Lines that could not be written so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes a whole line, with its newline. Never throws, never waits. */
  write(line: string): void {
    if (this.#closed || this.#waitingBytes + line.length > MAX_WAITING_BYTES || performance.now() < this.#notBeforeMs) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#work ??= this.#drain();
  }

  /** What waits is written now, before the process ends. */
  flushSync(): void {
    const rest = this.#take();
    if (rest.length === 0) return;
    try {
      appendFileSync(this.#path, rest.join(''), { mode: 0o600 });
    } catch {
      this.#lost += rest.length;
    }
  }

  async close(): Promise<void> {
    await this.#work;
    this.#closed = true;
    this.flushSync();
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  #take(): string[] {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    return lines;
  }

  async #drain(): Promise<void> {
    // What is said in the same turn goes with one write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#take();
      try {
        await this.#append(lines);
      } catch {
        this.#lost += lines.length;
        this.#notBeforeMs = performance.now() + RETRY_MS;
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
      }
    }
    this.#work = undefined;
  }

  async #append(lines: readonly string[]): Promise<void> {
    const told =
      this.#lost > 0
        ? [
            `${JSON.stringify({ level: 40, time: new Date().toISOString(), lost: this.#lost, msg: 'log lines lost' })}\n`,
          ]
        : [];
    for (const line of [...told, ...lines]) {
      const file = await this.#open(Buffer.byteLength(line));
      this.#bytes += (await file.write(line)).bytesWritten;
    }
    if (told.length > 0) this.#lost = 0;
  }

  async #open(more: number): Promise<FileHandle> {
    if (this.#file && this.#bytes > 0 && this.#bytes + more > this.#maxBytes) {
      await this.#file.close();
      this.#file = undefined;
      await rm(`${this.#path}.${this.#keep}`, { force: true });
      for (let number = this.#keep - 1; number >= 0; number -= 1) {
        const from = number === 0 ? this.#path : `${this.#path}.${number}`;
        await rename(from, `${this.#path}.${number + 1}`).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
      }
    }
    if (!this.#file) {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#file = await open(this.#path, 'a', 0o600);
      this.#bytes = (await this.#file.stat()).size;
      if (this.#bytes > 0 && this.#bytes + more > this.#maxBytes) return this.#open(more);
    }
    return this.#file;
  }
}
