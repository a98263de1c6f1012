/**
 * The agent's memory across power cuts (design, P4): what was granted, touched, marked, ended, reported
 * and acknowledged. Everything is on disk before it is acted on; whatever waits goes with one fdatasync.
 */
import { join } from 'node:path';
import { Epoch, type AttemptRef, type Report } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { compacted, type Entry } from './compaction.js';
import { isNoSpace, realDisk } from './disk.js';
import { JournalFile, Reserve } from './journal-file.js';
import type { ForgottenReport, JournalOptions, Trouble } from './journal-options.js';
import { Ledger, type AttemptBook, type EpochBook, type LastWord, type RecordPlace } from './ledger.js';
import { MAX_RECORD_BYTES, RECORD_HEADER_BYTES, scanJournal } from './record-framing.js';
import { parseRecord } from './parse-record.js';
import { keepCopy, readJournal } from './read-journal.js';
import { attemptKey, roomOf, TROUBLE_SHARE, type JournalEntry, type JournalRecord } from './records.js';

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Files smaller than this are not worth a compaction. */
const COMPACT_FROM_BYTES = 512 * 1024;

interface Waiting {
  readonly entries: readonly JournalEntry[];
  resolve(written: readonly JournalRecord[]): void;
  reject(error: Error): void;
}

export type { ForgottenReport, JournalOptions } from './journal-options.js';

export class Journal {
  /** How the journal was found at this start. */
  readonly found: 'new' | 'intact' | 'damaged';
  readonly note: string | undefined;
  readonly epoch: Epoch;
  #ledger: Ledger;
  #file: JournalFile;
  readonly #reserve: Reserve;
  readonly #maxBytes: number;
  readonly #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #trouble: Trouble | undefined;
  #troubleDetail = '';
  #compactAt = COMPACT_FROM_BYTES;
  /** Bytes of acknowledged reports since the last compaction. */
  #acknowledgedBytes = 0;
  /** What must be on disk before anything else of this epoch; empty once it is. */
  #first: readonly JournalEntry[];
  /** Payloads of a journal that has to be written anew first: there is none yet, or it was damaged. */
  #anew: readonly Buffer[] | undefined;
  /** After a failed sync nobody knows what is on disk: nothing is appended before all of it was written anew. */
  #doubted = false;
  #mayHeal = true;
  #closed = false;

  private constructor(
    file: JournalFile,
    ledger: Ledger,
    reserve: Reserve,
    facts: Pick<Journal, 'found' | 'note' | 'epoch'> & {
      readonly maxBytes: number;
      readonly anew: readonly Buffer[] | undefined;
      readonly first: readonly JournalEntry[];
    },
  ) {
    this.#file = file;
    this.#ledger = ledger;
    this.#reserve = reserve;
    this.#maxBytes = facts.maxBytes;
    this.#anew = facts.anew;
    this.#first = facts.first;
    this.found = facts.found;
    this.note = facts.note;
    this.epoch = facts.epoch;
  }

