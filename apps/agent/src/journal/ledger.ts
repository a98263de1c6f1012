/**
 * What the journal's records amount to: epochs with their cursors, attempts with their state. Reports
 * themselves stay on disk; only their places are kept in memory.
 */
import type { AttemptRef, Epoch, Grant, Report } from '@drydock/contracts';
import type { Identification } from '@drydock/dfu-core';
import { attemptKey, refOf, type JournalRecord } from './records.js';

export interface RecordPlace {
  readonly offset: number;
  /** Of the payload. */
  readonly length: number;
}

export interface EpochBook {
  readonly epoch: Epoch;
  /** Highest number issued; 0 = none. */
  lastSeq: number;
  /** Up to which the server says that it has committed. */
  cursor: number;
  /** Server's time of the newest ack. */
  ackedAtMs: number;
  /** Where each report is, by its number. A number without a place is lost or was pruned. */
  readonly places: Map<number, RecordPlace>;
}

export type AttemptState = 'granted' | 'touched' | 'withdrawn' | 'ended';
export type Step = Exclude<Report['kind'], 'epoch-started' | 'withdrawn' | 'downloading' | 'ended'>;

export interface AttemptBook {
  readonly ref: AttemptRef;
  /** The epoch whose order granted it. */
  readonly epoch: Epoch;
  readonly grant: Grant;
  state: AttemptState;
  readonly steps: Set<Step>;
  before?: Identification;
  link?: string;
  /** The unit answered after it was touched. */
  answered: boolean;
}

/** How far an attempt has come, as its reports tell it. */
export type LastWord = 'touched' | 'withdrawn' | 'ended';

export class Ledger {
  readonly epochs = new Map<Epoch, EpochBook>();
  readonly attempts = new Map<string, AttemptBook>();
  /** Epochs that began with this journal and of which nothing was lost since, in their order. */
  readonly starts = new Set<Epoch>();
  /** Of attempts that reports speak of, also where the grant was left out or never came. */
  readonly words = new Map<string, LastWord>();
  reign = 0;
  /** Newest time of the server that an ack carried: the measure of age, because gateways often have no clock. */
  serverTimeMs = 0;

  apply(record: JournalRecord, place: RecordPlace): void {
    switch (record.t) {
      case 'epoch':
        this.#epoch(record.epoch);
        this.starts.add(record.epoch);
        break;
      case 'grant': {
        const key = attemptKey(record.grant);
        const known = this.attempts.get(key);
        this.attempts.set(key, {
          ref: refOf(record.grant),
          epoch: record.epoch,
          grant: record.grant,
          state: known?.state ?? 'granted',
          steps: known?.steps ?? new Set(),
          answered: known?.answered ?? false,
          ...(known?.before && { before: known.before }),
          ...(known?.link && { link: known.link }),
        });
        break;
      }
      case 'before': {
        const attempt = this.attempts.get(attemptKey(record.ref));
        if (attempt) {
          attempt.before = record.identification as Identification;
          attempt.link = record.link;
        }
        break;
      }
      case 'answered': {
        const attempt = this.attempts.get(attemptKey(record.ref));
        if (attempt) attempt.answered = true;
        break;
      }
      case 'report': {
        const book = this.#epoch(record.epoch);
        book.lastSeq = Math.max(book.lastSeq, record.report.seq);
        book.places.set(record.report.seq, place);
        this.#follow(record.report);
        break;
      }
      case 'ack': {
        const book = this.#epoch(record.of);
        book.cursor = record.cursor;
        book.ackedAtMs = record.atMs;
        this.serverTimeMs = Math.max(this.serverTimeMs, record.atMs);
        break;
      }
      case 'reign':
        this.reign = Math.max(this.reign, record.reign);
        for (const book of this.epochs.values()) book.cursor = 0;
        break;
    }
  }

  /** The next number of this epoch is above `lastSeq`, whether or not its reports are still kept. */
  carry(epoch: Epoch, lastSeq: number): void {
    const book = this.#epoch(epoch);
    book.lastSeq = Math.max(book.lastSeq, lastSeq);
  }

  #epoch(epoch: Epoch): EpochBook {
    let book = this.epochs.get(epoch);
    if (!book) {
      book = { epoch, lastSeq: 0, cursor: 0, ackedAtMs: 0, places: new Map() };
      this.epochs.set(epoch, book);
    }
    return book;
  }

  #follow(report: Report): void {
    if (report.kind === 'epoch-started' || report.kind === 'downloading') return;
    const key = attemptKey(report.ref);
    const isLast = report.kind === 'ended' || report.kind === 'withdrawn';
    this.words.set(key, isLast ? report.kind : (this.words.get(key) ?? 'touched'));
    const attempt = this.attempts.get(key);
    if (!attempt) return;
    if (report.kind === 'ended') attempt.state = 'ended';
    else if (report.kind === 'withdrawn') attempt.state = 'withdrawn';
    else {
      attempt.state = attempt.state === 'granted' ? 'touched' : attempt.state;
      attempt.steps.add(report.kind);
    }
  }
}
