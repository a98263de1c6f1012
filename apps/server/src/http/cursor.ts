/** Keyset cursors: the sort values of the last row, opaque to clients. */
import type { z } from 'zod';
import { ProblemError } from './problem-error.js';

/** @param values the sort key of the last row of the page, as texts or numbers. */
export function encodeCursor(values: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(values), 'utf8').toString('base64url');
}

/**
 * @param schema form of the values, usually a tuple.
 * @throws ProblemError `request.invalid` when the text is none of ours.
 */
export function decodeCursor<T extends z.ZodType>(text: string, schema: T): z.output<T> {
  try {
    const parsed = schema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
    if (parsed.success) return parsed.data;
  } catch {
    // Not JSON: the same answer.
  }
  const detail = 'query.after is no cursor of this list';
  throw new ProblemError('request.invalid', { detail }, [
    { path: 'query.after', message: 'is no cursor of this list' },
  ]);
}

/**
 * Cuts a page out of `limit + 1` fetched rows.
 * @param keyOf sort key of a row.
 */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  keyOf: (row: Row) => readonly (string | number)[],
  toItem: (row: Row) => Item,
): { items: Item[]; next?: string } {
  const items = rows.slice(0, limit).map(toItem);
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return last === undefined ? { items } : { items, next: encodeCursor(keyOf(last)) };
}
