/** Keyset cursors: the sort values of the last row, opaque to clients. */
import { z } from 'zod';
import { ProblemError } from './problem-error.js';

/** A time as Postgres writes it, to the microsecond, that it can read again: a cursor comes back from anybody. */
export const CursorTime = z
  .string()
  .regex(/^(?!0000)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d)?$/)
  .refine((at) => isMoment(`${at.slice(0, 10)}T${at.slice(11, 19)}`));

const MAX_BIGINT = 2n ** 63n - 1n;
/** A number of a `bigint` column, as text. */
export const CursorBigint = z
  .string()
  .regex(/^-?\d{1,19}$/)
  .refine((text) => BigInt(text) <= MAX_BIGINT && BigInt(text) >= -MAX_BIGINT - 1n);

/** The 30th of February is taken for a day of March. */
function isMoment(text: string): boolean {
  const ms = Date.parse(`${text}Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

/** A number of an `int` column. */
export const CursorInt = z.int().min(-2_147_483_648).max(2_147_483_647);

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
