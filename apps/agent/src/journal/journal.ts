/**
 * The agent's memory across power cuts (design, P4): what was granted, touched, marked, ended, reported
 * and acknowledged. Everything is on disk before it is acted on; whatever waits goes with one fdatasync.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Epoch, type AttemptRef, type Report } from '@drydock/contracts';
import { DrydockError } from '@drydock/dfu-core';
import { JournalFile, readOrEmpty, realDisk, Reserve, type JournalDisk } from './journal-file.js';
import { Ledger, type AttemptBook, type EpochBook, type LastWord, type RecordPlace } from './ledger.js';
import { MAX_RECORD_BYTES, RECORD_HEADER_BYTES, scanJournal } from './record-framing.js';
import { isDoubtful, parseRecord } from './parse-record.js';
import { attemptKey, type JournalEntry, type JournalRecord } from './records.js';

export interface JournalOptions {
  readonly dir: string;
  /** 128 random bits, hex: the epoch that begins now. */
  readonly epoch: string;
  readonly maxBytes?: number;
  readonly disk?: JournalDisk;
}

/** A number whose report is gone: the server commits it as refused, and the numbers after it can follow. */
export interface ForgottenReport {
  readonly seq: number;
  readonly kind: 'forgotten';
}

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Acknowledged reports are kept this long, for a server that was restored from a backup. */
export const KEEP_ACKNOWLEDGED_MS = 30 * 24 * 3_600_000;
/** Files smaller than this are not worth a compaction. */
const COMPACT_FROM_BYTES = 512 * 1024;
/** The file may fill to this share with what must be kept before nothing new is started. */
const START_SHARE = 0.8;
/** Starts that are remembered, to answer for grants that never arrived. */
const MAX_STARTS = 256;

