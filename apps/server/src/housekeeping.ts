/** What keeps the database within its bounds: partitions made and dropped, old keys, events and deliveries removed. */
import type { DataSource } from 'typeorm';
import { removeOldSignIns } from './features/access/sessions/sessions.service.js';
import { IDEMPOTENCY_KEPT } from './http/idempotency.js';
import type { Settings } from './settings/settings.js';
import type { Queues } from './adapters/queue/queues.js';
import { maintainPartitions } from './adapters/database/partitions.js';
import { queryRows } from './adapters/database/rows.js';
import { databaseNowMs, inTransaction } from './adapters/database/transaction.js';

const EVERY_MS = 3_600_000;

export function defineHousekeeping(
  queues: Queues,
  dataSource: DataSource,
  settings: Pick<Settings, 'reportRetentionDays' | 'auditRetentionMonths' | 'webhookRetentionDays'>,
): void {
  queues.define({ name: 'housekeeping', everyMs: EVERY_MS }, async () => {
    await inTransaction(dataSource, async (tx) =>
      maintainPartitions(tx, new Date(await databaseNowMs(tx)), {
        reportDays: settings.reportRetentionDays,
        auditMonths: settings.auditRetentionMonths,
      }),
    );
    await dataSource.query(`delete from idempotency_keys where created_at < now() - ${IDEMPOTENCY_KEPT}`);
    await removeOldSignIns(dataSource);
    await removeOldEvents(dataSource, settings.webhookRetentionDays);
  });
}

const ROWS_AT_ONCE = 10_000;
const MOST_ROUNDS = 1_000;

/** Events, deliveries and attempts past their days, in pieces, so that no lock is held for long. Samples of exposure stay. */
export async function removeOldEvents(dataSource: DataSource, days: number): Promise<void> {
  for (const [table, column] of [
    ['webhook_deliveries', 'created_at'],
    ['events', 'at'],
  ] as const) {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const removed = await queryRows(
        dataSource.manager,
        `delete from ${table} where id in (
           select id from ${table} where ${column} < now() - make_interval(days => $1) order by ${column} limit ${ROWS_AT_ONCE})
         returning 1`,
        [days],
      );
      if (removed.length < ROWS_AT_ONCE) break;
    }
  }
}
