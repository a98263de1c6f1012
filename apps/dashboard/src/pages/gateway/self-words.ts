/** What a gateway says of its clock and journal, in words. Pure. */
import { bytes, counted } from '../../format/numbers.js';
import { duration } from '../../format/times.js';

/** A wall clock that is so far off is worth a look, though nothing is decided by it. */
export const CLOCK_IS_OFF_MS = 60_000;

/** @param offsetMs its own wall clock less the server's. */
export function clockWords(offsetMs: number): string {
  const distance = Math.abs(offsetMs);
  if (distance < 1_000) return 'right to the second';
  return `${duration(distance)} ${offsetMs > 0 ? 'fast' : 'slow'}`;
}

/** "can be written · 412 records, 70 kB". @param isWritable as its presence says. */
export function journalWords(isWritable: boolean, size: number | null, entries: number | null): string {
  const parts = [entries === null ? '' : counted(entries, 'record'), size === null ? '' : bytes(size)];
  const length = parts.filter((part) => part !== '').join(', ');
  return `${isWritable ? 'can be written' : 'cannot be written'}${length === '' ? '' : ` · ${length}`}`;
}