  /**
   * Reads what is there, cuts an unfinished tail, keeps a damaged file as `journal.damaged`, and writes down that the
   * epoch begins. On a full disk that is done as soon as there is room, before anything else; until then `trouble` says so.
   * @throws DrydockError `gateway.journal` when the folder cannot be used at all.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const path = join(options.dir, 'journal');
    const disk = options.disk ?? realDisk;
    try {
      await disk.mkdir(options.dir);
      const read = readJournal(await disk.read(path));
      const { found } = read;
      const notes = [...read.notes];
      if (found === 'damaged' && !(await keepCopy(disk, path))) notes.push('no copy of it could be kept');
      const note = notes.length > 0 ? notes.join('; ').slice(0, 512) : undefined;
      const file = await JournalFile.open(path, disk, { ...read, records: read.payloads.length });
      const journal = new Journal(file, read.ledger, new Reserve(`${path}.reserve`, disk), {
        found,
        note,
        epoch: Epoch.parse(options.epoch),
        maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
        anew: found === 'intact' ? undefined : read.payloads,
        first: [
          { t: 'epoch', epoch: Epoch.parse(options.epoch) },
          ...(options.first?.(found, note) ?? []).map((report) => ({ t: 'draft' as const, report })),
        ],
      });
      journal.#compactAt = Math.max(COMPACT_FROM_BYTES, file.bytes * 2);
      if (!(await journal.#reserve.fill())) journal.#setTrouble('gateway.disk-full', 'no room for the reserve');
      await journal.#begin().catch((error: unknown) => {
        // A bound that is reached, a full disk: states that pass. Anything else needs a person.
        const { code } = error as DrydockError;
        if (code !== 'gateway.disk-full' && journal.trouble === undefined) throw error;
      });
      if (journal.#doubted) throw new DrydockError('gateway.journal', { detail: journal.#troubleDetail });
      return journal;
    } catch (error) {
      if (error instanceof DrydockError) throw error;
      throw new DrydockError(
        'gateway.journal',
        { detail: error instanceof Error ? error.message : String(error) },
        { cause: error },
      );
    }
  }

  get reign(): number {
    return this.#ledger.reign;
  }

  /** Number of the newest report of this epoch that is on disk. */
  get lastSeq(): number {
    return this.#ledger.epochs.get(this.epoch)?.lastSeq ?? 0;
  }

  /** Of its file: bytes, and records. */
  get size(): { readonly bytes: number; readonly records: number } {
    return this.#file;
  }

