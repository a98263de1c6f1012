/**
 * Exposure over time: open advisories are counted every few minutes. A sample is kept, for ever, when a day begins, when
 * the numbers moved since one that is an hour old, and when the last exposed device is gone or a first one came.
 */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { recordEvent } from '../webhooks/record-event.js';
import { readAdvisory, type AdvisoryRow } from './advisory-rows.js';
import { countExposure, numbersByModel, type ModelNumbers } from './exposure-counts.js';

const EVERY_MS = 5 * 60_000;

@Injectable()
export class ExposureSampler implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    @Inject(QUEUES) private readonly queues: Queues,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: 'exposure-sample', everyMs: EVERY_MS }, () => this.sampleAll());
  }

  /** Every open advisory of every organisation, each in a transaction of its own. */
  async sampleAll(): Promise<void> {
    const open = await queryRows<{ id: string; org_id: string }>(
      this.source.manager,
      `select id, org_id from advisories where state = 'open' order by id`,
    );
    for (const { id, org_id } of open) await inTransaction(this.source, (tx) => this.sample(tx, org_id, id));
  }

  /** @throws ProblemError when the advisory is gone meanwhile and was not asked for by the tick. */
  async sample(tx: EntityManager, orgId: string, id: string): Promise<void> {
    const locked = await queryRows(tx, 'select 1 from advisories where org_id = $1 and id = $2 for update', [
      orgId,
      id,
    ]);
    if (locked.length === 0) return;
    const advisory = await readAdvisory(tx, orgId, id);
    const numbers = numbersByModel(advisory.models, await countExposure(tx, orgId, advisory.models));
    let affected = 0;
    let unknown = 0;
    let total = 0;
    for (const entry of numbers.values()) {
      affected += entry.affected;
      unknown += entry.unknown;
      total += entry.total;
    }
    const exposed = affected + unknown;
    const before = advisory.last_exposed === null ? null : Number(advisory.last_exposed);
    const turned = before === null || (before === 0) !== (exposed === 0);
    await this.keep(tx, advisory, numbers, turned);
    await queryRows(tx, 'update advisories set last_exposed = $2 where id = $1', [id, exposed]);
    if (advisory.state !== 'open') return;
    const about = { advisory: id, cve: advisory.cve, title: advisory.title };
    const subject = { kind: 'advisory', id };
    if (exposed === 0 && before !== null && before > 0) {
      await recordEvent(tx, { orgId, kind: 'exposure.zero', subject, payload: { ...about, devices: total } });
    } else if (exposed > 0 && (before === null || before === 0)) {
      const payload = { ...about, affected, unknown, devices: total };
      await recordEvent(tx, { orgId, kind: 'exposure.found', subject, payload });
    }
  }

  private async keep(
    tx: EntityManager,
    advisory: AdvisoryRow,
    numbers: ReadonlyMap<string, ModelNumbers>,
    turned: boolean,
  ): Promise<void> {
    const rows = [...numbers].map(([model, entry]) => ({
      model,
      affected: entry.affected,
      affected_silent: entry.affectedSilent,
      unknown: entry.unknown,
      total: entry.total,
    }));
    await queryRows(
      tx,
      `insert into exposure_samples (advisory_id, model, at, affected, affected_silent, unknown, total)
       select $1::uuid, x.model, date_trunc('milliseconds', clock_timestamp()), x.affected, x.affected_silent, x.unknown, x.total
       from jsonb_to_recordset($2::jsonb) as x(model text, affected bigint, affected_silent bigint, unknown bigint, total bigint)
       left join lateral (select * from exposure_samples s where s.advisory_id = $1::uuid and s.model = x.model
         order by s.at desc limit 1) last on true
       where last.at is null or $3 or date_trunc('day', last.at, 'UTC') < date_trunc('day', clock_timestamp(), 'UTC')
         or (last.at <= clock_timestamp() - interval '1 hour'
           and (last.affected, last.affected_silent, last.unknown, last.total)
             is distinct from (x.affected, x.affected_silent, x.unknown, x.total))
       on conflict do nothing`,
      [advisory.id, JSON.stringify(rows), turned],
    );
  }
}
