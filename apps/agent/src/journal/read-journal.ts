/** A journal as a start of the agent finds it. */
import type { JournalDisk } from './disk.js';
import { Ledger } from './ledger.js';
import { isDoubtful, parseRecord } from './parse-record.js';
import { RECORD_HEADER_BYTES, scanJournal, type FramedRecord } from './record-framing.js';

/** What a file holds: all of it, or of a damaged one what can still be believed. */
export function readJournal(bytes: Buffer): {
  readonly found: 'new' | 'intact' | 'damaged';
  readonly notes: readonly string[];
  readonly ledger: Ledger;
  readonly payloads: readonly Buffer[];
  readonly keptBytes: number;
  readonly nextNumber: number;
} {
  const scan = scanJournal(bytes);
  const read = (framed: readonly FramedRecord[]): Ledger => {
    const ledger = new Ledger();
    for (const { payload, offset } of framed) {
      const record = parseRecord(payload);
      if (typeof record !== 'string')
        ledger.apply(record, { offset: offset + RECORD_HEADER_BYTES, length: payload.length });
    }
    return ledger;
  };
  const forms = scan.records.map(({ payload }) => parseRecord(payload));
  const unreadable = forms.filter((form) => form === 'broken').length;
  const notes = [scan.note, unreadable > 0 ? `${unreadable} records have no known form` : undefined].filter(
    (note) => note !== undefined,
  );
  const found = notes.length > 0 ? 'damaged' : scan.state;
  const all = read(scan.records);
  const whole = scan.records.filter(
    ({ payload }, index) => typeof forms[index] !== 'string' && !(found === 'damaged' && isDoubtful(payload, all)),
  );
  return {
    found,
    notes,
    ledger: found === 'damaged' ? read(whole) : all,
    payloads: whole.map(({ payload }) => payload),
    keptBytes: found === 'intact' ? scan.keptBytes : bytes.length,
    nextNumber: scan.nextNumber,
  };
}

/** The damaged file under a second name: that takes no room. Where names cannot be shared, its bytes. */
export async function keepCopy(disk: JournalDisk, path: string): Promise<boolean> {
  const to = `${path}.damaged`;
  await disk.unlink(to).catch(() => undefined);
  try {
    await disk.link(path, to).catch(() => disk.copy(path, to));
    return true;
  } catch {
    await disk.unlink(to).catch(() => undefined);
    return false;
  }
}
