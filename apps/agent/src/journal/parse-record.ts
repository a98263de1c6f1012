/** Records as they are found on disk: which can be read, and which of them can be believed. */
import type { Ledger } from './ledger.js';
import { JournalRecord, attemptKey } from './records.js';

/**
 * In a damaged journal a grant without a sign of a start proves nothing: the record of its start may be
 * what was lost. It is left out, so that no later start of the agent takes it for one that never began;
 * so are the starts, because nobody can answer for those epochs any more.
 */
export function isDoubtful(payload: Buffer, ledger: Ledger): boolean {
  const record = parseRecord(payload);
  if (typeof record === 'string') return false;
  if (record.t === 'epoch') return true;
  if (record.t !== 'grant' && record.t !== 'before') return false;
  return ledger.attempts.get(attemptKey(record.t === 'grant' ? record.grant : record.ref))?.state === 'granted';
}

/** @returns `unknown` for a record of a newer agent, `broken` for one that is none. */
export function parseRecord(payload: Buffer): JournalRecord | 'unknown' | 'broken' {
  try {
    const value = JSON.parse(payload.toString('utf8')) as { t?: unknown };
    const parsed = JournalRecord.safeParse(value);
    if (parsed.success) return parsed.data;
    const known: readonly unknown[] = ['epoch', 'grant', 'before', 'answered', 'report', 'ack', 'reign'];
    return known.includes(value.t) ? 'broken' : 'unknown';
  } catch {
    return 'broken';
  }
}
