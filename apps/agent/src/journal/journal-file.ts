/** The journal's file: appends that return when they are on disk, and replacement as a whole. */
import { dirname } from 'node:path';
import { isNoSpace, writeAll, type DiskFile, type JournalDisk } from './disk.js';
import { decodeRecordAt, encodeFileHeader, encodeRecord, RECORD_HEADER_BYTES } from './record-framing.js';
import type { RecordPlace } from './ledger.js';

/** This much is given back to the disk when it is full, so that what runs can still be written down. */
export const RESERVE_BYTES = 256 * 1024;

export class JournalFile {
  /** Undefined while not even an empty file could be made. */
  #file: DiskFile | undefined;
  #bytes: number;
  #nextNumber: number;
  #records: number;
  /** Bytes of an append that failed may lie behind the last record. */
  #tail = false;

  private constructor(
    readonly path: string,
    private readonly disk: JournalDisk,
    file: DiskFile | undefined,
    bytes: number,
    nextNumber: number,
    records: number,
  ) {
    this.#file = file;
    this.#bytes = bytes;
    this.#records = records;
    this.#nextNumber = nextNumber;
  }

  /**
   * Opens a file whose first `keptBytes` are whole; the rest is cut off, at the latest before the next append.
   * @throws NodeJS.ErrnoException where the reason is not a full disk.
   */
  static async open(
    path: string,
    disk: JournalDisk,
    { keptBytes, nextNumber, records }: { keptBytes: number; nextNumber: number; records: number },
  ): Promise<JournalFile> {
    const file = await disk.open(path).catch((error: unknown) => {
      if (isNoSpace(error)) return undefined;
      throw error;
    });
    const journal = new JournalFile(path, disk, file, keptBytes, nextNumber, records);
    journal.#tail = true;
    if (file) await journal.#cutTail(file);
    return journal;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  /** One write and one fdatasync for all payloads. On an error nothing of them stays. */
  async append(payloads: readonly Buffer[]): Promise<RecordPlace[]> {
    const file = (this.#file ??= await this.disk.open(this.path));
    // Whole records of an append that failed must not come to life behind shorter ones.
    if (this.#tail) await this.#cutTail(file);
    const { places, bytes } = encodeAll(payloads, this.#bytes, this.#nextNumber);
    try {
      await writeAll(file, bytes, this.#bytes);
      await file.datasync();
    } catch (error) {
      this.#tail = true;
      await this.#cutTail(file).catch(() => undefined);
      throw error;
    }
    this.#bytes += bytes.length;
    this.#records += payloads.length;
    this.#nextNumber += payloads.length;
    return places;
  }

  /** @returns the payload, or undefined where it can no longer be read. */
  async read(place: RecordPlace): Promise<Buffer | undefined> {
    const record = Buffer.alloc(RECORD_HEADER_BYTES + place.length);
    const got = await this.#file
      ?.read(record, 0, record.length, place.offset - RECORD_HEADER_BYTES)
      .catch(() => undefined);
    if (!got || got.bytesRead < record.length) return undefined;
    const found = decodeRecordAt(record, 0);
    return found.kind === 'record' ? found.payload : undefined;
  }

  /** All bytes that were appended, as the disk gives them back now; what follows them is of no append that held. */
  async readAll(): Promise<Buffer> {
    return (await this.disk.read(this.path)).subarray(0, this.#bytes);
  }

  /**
   * Puts a file with only these payloads in the place of this one. After a crash there is the one or the other, whole.
   * The new file is opened before it gets its name: from the rename on, every append goes into it, whatever fails.
   */
  async replace(payloads: readonly Buffer[]): Promise<RecordPlace[]> {
    const next = `${this.path}.next`;
    const header = encodeFileHeader(this.#nextNumber);
    const { places, bytes } = encodeAll(payloads, header.length, this.#nextNumber);
    await this.disk.unlink(next).catch(() => undefined);
    const file = await this.disk.open(next);
    try {
      await file.truncate(0);
      await writeAll(file, Buffer.concat([header, bytes]), 0);
      await file.datasync();
      await this.disk.rename(next, this.path);
    } catch (error) {
      await file.close().catch(() => undefined);
      // Half a file would take the room that is missing.
      await this.disk.unlink(next).catch(() => undefined);
      throw error;
    }
    const before = this.#file;
    this.#file = file;
    this.#bytes = header.length + bytes.length;
    this.#records = payloads.length;
    this.#nextNumber += payloads.length;
    this.#tail = false;
    await before?.close().catch(() => undefined);
    await this.disk.syncFolder(dirname(this.path));
    return places;
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #cutTail(file: DiskFile): Promise<void> {
    await file.truncate(this.#bytes);
    await file.datasync();
    this.#tail = false;
  }
}

function encodeAll(
  payloads: readonly Buffer[],
  fromOffset: number,
  fromNumber: number,
): { places: RecordPlace[]; bytes: Buffer } {
  const places: RecordPlace[] = [];
  const parts: Buffer[] = [];
  let offset = fromOffset;
  for (const [index, payload] of payloads.entries()) {
    const record = encodeRecord(fromNumber + index, payload);
    places.push({ offset: offset + RECORD_HEADER_BYTES, length: payload.length });
    parts.push(record);
    offset += record.length;
  }
  return { places, bytes: Buffer.concat(parts) };
}

/** Space that is given back when the disk is full. */
export class Reserve {
  constructor(
    private readonly path: string,
    private readonly disk: JournalDisk,
  ) {}

  /** @returns false when there is no room for it. */
  async fill(): Promise<boolean> {
    if ((await this.disk.size(this.path)) >= RESERVE_BYTES) return true;
    let file: DiskFile | undefined;
    try {
      file = await this.disk.open(this.path);
      // Not zeros: some file systems would store these as a hole, and give nothing back later.
      await writeAll(file, Buffer.alloc(RESERVE_BYTES, 0xa5), 0);
      await file.datasync();
      await file.close();
      return true;
    } catch {
      await file?.close().catch(() => undefined);
      await this.disk.unlink(this.path).catch(() => undefined);
      return false;
    }
  }

  async giveBack(): Promise<boolean> {
    return this.disk.unlink(this.path).then(
      () => true,
      () => false,
    );
  }
}
