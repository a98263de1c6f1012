/**
 * What stays of a journal when it is written anew: what nobody needs any more goes; and where the bound is near, first
 * acknowledged reports, then the steps of attempts whose end is kept. Results that the server has not committed never go.
 */
import type { Epoch, Report } from '@drydock/contracts';
import type { Ledger } from './ledger.js';
import { RECORD_HEADER_BYTES } from './record-framing.js';
import { attemptKey, type JournalRecord } from './records.js';

/** Acknowledged reports are kept this long, for a server that was restored from a backup. */
export const KEEP_ACKNOWLEDGED_MS = 30 * 24 * 3_600_000;
/** Starts that are remembered, to answer for grants that never arrived. */
const MAX_STARTS = 256;

export interface Entry {
  readonly record: JournalRecord;
  readonly payload: Buffer;
}

/**
 * @param all every record of the file, in order.
 * @param ledger what they add up to.
 * @returns the payloads of the new file.
 */
export function compacted(all: readonly Entry[], ledger: Ledger, epoch: Epoch, maxBytes: number): Buffer[] {
  let kept = all.filter(({ record }) => isNeeded(record, ledger, epoch));
  const isTight = (): boolean => sizeOf(kept) > maxBytes / 2;
  const drop = (mayGo: (entry: Entry) => boolean): void => void (kept = dropOldest(kept, maxBytes / 4, mayGo));
  // Whoever still has an open attempt is told of as a whole: without its `touched` it would look as if never started.
  const isHistory = ({ record }: Entry): boolean =>
    isAcknowledgedReport(record, ledger) && record.t === 'report' && !isOpen(record.report, ledger);
  if (isTight()) drop((entry) => isHistory(entry) && !isLastWord(entry.record));
  if (isTight()) {
    const ended = endsIn(kept);
    drop(({ record }) => isMereStep(record, ended) || (isBareStart(record) && record.epoch !== epoch));
  }
  if (isTight()) {
    // With the last word its grant goes, and before it, as they lie: alone it would look like one that was never started.
    const over = endsIn(kept.filter(isHistory));
    const unsaid = new Set(
      kept.filter((entry) => entry.record.t === 'report' && !isHistory(entry)).map(({ record }) => keyOf(record)),
    );
    drop(({ record }) => {
      const key = keyOf(record);
      return key !== undefined && over.has(key) && !unsaid.has(key);
    });
  }
  const covered = stillCovered(new Set(kept), all, ledger);
  kept = kept.filter(({ record }) => record.t !== 'epoch' || covered.has(record.epoch));
  const head: JournalRecord[] = ledger.reign > 0 ? [{ t: 'reign', reign: ledger.reign }] : [];
  const epochsKept = new Set(kept.flatMap(({ record }) => (record.t === 'report' ? [record.epoch] : [])));
  epochsKept.add(epoch);
  const tail: JournalRecord[] = [...ledger.epochs.values()]
    .filter((book) => epochsKept.has(book.epoch) && book.ackedAtMs > 0)
    .map((book) => ({ t: 'ack', of: book.epoch, cursor: book.cursor, atMs: book.ackedAtMs }));
  const encode = (record: JournalRecord): Buffer => Buffer.from(JSON.stringify(record));
  return [...head.map(encode), ...kept.map(({ payload }) => payload), ...tail.map(encode)];
}

function isNeeded(record: JournalRecord, ledger: Ledger, epoch: Epoch): boolean {
  switch (record.t) {
    case 'epoch':
      return true;
    case 'grant':
    case 'answered':
    case 'before': {
      const book = ledger.attempts.get(attemptKey(record.t === 'grant' ? record.grant : record.ref));
      // Ended ones of this epoch are remembered: an order that still names them must not start them again.
      return book !== undefined && (book.state === 'granted' || book.state === 'touched' || book.epoch === epoch);
    }
    case 'report': {
      const book = ledger.epochs.get(record.epoch);
      return (
        record.epoch === epoch ||
        !isAcknowledgedReport(record, ledger) ||
        (book?.ackedAtMs ?? 0) >= ledger.serverTimeMs - KEEP_ACKNOWLEDGED_MS ||
        isOpen(record.report, ledger)
      );
    }
    case 'ack':
    case 'reign':
      return false;
  }
}