interface Waiting {
  readonly entries: readonly JournalEntry[];
  resolve(written: readonly JournalRecord[]): void;
  reject(error: Error): void;
}

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
  #trouble: 'gateway.disk-full' | 'gateway.journal' | undefined;
  #troubleDetail = '';
  #compactAt = COMPACT_FROM_BYTES;
  #closed = false;

  private constructor(
    file: JournalFile,
    ledger: Ledger,
    reserve: Reserve,
    facts: { found: Journal['found']; note: string | undefined; epoch: Epoch; maxBytes: number },
  ) {
    this.#file = file;
    this.#ledger = ledger;
    this.#reserve = reserve;
    this.#maxBytes = facts.maxBytes;
    this.found = facts.found;
    this.note = facts.note;
    this.epoch = facts.epoch;
  }

  /**
   * Reads what is there, cuts an unfinished tail, keeps a copy of a damaged file as `journal.damaged`,
   * and writes down that the epoch begins.
   * @throws DrydockError `gateway.journal` when the folder cannot be used at all.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const path = join(options.dir, 'journal');
    const disk = options.disk ?? realDisk;
    try {
      await mkdir(options.dir, { recursive: true, mode: 0o700 });
      const bytes = await readOrEmpty(path);
      const scan = scanJournal(bytes);
      const ledger = new Ledger();
      const kept: Buffer[] = [];
      let unreadable = 0;
      for (const framed of scan.records) {
        const record = parseRecord(framed.payload);
        if (record === 'broken') unreadable += 1;
        if (typeof record === 'string') continue;
        ledger.apply(record, { offset: framed.offset + RECORD_HEADER_BYTES, length: framed.payload.length });
        kept.push(framed.payload);
      }
      const notes = [scan.note, unreadable > 0 ? `${unreadable} records have no known form` : undefined].filter(
        Boolean,
      );
      const found = notes.length > 0 ? 'damaged' : scan.state;
      if (found === 'damaged') await copyFile(path, `${path}.damaged`);
      const keptBytes = found === 'intact' ? scan.keptBytes : bytes.length;
      const file = await JournalFile.open(path, disk, keptBytes, scan.nextNumber);
      const reserve = new Reserve(`${path}.reserve`);
      const journal = new Journal(file, ledger, reserve, {
        found,
        note: notes.length > 0 ? notes.join('; ').slice(0, 512) : undefined,
        epoch: Epoch.parse(options.epoch),
        maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
      });
      if (found !== 'intact') {
        const whole = kept.filter((payload) => !isDoubtful(payload, ledger));
        journal.#reload(whole, await file.replace(whole));
      }
      if (!(await reserve.fill())) journal.#setTrouble('gateway.disk-full', 'no room for the reserve');
      journal.#compactAt = Math.max(COMPACT_FROM_BYTES, file.bytes * 2);
      if (file.bytes > journal.#maxBytes / 2) await journal.#tryCompact();
      await journal.#write([{ t: 'epoch', epoch: journal.epoch }]);
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

  /** Why nothing new may start, or undefined. */
  get trouble(): { readonly code: 'gateway.disk-full' | 'gateway.journal'; readonly detail: string } | undefined {
    if (this.#trouble) return { code: this.#trouble, detail: this.#troubleDetail };
    if (this.#file.bytes > this.#maxBytes * START_SHARE) {
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

  /** Looks whether a full disk has room again. */
  async retry(): Promise<void> {
    if (this.#trouble === 'gateway.disk-full' && (await this.#reserve.fill())) this.#trouble = undefined;
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
        if (this.#closed) throw new DrydockError('gateway.journal', { detail: 'it is closed' });
        if (this.#file.bytes > this.#compactAt) await this.#tryCompact();
        const records = this.#number(batch);
        await this.#write(records.flat());
        batch.forEach((waiting, index) => waiting.resolve(records[index]!));
      } catch (error) {
        const said = error instanceof DrydockError ? error : this.#said(error);
        for (const waiting of batch) waiting.reject(said);
      }
    }
    // In the same step as the look at the queue: what is appended next begins a new round.
    this.#flushing = undefined;
  }

  #number(batch: readonly Waiting[]): JournalRecord[][] {
    let seq = this.lastSeq;
    return batch.map(({ entries }) =>
      entries.map((entry): JournalRecord => {
        if (entry.t !== 'draft') return entry;
        seq += 1;
        return { t: 'report', epoch: this.epoch, report: { ...entry.report, seq } as Report };
      }),
    );
  }

  async #write(records: readonly JournalRecord[]): Promise<void> {
    const payloads = records.map((record) => Buffer.from(JSON.stringify(record)));
    const long = payloads.find((payload) => payload.length > MAX_RECORD_BYTES);
    if (long) throw new DrydockError('gateway.journal', { detail: `a record of ${long.length} bytes` });
    const size = payloads.reduce((sum, payload) => sum + payload.length + RECORD_HEADER_BYTES, 0);
    if (this.#file.bytes + size > this.#maxBytes) {
      throw new DrydockError('gateway.journal', { detail: `it holds ${this.#file.bytes} of ${this.#maxBytes} bytes` });
    }
    let places: RecordPlace[];
    try {
      places = await this.#file.append(payloads);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw this.#said(error);
      this.#setTrouble('gateway.disk-full', 'no space left');
      if (!(await this.#reserve.giveBack())) throw this.#said(error);
      places = await this.#file.append(payloads).catch((second: unknown) => {
        throw this.#said(second);
      });
    }
    records.forEach((record, index) => this.#ledger.apply(record, places[index]!));
  }

  #said(error: unknown): DrydockError {
    const failure = error as NodeJS.ErrnoException;
    if (failure.code === 'ENOSPC') {
      this.#setTrouble('gateway.disk-full', 'no space left');
      return new DrydockError('gateway.disk-full', {}, { cause: error });
    }
    // After a failed sync nobody knows what is on disk: only a new start, which reads it, can go on.
    this.#setTrouble('gateway.journal', failure.message);
    return new DrydockError('gateway.journal', { detail: failure.message }, { cause: error });
  }

  #setTrouble(code: 'gateway.disk-full' | 'gateway.journal', detail: string): void {
    this.#trouble = code;
    this.#troubleDetail = detail;
  }

  /** A compaction that finds no room leaves the journal as it is. */
  async #tryCompact(): Promise<void> {
    await this.#compact().catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC') throw error;
      this.#compactAt = this.#file.bytes + COMPACT_FROM_BYTES;
    });
  }

  /** Leaves out what nobody needs any more: ended attempts, old cursors, acknowledged reports past their time. */
  async #compact(): Promise<void> {
    const bytes = await readOrEmpty(this.#file.path);
    const all = scanJournal(bytes).records.flatMap((framed) => {
      const record = parseRecord(framed.payload);
      return typeof record === 'string' ? [] : [{ record, payload: framed.payload }];
    });
    let kept = all.filter(({ record }) => this.#needed(record, this.#ledger.serverTimeMs - KEEP_ACKNOWLEDGED_MS));
    const sizeOf = (records: typeof kept): number =>
      records.reduce((sum, { payload }) => sum + payload.length + RECORD_HEADER_BYTES, 0);
    if (sizeOf(kept) > this.#maxBytes / 2) {
      // Too much for its bounds: the oldest acknowledged reports go first, those not acknowledged stay.
      let excess = sizeOf(kept) - this.#maxBytes / 4;
      kept = kept.filter(({ record, payload }) => {
        if (excess <= 0 || record.t !== 'report' || !this.#isAcknowledged(record.epoch, record.report.seq)) return true;
        excess -= payload.length + RECORD_HEADER_BYTES;
        return false;
      });
    }
    const covered = this.#stillCovered(new Set(kept), all);
    kept = kept.filter(({ record }) => record.t !== 'epoch' || covered.has(record.epoch));
    const head: JournalRecord[] = this.#ledger.reign > 0 ? [{ t: 'reign', reign: this.#ledger.reign }] : [];
    const epochsKept = new Set(kept.flatMap(({ record }) => (record.t === 'report' ? [record.epoch] : [])));
    epochsKept.add(this.epoch);
    const tail: JournalRecord[] = [...this.#ledger.epochs.values()]
      .filter((book) => epochsKept.has(book.epoch) && book.ackedAtMs > 0)
      .map((book) => ({ t: 'ack', of: book.epoch, cursor: book.cursor, atMs: book.ackedAtMs }));
    const payloads = [
      ...head.map((record) => Buffer.from(JSON.stringify(record))),
      ...kept.map(({ payload }) => payload),
      ...tail.map((record) => Buffer.from(JSON.stringify(record))),
    ];
    this.#reload(payloads, await this.#file.replace(payloads));
    this.#compactAt = Math.max(COMPACT_FROM_BYTES, this.#file.bytes * 2);
  }

  #needed(record: JournalRecord, acknowledgedSinceMs: number): boolean {
    switch (record.t) {
      case 'epoch':
        return true;
      case 'grant':
      case 'answered':
      case 'before': {
        const book = this.#ledger.attempts.get(attemptKey(record.t === 'grant' ? record.grant : record.ref));
        // Ended ones of this epoch are remembered: an order that still names them must not start them again.
        return (
          book !== undefined && (book.state === 'granted' || book.state === 'touched' || book.epoch === this.epoch)
        );
      }
      case 'report': {
        const book = this.#ledger.epochs.get(record.epoch);
        return (
          record.epoch === this.epoch ||
          !this.#isAcknowledged(record.epoch, record.report.seq) ||
          (book?.ackedAtMs ?? 0) >= acknowledgedSinceMs ||
          this.#isOpen(record.report)
        );
      }
      case 'ack':
      case 'reign':
        return false;
    }
  }

  /** Epochs that the journal can still answer for when only `kept` is left of `all`. */
  #stillCovered<Entry extends { record: JournalRecord }>(kept: ReadonlySet<Entry>, all: readonly Entry[]): Set<Epoch> {
    const order = [...this.#ledger.epochs.keys()];
    const pruned = all
      .filter((entry) => !kept.has(entry))
      .map(({ record }) => (record.t === 'report' && this.#tellsOfAttempt(record.report) ? record.epoch : undefined));
    // A report may tell of an attempt of its own epoch or of any before it.
    const lost = Math.max(-1, ...pruned.map((epoch) => (epoch === undefined ? -1 : order.indexOf(epoch))));
    const whole = [...this.#ledger.starts].filter((epoch) => order.indexOf(epoch) > lost);
    return new Set(whole.slice(-MAX_STARTS));
  }

  #tellsOfAttempt(report: Report): boolean {
    return report.kind !== 'epoch-started' && report.kind !== 'downloading';
  }

  #isOpen(report: Report): boolean {
    if (report.kind === 'epoch-started') return false;
    const state = this.#ledger.attempts.get(attemptKey(report.ref))?.state;
    return state === 'granted' || state === 'touched';
  }

  #isAcknowledged(epoch: Epoch, seq: number): boolean {
    return seq <= (this.#ledger.epochs.get(epoch)?.cursor ?? 0);
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
