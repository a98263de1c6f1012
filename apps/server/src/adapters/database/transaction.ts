/** Transactions and the clock. The servers' clock is Postgres's: read it with the transaction. */
import type { DataSource, EntityManager } from 'typeorm';

/** Runs `work` in one transaction (READ COMMITTED). Retries serialization failures and deadlocks a few times. */
export async function inTransaction<T>(
  source: DataSource,
  work: (tx: EntityManager) => Promise<T>,
  attempts = 5,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await source.transaction(work);
    } catch (error) {
      const code = (error as { code?: string; driverError?: { code?: string } }).driverError?.code;
      if (attempt >= attempts || (code !== '40001' && code !== '40P01')) throw error;
    }
  }
}

/** Milliseconds of the database's clock, now (not the transaction's start). */
export async function databaseNowMs(tx: Pick<EntityManager, 'query'>): Promise<number> {
  const rows = (await tx.query('select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms')) as {
    ms: number;
  }[];
  return Math.floor(rows[0]!.ms);
}
