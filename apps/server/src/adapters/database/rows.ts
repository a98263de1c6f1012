/** Rows of a statement, whatever its kind: TypeORM answers UPDATE and DELETE with a pair of rows and count. */
import type { EntityManager } from 'typeorm';

export type Queryable = Pick<EntityManager, 'query'>;

/** @returns the rows that the statement gives back (`returning` for changes); none for a change without it. */
export async function queryRows<T>(tx: Queryable, sql: string, params: unknown[] = []): Promise<T[]> {
  const answer: unknown = await tx.query(sql, params);
  if (!Array.isArray(answer)) return [];
  const isPair =
    answer.length === 2 && Array.isArray(answer[0]) && (typeof answer[1] === 'number' || answer[1] === null);
  return (isPair ? answer[0] : answer) as T[];
}
