/** Changes of different tables as one statement: one way to the database and back instead of one for each. */
import type { Queryable } from './rows.js';

/** Makes one change; `param` takes a value and gives back its placeholder. */
export type Part = (param: (value: unknown) => string) => string;

/**
 * Runs the parts together. All of them see what was there before the statement, in no order: no two may change the same
 * table, and whatever rows they change are locked already.
 */
export async function runTogether(tx: Queryable, parts: readonly (Part | undefined)[]): Promise<void> {
  const values: unknown[] = [];
  const param = (value: unknown): string => `$${values.push(value)}`;
  const named = parts.flatMap((part, index) => (part ? [`part${index} as (${part(param)})`] : []));
  if (named.length > 0) await tx.query(`with ${named.join(',\n')} select 1`, values);
}
