/** What keeps the database within its bounds: partitions made and dropped, old idempotency keys removed. */
import type { DataSource } from 'typeorm';
import { IDEMPOTENCY_KEPT } from './http/idempotency.js';
import type { Settings } from './settings/settings.js';
import type { Queues } from './adapters/queue/queues.js';
import { maintainPartitions } from './adapters/database/partitions.js';
import { databaseNowMs, inTransaction } from './adapters/database/transaction.js';

const EVERY_MS = 3_600_000;

export function defineHousekeeping(
  queues: Queues,
  dataSource: DataSource,
  settings: Pick<Settings, 'reportRetentionDays' | 'auditRetentionMonths'>,
): void {
  queues.define({ name: 'housekeeping', everyMs: EVERY_MS }, async () => {
    await inTransaction(dataSource, async (tx) =>
      maintainPartitions(tx, new Date(await databaseNowMs(tx)), {
        reportDays: settings.reportRetentionDays,
        auditMonths: settings.auditRetentionMonths,
      }),
    );
    await dataSource.query(`delete from idempotency_keys where created_at < now() - ${IDEMPOTENCY_KEPT}`);
  });
}
