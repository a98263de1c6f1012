/** What a journal is opened with, and what it says of itself. */
import type { JournalDisk } from './disk.js';
import type { ReportDraft } from './records.js';

/** How it was found at the start. */
export type JournalFound = 'new' | 'intact' | 'damaged';

/** Why nothing new may start. */
export type Trouble = 'gateway.disk-full' | 'gateway.journal';

export interface JournalOptions {
  readonly dir: string;
  /** 128 random bits, hex: the epoch that begins now. */
  readonly epoch: string;
  readonly maxBytes?: number;
  readonly disk?: JournalDisk;
  /** The first reports of the epoch, written in one piece with its beginning. */
  first?(found: JournalFound, note: string | undefined): readonly ReportDraft[];
}

/** A number whose report is gone: the server commits it as refused, and the numbers after it can follow. */
export interface ForgottenReport {
  readonly seq: number;
  readonly kind: 'forgotten';
}
