/** What the journal and its neighbours need of a file system; tests put a disk in its place that fills up and breaks. */
import { copyFile, link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';

/** An open file. Writes are at positions; nothing is promised to be on disk before `datasync` returned. */
export interface DiskFile {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface JournalDisk {
  mkdir(path: string): Promise<void>;
  /** For reading and writing; made when it is not there. */
  open(path: string): Promise<DiskFile>;
  /** All bytes; empty when there is no such file. */
  read(path: string): Promise<Buffer>;
  /** 0 when there is no such file. */
  size(path: string): Promise<number>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for a file: takes no space. */
  link(from: string, to: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
}

export const realDisk: JournalDisk = {
  mkdir: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  // 'a+' cannot write at a position, so the file is made first where it is missing.
  open: (path) =>
    open(path, 'r+').catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? open(path, 'w+', 0o600) : Promise.reject(error),
    ),
  read: readOrEmpty,
  size: (path) =>
    stat(path).then(
      (found) => found.size,
      () => 0,
    ),
  rename,
  link,
  copy: copyFile,
  unlink,
  syncFolder,
};

/** The disk has no room for it: full, over quota, or past the size that the process may write. */
export function isNoSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** Writes all bytes at a position. @throws NodeJS.ErrnoException */
export async function writeAll(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    // A file system that takes nothing and says nothing would keep this going for ever.
    if (bytesWritten === 0) throw Object.assign(new Error('the disk takes no more bytes'), { code: 'ENOSPC' });
    done += bytesWritten;
  }
}

/** Writes a file and returns when its bytes are on disk. */
export async function writeDurably(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Makes a rename durable. Some file systems refuse to sync a folder; they order renames themselves. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** @returns the bytes of a file, empty when there is none. */
export async function readOrEmpty(path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  });
}
