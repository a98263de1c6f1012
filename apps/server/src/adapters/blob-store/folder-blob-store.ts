/** Artifact bytes in a folder: `ab/cd/<sha256>`; an upload is written beside them and renamed when it is whole. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore, PendingBlob } from './blob-store.port.js';

/** An upload nobody finished is removed at start when it is older. */
const ABANDONED_AFTER_MS = 24 * 3_600_000;

export class FolderBlobStore implements BlobStore {
  constructor(private readonly folder: string) {}

  /** Makes the folders and removes what killed uploads left. */
  async start(): Promise<void> {
    await mkdir(this.incoming, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.incoming)) {
      const path = join(this.incoming, name);
      const facts = await stat(path).catch(() => undefined);
      if (facts && Date.now() - facts.mtimeMs > ABANDONED_AFTER_MS) await rm(path, { force: true });
    }
  }

  async begin(): Promise<PendingBlob> {
    const path = join(this.incoming, randomUUID());
    const file = await open(path, 'wx', 0o600);
    return new PendingFile(file, path, (sha256) => this.pathOf(sha256));
  }

  async readAll(sha256: string): Promise<Buffer | undefined> {
    return absentAsUndefined(readFile(this.pathOf(sha256)));
  }

  async open(sha256: string, range?: { start: number; end: number }) {
    const path = this.pathOf(sha256);
    const file = await absentAsUndefined(open(path, 'r'));
    if (!file) return undefined;
    const { size } = await file.stat();
    const stream = createReadStream(path, { fd: file, autoClose: true, ...(range ?? {}) });
    return { stream, sizeBytes: size };
  }

  async has(sha256: string): Promise<boolean> {
    return access(this.pathOf(sha256)).then(
      () => true,
      () => false,
    );
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.pathOf(sha256), { force: true });
  }

  /** Rejects when the folder cannot be written. */
  async check(): Promise<void> {
    const path = join(this.incoming, `check-${randomUUID()}`);
    const file = await open(path, 'wx', 0o600);
    await file.close();
    await unlink(path);
  }

  private get incoming(): string {
    return join(this.folder, 'incoming');
  }

  private pathOf(sha256: string): string {
    return join(this.folder, ...hashFolders(sha256), sha256);
  }
}

/** @throws Error for anything that is no SHA-256, so that no name from outside becomes a path. */
export function hashFolders(sha256: string): [string, string] {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error('not a SHA-256 in lower-case hex');
  return [sha256.slice(0, 2), sha256.slice(2, 4)];
}

class PendingFile implements PendingBlob {
  private closed = false;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private readonly target: (sha256: string) => string,
  ) {}

  async write(chunk: Buffer): Promise<void> {
    let offset = 0;
    while (offset < chunk.length) {
      const { bytesWritten } = await this.file.write(chunk, offset);
      offset += bytesWritten;
    }
  }

  async commit(sha256: string): Promise<void> {
    const target = this.target(sha256);
    await this.file.sync();
    await this.close();
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await rename(this.path, target);
    // The rename itself is durable only when its folder is.
    for (const folder of [dirname(target), dirname(dirname(target))]) await syncFolder(folder);
  }

  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  private async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Windows and some network file systems cannot sync a folder.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EPERM' && code !== 'EINVAL') throw error;
  } finally {
    await folder.close();
  }
}

async function absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