function isAcknowledgedReport(record: JournalRecord, ledger: Ledger): boolean {
  return record.t === 'report' && record.report.seq <= (ledger.epochs.get(record.epoch)?.cursor ?? 0);
}

function isOpen(report: Report, ledger: Ledger): boolean {
  if (report.kind === 'epoch-started') return false;
  const state = ledger.attempts.get(attemptKey(report.ref))?.state;
  return state === 'granted' || state === 'touched';
}

function isLastWord(record: JournalRecord): boolean {
  return record.t === 'report' && (record.report.kind === 'ended' || record.report.kind === 'withdrawn');
}

/** The attempt that a record is about. */
function keyOf(record: JournalRecord): string | undefined {
  switch (record.t) {
    case 'grant':
      return attemptKey(record.grant);
    case 'before':
    case 'answered':
      return attemptKey(record.ref);
    case 'report':
      return record.report.kind === 'epoch-started' ? undefined : attemptKey(record.report.ref);
    default:
      return undefined;
  }
}

/** How an attempt went on its way, once its end is told: the server judges by the start and the end. */
function isMereStep(record: JournalRecord, ended: ReadonlySet<string>): boolean {
  if (record.t !== 'report' || record.report.kind === 'epoch-started') return false;
  const { kind, ref } = record.report;
  return kind !== 'touched' && kind !== 'ended' && kind !== 'withdrawn' && ended.has(attemptKey(ref));
}

/** That an agent started, of an epoch that is over: a gateway that starts again and again without a server fills with it. */
function isBareStart(record: JournalRecord): record is JournalRecord & { t: 'report' } {
  return record.t === 'report' && record.report.kind === 'epoch-started';
}

function endsIn(entries: readonly Entry[]): Set<string> {
  return new Set(
    entries.flatMap(({ record }) =>
      record.t === 'report' && (record.report.kind === 'ended' || record.report.kind === 'withdrawn')
        ? [attemptKey(record.report.ref)]
        : [],
    ),
  );
}

function dropOldest(entries: readonly Entry[], toBytes: number, mayGo: (entry: Entry) => boolean): Entry[] {
  let excess = sizeOf(entries) - toBytes;
  return entries.filter((entry) => {
    if (excess <= 0 || !mayGo(entry)) return true;
    excess -= entry.payload.length + RECORD_HEADER_BYTES;
    return false;
  });
}

/** Epochs that the journal can still answer for when only `kept` is left of `all`. */
function stillCovered(kept: ReadonlySet<Entry>, all: readonly Entry[], ledger: Ledger): Set<Epoch> {
  const order = [...ledger.epochs.keys()];
  // An attempt whose end is kept is told of, whatever else of it went.
  const told = endsIn([...kept]);
  const tells = ({ record }: Entry): boolean =>
    record.t === 'report' &&
    record.report.kind !== 'epoch-started' &&
    record.report.kind !== 'downloading' &&
    !told.has(attemptKey(record.report.ref));
  const pruned = all.filter((entry) => !kept.has(entry) && tells(entry));
  // A report may tell of an attempt of its own epoch or of any before it.
  const lost = Math.max(-1, ...pruned.map(({ record }) => (record.t === 'report' ? order.indexOf(record.epoch) : -1)));
  const whole = [...ledger.starts].filter((epoch) => order.indexOf(epoch) > lost);
  return new Set(whole.slice(-MAX_STARTS));
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { payload }) => sum + payload.length + RECORD_HEADER_BYTES, 0);
}
