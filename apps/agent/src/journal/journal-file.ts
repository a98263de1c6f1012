/** The journal's file: appends that return when they are on disk, and replacement as a whole. */
import { open, rename, readFile, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeRecordAt, encodeFileHeader, encodeRecord, RECORD_HEADER_BYTES } from './record-framing.js';
import type { RecordPlace } from './ledger.js';

/** The few operations that the journal needs of a file; tests make them fail. */
export interface JournalDisk {
  open(path: string): Promise<Pick<FileHandle, 'write' | 'datasync' | 'truncate' | 'read' | 'close' | 'stat'>>;
}

export const realDisk: JournalDisk = {
  // 'a+' cannot write at a position, so the file is made first where it is missing.
  open: async (path) =>
    open(path, 'r+').catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? open(path, 'w+') : Promise.reject(error),
    ),
};

/** This much is given back to the disk when it is full, so that what runs can still be written down. */
export const RESERVE_BYTES = 256 * 1024;

export class JournalFile {
  #file: Awaited<ReturnType<JournalDisk['open']>>;
  #bytes: number;
  #nextNumber: number;

  private constructor(
    readonly path: string,
    private readonly disk: JournalDisk,
    file: Awaited<ReturnType<JournalDisk['open']>>,
    bytes: number,
    nextNumber: number,
  ) {
    this.#file = file;
    this.#bytes = bytes;
    this.#nextNumber = nextNumber;
  }

  /** Opens a file whose first `keptBytes` are whole; the rest is cut off. */
  static async open(path: string, disk: JournalDisk, keptBytes: number, nextNumber: number): Promise<JournalFile> {
    const file = await disk.open(path);
    await file.truncate(keptBytes);
    await file.datasync();
    return new JournalFile(path, disk, file, keptBytes, nextNumber);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** One write and one fdatasync for all payloads. On an error nothing of them stays. */
  async append(payloads: readonly Buffer[]): Promise<RecordPlace[]> {
    const places: RecordPlace[] = [];
    const parts: Buffer[] = [];
    let offset = this.#bytes;
    let number = this.#nextNumber;
    for (const payload of payloads) {
      const record = encodeRecord(number, payload);
      number += 1;
      places.push({ offset: offset + RECORD_HEADER_BYTES, length: payload.length });
      parts.push(record);
      offset += record.length;
    }
    const bytes = Buffer.concat(parts);
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#bytes + done);
        done += bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      await this.#file.truncate(this.#bytes);
      throw error;
    }
    this.#bytes = offset;
    this.#nextNumber = number;
    return places;
  }

  /** @returns the payload, or undefined where it can no longer be read. */
  async read(place: RecordPlace): Promise<Buffer | undefined> {
    const record = Buffer.alloc(RECORD_HEADER_BYTES + place.length);
    const { bytesRead } = await this.#file.read(record, 0, record.length, place.offset - RECORD_HEADER_BYTES);
    if (bytesRead < record.length) return undefined;
    const found = decodeRecordAt(record, 0);
    return found.kind === 'record' ? found.payload : undefined;
  }

  /** Puts a file with only these payloads in the place of this one. After a crash there is the one or the other. */
  async replace(payloads: readonly Buffer[]): Promise<RecordPlace[]> {
    const next = `${this.path}.next`;
    const places: RecordPlace[] = [];
    const parts = [encodeFileHeader(this.#nextNumber)];
    let offset = parts[0]!.length;
    let number = this.#nextNumber;
    for (const payload of payloads) {
      const record = encodeRecord(number, payload);
      number += 1;
      places.push({ offset: offset + RECORD_HEADER_BYTES, length: payload.length });
      parts.push(record);
      offset += record.length;
    }
    await writeDurably(next, Buffer.concat(parts));
    await rename(next, this.path);
    await syncFolder(dirname(this.path));
    await this.#file.close();
    this.#file = await this.disk.open(this.path);
    this.#bytes = offset;
    this.#nextNumber = number;
    return places;
  }

  async close(): Promise<void> {
    await this.#file.close();
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

/** Space that is given back when the disk is full. */
export class Reserve {
  constructor(private readonly path: string) {}

  /** @returns false when there is no room for it. */
  async fill(): Promise<boolean> {
    const size = await stat(this.path).then(
      (found) => found.size,
      () => 0,
    );
    if (size >= RESERVE_BYTES) return true;
    try {
      // Not zeros: some file systems would store these as a hole, and give nothing back later.
      await writeDurably(this.path, Buffer.alloc(RESERVE_BYTES, 0xa5));
      return true;
    } catch {
      await unlink(this.path).catch(() => undefined);
      return false;
    }
  }

  async giveBack(): Promise<boolean> {
    return unlink(this.path).then(
      () => true,
      () => false,
    );
  }
}
