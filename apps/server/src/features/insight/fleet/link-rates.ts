/** What a gateway's link has done with a model before: measured, so that "18 of 21 kB/s possible" can be said. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { DeviceNow } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';

type LinkRate = NonNullable<DeviceNow['deployment']>['linkRate'];

const NEWEST_TRIES = 200;
const NEWEST_TRANSFERS = 50;
/** Fewer say nothing about what is possible. */
const FEWEST = 5;
/** It moves slowly, and the page asks every few seconds. */
const FRESH_MS = 60_000;
const MAX_REMEMBERED = 1_000;

@Injectable()
export class LinkRates {
  private readonly remembered = new Map<string, { readonly rate: Promise<LinkRate>; readonly atMs: number }>();

  constructor(private readonly source: DataSource) {}

  of(gatewayId: string, model: string): Promise<LinkRate> {
    const key = `${gatewayId} ${model}`;
    const known = this.remembered.get(key);
    if (known && performance.now() - known.atMs < FRESH_MS) return known.rate;
    const rate = this.read(gatewayId, model);
    rate.catch(() => this.remembered.delete(key));
    this.remembered.delete(key);
    this.remembered.set(key, { rate, atMs: performance.now() });
    const [oldest] = this.remembered.keys();
    if (this.remembered.size > MAX_REMEMBERED && oldest !== undefined) this.remembered.delete(oldest);
    return rate;
  }

  /** First touch to last byte, as the gateway's own clock has them; what follows (restart, proof) is not the link's. */
  private async read(gatewayId: string, model: string): Promise<LinkRate> {
    const [row] = await queryRows<{ n: number; rate: number | null }>(
      this.source.manager,
      `with tries as (
         select deployment_id, attempt, reign, granted_at, sent_bytes from attempts
         where gateway_id = $1 and granted_at > now() - interval '30 days' and outcome = 'proven' and sent_bytes > 0
           and campaign_id in (select c.id from campaigns c join artifacts a on a.id = c.artifact_id where a.model = $2)
         order by granted_at desc limit ${NEWEST_TRIES}),
       transfers as (
         select t.sent_bytes * 1000.0 / (said.over - said.begun) as rate from tries t cross join lateral (
           select min((r.body->>'atMs')::float8) filter (where r.kind = 'touched') as begun,
             max((r.body->>'atMs')::float8) filter (where r.kind = 'complete') as over
           from reports r where r.deployment_id = t.deployment_id and r.attempt = t.attempt and r.reign = t.reign
             and r.gateway_id = $1 and r.received_at >= t.granted_at and r.kind in ('touched', 'complete')
             and r.disposition <> 'refused') said
         where said.over > said.begun limit ${NEWEST_TRANSFERS})
       select count(*)::int as n, percentile_cont(0.9) within group (order by rate) as rate from transfers`,
      [gatewayId, model],
    );
    if (!row || row.rate === null || row.n < FEWEST) return null;
    return { bytesPerSecond: row.rate, of: row.n };
  }
}
