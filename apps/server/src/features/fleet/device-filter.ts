/** Filters over devices as they come in over HTTP: refused with every place that is wrong, and never run without an end. */
import type { ProblemPlace } from '@drydock/contracts';
import type { DataSource, EntityManager } from 'typeorm';
import { inTransaction } from '../../adapters/database/transaction.js';
import type { Filter, FilterError } from '../../domain/filter/filter.js';
import type { FilterScope } from '../../domain/filter/filter-fields.js';
import { parseFilter } from '../../domain/filter/parse-filter.js';
import { ProblemError } from '../../http/problem-error.js';

/** @param path place of the filter in the request. @throws ProblemError `request.invalid` (400) with the places. */
export function readFilter(text: string, path: string, scope: FilterScope = 'device'): Filter {
  const parsed = parseFilter(text, scope);
  if (parsed.ok) return parsed.filter;
  const places = parsed.errors.map((error) => filterPlace(error, path));
  throw new ProblemError('request.invalid', { detail: `${path}: ${places[0]!.message}` }, places, { status: 400 });
}

export function filterPlace({ at, length, what, nearest, mend }: FilterError, path: string): ProblemPlace {
  return { path, message: `${what} ${mend}`, at, length, ...(nearest !== undefined && { nearest }) };
}

/** Reads with a limit on every statement. @returns undefined when one took longer. */
export async function readWithin<T>(
  source: DataSource,
  limitMs: number,
  read: (tx: EntityManager) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await inTransaction(source, async (tx) => {
      await tx.query(`select set_config('statement_timeout', $1, true)`, [String(limitMs)]);
      return read(tx);
    });
  } catch (error) {
    const code = (error as { driverError?: { code?: string } }).driverError?.code;
    if (code === '57014') return undefined;
    throw error;
  }
}

/** Longest that a page of a filtered list is looked for. */
const LIST_LIMIT_MS = 10_000;

/** @throws ProblemError `server.unavailable` when the filter is too slow for a list. */
export async function readFilteredList<T>(
  source: DataSource,
  filtered: boolean,
  read: (tx: Pick<EntityManager, 'query'>) => Promise<T>,
): Promise<T> {
  if (!filtered) return read(source.manager);
  const found = await readWithin(source, LIST_LIMIT_MS, read);
  if (found !== undefined) return found;
  throw new ProblemError('server.unavailable', {
    detail: `no page was found within ${LIST_LIMIT_MS} ms; narrow the filter by model, site or tag`,
  });
}
