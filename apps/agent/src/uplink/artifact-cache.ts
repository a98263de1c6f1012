/**
 * Artifacts on the gateway's disk: one file per SHA-256, downloads that go on where they were cut, a
 * bound on the whole, and one download per artifact whatever the number of devices that wait for it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, stat, unlink, utimes, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { ErrorCode, ErrorParams } from '@drydock/contracts';
import { DrydockError, type ByteSource } from '@drydock/dfu-core';
import { sleep, type Clock } from '../clock.js';
import { ArtifactFile } from '../driver/artifact-file.js';
import type { Logger } from '../logger.js';
import type { DownloadPace } from './download-pace.js';

export interface ArtifactCacheOptions {
  readonly dir: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Opens the artifact's bytes from an offset on; the answer may have any status. */
  openArtifact(sha256: string, offset: number, signal: AbortSignal): Promise<IncomingMessage>;
  /** Hours and rate; without it downloads run at once, and as fast as they can. */
  readonly pace?: Pick<DownloadPace, 'isOpen' | 'opened' | 'take'>;
  /** First pause between two tries; doubles up to 30 s. */
  readonly retryMs?: number;
}

interface Job {
  readonly done: Promise<string>;
  readonly abort: AbortController;
  waiters: number;
  /** Code of the last try that failed. */
  failed: ErrorCode | undefined;
}

const MAX_RETRY_MS = 30_000;
/** Wrong bytes twice in a row are no accident of one transfer. */
const MAX_WRONG_DIGESTS = 2;
/** Answers that say "no such thing": the order may be ahead of the server's blob store, but not for ever. */
const MAX_REFUSALS = 5;
const IDLE_MS = 30_000;

export class ArtifactCache {
  readonly #options: ArtifactCacheOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #last = new Map<string, Promise<void>>();
  readonly #held = new Map<string, number>();

  constructor(options: ArtifactCacheOptions) {
    this.#options = options;
  }

  path(sha256: string): string {
    return join(this.#options.dir, sha256);
  }

  /** Keeps an artifact from being evicted until the returned function is called. */
  hold(sha256: string): () => void {
    this.#held.set(sha256, (this.#held.get(sha256) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#held.get(sha256) ?? 1) - 1;
      if (left > 0) this.#held.set(sha256, left);
      else this.#held.delete(sha256);
    };
  }

  async has(sha256: string): Promise<boolean> {
    return (await sizeOf(this.path(sha256))) !== undefined;
  }

  /** The bytes as they are on disk. Whoever uses them checks them again, and closes the file. */
  async open(sha256: string): Promise<ByteSource & { close(): void }> {
    return ArtifactFile.open(this.path(sha256));
  }

  /** Throws a file away whose bytes turned out to be wrong. */
  async discard(sha256: string): Promise<void> {
    await unlink(this.path(sha256)).catch(() => undefined);
  }

  /**
   * @returns the path of the complete file, its digest checked.
   * @throws DrydockError `gateway.download`, `server.unavailable`, `artifact.digest`, `server.blob-missing`, `gateway.disk-full`;
   *   `order.withdrawn` when the signal ends the wait.
   */
  async obtain(
    artifact: { sha256: string; sizeBytes: number },
    withinMs: number,
    signal?: AbortSignal,
  ): Promise<string> {
    const { sha256 } = artifact;
    const release = this.hold(sha256);
    const timeout = new AbortController();
    const callOff = this.#options.clock.after(withinMs, () => timeout.abort());
    let job: Job | undefined;
    try {
      if ((await sizeOf(this.path(sha256))) === artifact.sizeBytes) {
        const now = new Date();
        await utimes(this.path(sha256), now, now).catch(() => undefined);
        return this.path(sha256);
      }
      job = this.#jobs.get(sha256) ?? this.#start(artifact);
      job.waiters += 1;
      return await Promise.race([
        job.done,
        // Whose fault it is, the last failure tells: a server that is away makes no gateway sick.
        aborted(timeout.signal, () => job?.failed ?? 'gateway.download', {
          detail: `not complete within ${withinMs} ms`,
        }),
        ...(signal ? [aborted(signal, () => 'order.withdrawn' as const, {})] : []),
      ]);
    } finally {
      callOff();
      release();
      if (job) {
        job.waiters -= 1;
        if (job.waiters === 0) job.abort.abort();
      }
    }
  }