  /** Why nothing new may start, or undefined. */
  get trouble(): { readonly code: Trouble; readonly detail: string } | undefined {
    if (this.#trouble) return { code: this.#trouble, detail: this.#troubleDetail };
    if (this.#file.bytes > this.#maxBytes * TROUBLE_SHARE) {
      return { code: 'gateway.journal', detail: `it holds ${this.#file.bytes} of ${this.#maxBytes} bytes` };
    }
    return undefined;
  }

  /** Attempts whose end is not known, of all epochs. */
  openAttempts(): readonly AttemptBook[] {
    return [...this.#ledger.attempts.values()].filter((book) => book.state === 'granted' || book.state === 'touched');
  }

  attempt(ref: AttemptRef): AttemptBook | undefined {
    return this.#ledger.attempts.get(attemptKey(ref));
  }

  /** How far an attempt has come, as its reports tell it; undefined: no report speaks of it. */
  lastWord(ref: AttemptRef): LastWord | undefined {
    return this.#ledger.words.get(attemptKey(ref));
  }

  /**
   * Whether this journal can answer for an epoch: the agent started it with this journal, and nothing that was written
   * since is lost, neither by damage nor by age. Then an attempt that no report speaks of was never touched.
   */
  covers(epoch: Epoch): boolean {
    return this.#ledger.starts.has(epoch);
  }

  /** Epochs in the order of their start. */
  epochs(): readonly Readonly<Omit<EpochBook, 'places'>>[] {
    return [...this.#ledger.epochs.values()];
  }

  /**
   * Writes entries, all or none, and returns when they are on disk.
   * @returns the records as written; reports have their numbers.
   * @throws DrydockError `gateway.disk-full`, `gateway.journal`
   */
  append(...entries: readonly JournalEntry[]): Promise<readonly JournalRecord[]> {
    // Here and not in the round: one that ends in the step in which it begins would pass for one under way for ever.
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  /**
   * Reports of an epoch from a number on, as they are on disk, without gaps: lost ones are named as forgotten.
   * @param maxBytes of their JSON together; at least one report is returned if there is any.
   */
  async reports(of: Epoch, fromSeq: number, max: number, maxBytes: number): Promise<(Report | ForgottenReport)[]> {
    const book = this.#ledger.epochs.get(of);
    const found: (Report | ForgottenReport)[] = [];
    let bytes = 0;
    for (let seq = fromSeq; book && seq <= book.lastSeq && found.length < max; seq += 1) {
      const place = book.places.get(seq);
      const payload = place && (await this.#file.read(place));
      const record = payload && parseRecord(payload);
      const report = record && typeof record !== 'string' && record.t === 'report' ? record.report : undefined;
      bytes += place?.length ?? 40;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(report ?? { seq, kind: 'forgotten' });
    }
    return found;
  }

  /** Looks whether a full disk has room again, and a disk that failed works again. */
  async retry(): Promise<void> {
    this.#mayHeal = true;
    // In turn with the appends: both write the file.
    await this.append().catch(() => undefined);
    if (this.#trouble === 'gateway.disk-full' && this.#first.length === 0 && (await this.#reserve.fill())) {
      this.#trouble = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, 256);
      try {
        if (this.#closed) throw closedError();
        await this.#begin();
        if (this.#isWorthCompacting()) await this.#tryCompact();
        await this.#writeEach(batch);
      } catch (error) {
        const said = this.#said(error);
        for (const waiting of batch) waiting.reject(said);
      }
    }
    // In the same step as the look at the queue: what is appended next begins a new round.
    this.#flushing = undefined;
  }

  /** What has to be there before anything is appended. Does nothing once it is. */
  async #begin(): Promise<void> {
    if (this.#doubted) await this.#heal();
    if (this.#anew) {
      const payloads = this.#anew;
      this.#reload(payloads, await this.#withReserve(() => this.#file.replace(payloads)));
      this.#anew = undefined;
    }
    if (this.#first.length === 0) return;
    if (this.#file.bytes > this.#maxBytes / 2) await this.#tryCompact();
    const records = this.#numbered(this.#first, 0);
    await this.#write(records);
    this.#first = [];
  }

  async #writeEach(batch: readonly Waiting[]): Promise<void> {
    const fitting: { waiting: Waiting; records: JournalRecord[] }[] = [];
    let reports = 0;
    let bytes = this.#file.bytes;
    for (const waiting of batch) {
      const records = this.#numbered(waiting.entries, reports);
      const size = records.reduce((sum, record) => sum + sizeOf(record), 0);
      const full = waiting.entries.some((entry) => bytes + size > this.#maxBytes * roomOf(entry));
      if (full || records.some((record) => sizeOf(record) > MAX_RECORD_BYTES)) {
        const detail = full
          ? `it holds ${this.#file.bytes} of ${this.#maxBytes} bytes`
          : `a record of more than ${MAX_RECORD_BYTES} bytes`;
        waiting.reject(new DrydockError('gateway.journal', { detail }));
        continue;
      }
      bytes += size;
      reports += records.filter(({ t }) => t === 'report').length;
      fitting.push({ waiting, records });
    }
    try {
      await this.#write(fitting.flatMap(({ records }) => records));
    } catch (error) {
      const said = this.#said(error);
      for (const { waiting } of fitting) waiting.reject(said);
      return;
    }
    for (const { waiting, records } of fitting) waiting.resolve(records);
  }

  /** @param before reports of this epoch that are numbered already and not written yet. */
  #numbered(entries: readonly JournalEntry[], before: number): JournalRecord[] {
    let seq = this.lastSeq + before;
    return entries.map((entry): JournalRecord => {
      if (entry.t !== 'draft') return entry;
      seq += 1;
      return { t: 'report', epoch: this.epoch, report: { ...entry.report, seq } as Report };
    });
  }

  async #write(records: readonly JournalRecord[]): Promise<void> {
    if (records.length === 0) return;
    const payloads = records.map((record) => Buffer.from(JSON.stringify(record)));
    const places = await this.#withReserve(() => this.#file.append(payloads)).catch((error: unknown) => {
      throw this.#said(error);
    });
    for (const [index, record] of records.entries()) {
      if (record.t === 'ack') this.#acknowledgedBytes += this.#bytesAcknowledgedBy(record);
      this.#ledger.apply(record, places[index]!);
    }
  }

  /** What finds no room is tried again with the room of the reserve. */
  async #withReserve<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.#setTrouble('gateway.disk-full', 'no space left');
      if (!(await this.#reserve.giveBack())) throw error;
      return work();
    }
  }

  #said(error: unknown): DrydockError {
    if (error instanceof DrydockError) return error;
    const failure = error as NodeJS.ErrnoException;
    if (isNoSpace(error)) {
      this.#setTrouble('gateway.disk-full', 'no space left');
      return new DrydockError('gateway.disk-full', {}, { cause: error });
    }
    this.#doubted = true;
    this.#setTrouble('gateway.journal', failure.message);
    return new DrydockError('gateway.journal', { detail: failure.message }, { cause: error });
  }

  #setTrouble(code: Trouble, detail: string): void {
    this.#trouble = code;
    this.#troubleDetail = detail;
  }

  /**
   * Writes everything anew into a file of its own. What the old one no longer gives back is not gone on without: then
   * only a new start, which says what was lost, can.
   */
  async #heal(): Promise<void> {
    const failed = new DrydockError('gateway.journal', { detail: this.#troubleDetail });
    if (!this.#mayHeal) throw failed;
    this.#mayHeal = false;
    const expected = this.#file.bytes;
    const bytes = await this.#file.readAll();
    const { found, payloads, keptBytes } = readJournal(bytes);
    if (found === 'damaged' || keptBytes !== expected) throw failed;
    this.#reload(payloads, await this.#withReserve(() => this.#file.replace(payloads)));
    this.#doubted = false;
    if (this.#trouble === 'gateway.journal') this.#trouble = undefined;
  }

  /** Grown to twice its size; or near its bound, and enough was acknowledged since. */
  #isWorthCompacting(): boolean {
    if (this.#file.bytes > this.#compactAt) return true;
    const isTight = this.#file.bytes > this.#maxBytes * TROUBLE_SHARE;
    return isTight && this.#acknowledgedBytes > Math.min(COMPACT_FROM_BYTES, this.#maxBytes / 8);
  }

  /** A compaction that finds no room leaves the journal as it is. */
  async #tryCompact(): Promise<void> {
    this.#acknowledgedBytes = 0;
    await this.#compact().catch((error: unknown) => {
      if (!isNoSpace(error)) throw error;
      this.#compactAt = this.#file.bytes + COMPACT_FROM_BYTES;
    });
  }

  async #compact(): Promise<void> {
    const entries = scanJournal(await this.#file.readAll()).records.flatMap(({ payload }): Entry[] => {
      const record = parseRecord(payload);
      return typeof record === 'string' ? [] : [{ record, payload }];
    });
    const payloads = compacted(entries, this.#ledger, this.epoch, this.#maxBytes);
    this.#reload(payloads, await this.#file.replace(payloads));
    this.#compactAt = Math.max(COMPACT_FROM_BYTES, this.#file.bytes * 2);
  }

  #bytesAcknowledgedBy(ack: JournalRecord & { t: 'ack' }): number {
    const book = this.#ledger.epochs.get(ack.of);
    let bytes = 0;
    for (let seq = (book?.cursor ?? 0) + 1; book && seq <= Math.min(ack.cursor, book.lastSeq); seq += 1)
      bytes += (book.places.get(seq)?.length ?? 0) + RECORD_HEADER_BYTES;
    return bytes;
  }

  #reload(payloads: readonly Buffer[], places: readonly RecordPlace[]): void {
    const { serverTimeMs } = this.#ledger;
    const { lastSeq } = this;
    const ledger = new Ledger();
    payloads.forEach((payload, index) => {
      const record = parseRecord(payload);
      if (typeof record !== 'string') ledger.apply(record, places[index]!);
    });
    ledger.serverTimeMs = Math.max(ledger.serverTimeMs, serverTimeMs);
    if (lastSeq > 0) ledger.carry(this.epoch, lastSeq);
    this.#ledger = ledger;
  }
}

const sizeOf = (record: JournalRecord): number => Buffer.byteLength(JSON.stringify(record)) + RECORD_HEADER_BYTES;

function closedError(): DrydockError {
  return new DrydockError('gateway.journal', { detail: 'it is closed' });
}
