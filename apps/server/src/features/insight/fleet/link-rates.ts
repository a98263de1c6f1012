/** What a gateway's link has done with a model before: measured, so that "18 of 21 kB/s possible" can be said. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { DeviceNow } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';

type LinkRate = NonNullable<DeviceNow['deployment']>['linkRate'];

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

  /** As the gateway itself measured each transfer; what follows it (restart, proof) is not the link's. */
  private async read(gatewayId: string, model: string): Promise<LinkRate> {
    const [row] = await queryRows<{ n: number; rate: number | null }>(
      this.source.manager,
      `select count(*)::int as n, percentile_cont(0.9) within group (order by rate) as rate from (
         select a.bytes_per_second as rate from attempts a join campaigns c on c.id = a.campaign_id
           join artifacts art on art.id = c.artifact_id
         where a.gateway_id = $1 and a.granted_at > now() - interval '30 days' and a.outcome = 'proven'
           and a.bytes_per_second > 0 and art.model = $2
         order by a.granted_at desc limit ${NEWEST_TRANSFERS}) newest`,
      [gatewayId, model],
    );
    if (!row || row.rate === null || row.n < FEWEST) return null;
    return { bytesPerSecond: row.rate, of: row.n };
  }
}