  /** Ends all downloads; what has arrived stays and is gone on with later. */
  async stop(): Promise<void> {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) job.abort.abort();
    await Promise.allSettled([...jobs.map((job) => job.done), ...this.#last.values()]);
  }

  #start(artifact: { sha256: string; sizeBytes: number }): Job {
    const abort = new AbortController();
    // A job that nobody waits for any more may still be closing the file: the next one goes after it.
    const before = this.#last.get(artifact.sha256) ?? Promise.resolve();
    const done = before.then(() => this.#download(artifact, abort.signal, (code) => (job.failed = code)));
    const job: Job = { abort, waiters: 0, done, failed: undefined };
    const ended = done.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(artifact.sha256, ended);
    void ended.then(() => {
      if (this.#last.get(artifact.sha256) === ended) this.#last.delete(artifact.sha256);
    });
    this.#jobs.set(artifact.sha256, job);
    const end = (): void => {
      if (this.#jobs.get(artifact.sha256) === job) this.#jobs.delete(artifact.sha256);
    };
    job.done.then(end, end);
    // A waiter that came too late for an aborted job starts its own.
    abort.signal.addEventListener('abort', end, { once: true });
    return job;
  }

  async #download(
    artifact: { sha256: string; sizeBytes: number },
    signal: AbortSignal,
    failed: (code: ErrorCode) => void,
  ): Promise<string> {
    const { clock, log, retryMs = 1000 } = this.#options;
    let wrongDigests = 0;
    let refusals = 0;
    let pauseMs = retryMs;
    for (;;) {
      if (this.#options.pace?.isOpen === false) {
        failed('site.quiet-hours');
        await this.#options.pace.opened(signal);
        if (signal.aborted) throw new DrydockError('site.quiet-hours');
      }
      const before = await sizeOf(`${this.path(artifact.sha256)}.part`);
      try {
        return await this.#once(artifact, signal);
      } catch (error) {
        const said = error instanceof DrydockError ? error : diskError(error);
        if (signal.aborted) throw said;
        failed(said.code);
        if (said.code === 'artifact.digest' && ++wrongDigests >= MAX_WRONG_DIGESTS) throw said;
        if (said.code === 'server.blob-missing' && ++refusals >= MAX_REFUSALS) throw said;
        if (said.code === 'site.quiet-hours') continue;
        if (said.code === 'gateway.disk-full' || said.code === 'settings.invalid') throw said;
        const after = await sizeOf(`${this.path(artifact.sha256)}.part`);
        if ((after ?? 0) > (before ?? 0)) pauseMs = retryMs;
        log.info({ sha256: artifact.sha256, code: said.code, haveBytes: after ?? 0 }, 'download interrupted');
        await sleep(clock, pauseMs * (0.75 + Math.random() / 2), signal);
        if (signal.aborted) throw said;
        pauseMs = Math.min(pauseMs * 2, MAX_RETRY_MS);
      }
    }
  }

  async #once(artifact: { sha256: string; sizeBytes: number }, signal: AbortSignal): Promise<string> {
    const path = this.path(artifact.sha256);
    const part = `${path}.part`;
    await mkdir(this.#options.dir, { recursive: true, mode: 0o700 });
    let have = (await sizeOf(part)) ?? 0;
    if (have > artifact.sizeBytes) {
      await unlink(part);
      have = 0;
    }
    if (have < artifact.sizeBytes) {
      await this.#makeRoom(artifact.sizeBytes - have, artifact.sha256);
      // Everything is ready before the answer comes: what a breaking connection has brought is kept.
      const file = await open(part, 'a+', 0o600).then(async (made) => {
        await made.close();
        return open(part, 'r+');
      });
      try {
        const response = await this.#options.openArtifact(artifact.sha256, have, signal);
        await receive(response, file, offsetOf(response, have), artifact.sizeBytes, (bytes) =>
          this.#options.pace?.take(bytes, signal),
        );
      } finally {
        await file.datasync().catch(() => undefined);
        await file.close();
      }
    }
    const actual = await sha256Of(part);
    if (actual !== artifact.sha256) {
      await unlink(part);
      throw new DrydockError('artifact.digest', { field: 'download', expected: artifact.sha256, actual });
    }
    await rename(part, path);
    return path;
  }

  /** Evicts what was used longest ago, never what is held. */
  async #makeRoom(bytes: number, forSha256: string): Promise<void> {
    const files = await Promise.all(
      (await readdir(this.#options.dir)).map(async (name) => {
        const facts = await stat(join(this.#options.dir, name)).catch(() => undefined);
        return { name, sha256: name.replace(/\.part$/, ''), size: facts?.size ?? 0, usedMs: facts?.mtimeMs ?? 0 };
      }),
    );
    let total = files.reduce((sum, file) => sum + file.size, 0);
    files.sort((a, b) => a.usedMs - b.usedMs);
    for (const file of files) {
      if (total + bytes <= this.#options.maxBytes) return;
      if (file.sha256 === forSha256 || this.#held.has(file.sha256) || this.#jobs.has(file.sha256)) continue;
      await unlink(join(this.#options.dir, file.name)).catch(() => undefined);
      total -= file.size;
    }
    if (total + bytes > this.#options.maxBytes) {
      throw new DrydockError('gateway.disk-full', {
        detail: `the cache holds ${total} of ${this.#options.maxBytes} bytes`,
      });
    }
  }
}

/** @returns where the bytes of the answer belong, or what to say instead. */
function offsetOf(response: IncomingMessage, have: number): number | DrydockError {
  const status = response.statusCode ?? 0;
  if (status === 200) return 0; // the range was ignored: all bytes come again
  const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1];
  if (status === 206 && Number(start) === have) return have;
  if (status === 403 || status === 404) return new DrydockError('server.blob-missing', { status });
  return new DrydockError(status >= 500 ? 'server.unavailable' : 'gateway.download', { detail: `HTTP ${status}` });
}

async function receive(
  response: IncomingMessage,
  file: FileHandle,
  offset: number | DrydockError,
  sizeBytes: number,
  taken: (bytes: number) => Promise<void> | undefined,
): Promise<void> {
  if (offset instanceof DrydockError) {
    response.on('error', () => undefined);
    response.destroy();
    // A part that the server cannot go on with is of no use.
    if (response.statusCode === 206 || response.statusCode === 416) await file.truncate(0);
    throw offset;
  }
  response.setTimeout(IDLE_MS, () => response.destroy(new Error(`no bytes for ${IDLE_MS} ms`)));
  let at = offset;
  try {
    await eachChunk(response, file.truncate(offset), async (chunk) => {
      if (at + chunk.length > sizeBytes) {
        await file.truncate(0);
        throw new DrydockError('gateway.download', { detail: `more than the ${sizeBytes} bytes that were announced` });
      }
      await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      await taken(chunk.length);
    });
  } catch (error) {
    if (error instanceof DrydockError || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
    throw new DrydockError('gateway.download', { detail: (error as Error).message }, { cause: error });
  } finally {
    response.destroy();
  }
  if (at < sizeBytes) throw new DrydockError('gateway.download', { detail: `cut after ${at} of ${sizeBytes} bytes` });
}

/**
 * Hands the bytes on as they come. Not by `for await`: that throws away what has arrived when the
 * connection breaks, and a line that breaks often would never get on.
 */
function eachChunk(
  response: IncomingMessage,
  ready: Promise<void>,
  take: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let taken = ready;
    response.on('data', (chunk: Buffer) => {
      response.pause();
      taken = taken.then(() => take(chunk)).then(() => void response.resume());
      taken.catch((error: unknown) => response.destroy(error as Error));
    });
    response.on('end', () => taken.then(resolve, reject));
    response.on('error', (error) => taken.then(() => reject(error), reject));
    response.on('close', () => taken.then(() => reject(new Error('the connection was closed')), reject));
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (facts) => facts.size,
    () => undefined,
  );
}

function aborted(signal: AbortSignal, code: () => ErrorCode, params: ErrorParams): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new DrydockError(code(), params));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function diskError(error: unknown): DrydockError {
  const failure = error as NodeJS.ErrnoException;
  return failure.code === 'ENOSPC'
    ? new DrydockError('gateway.disk-full', {}, { cause: error })
    : new DrydockError('gateway.download', { detail: failure.message }, { cause: error });
}
