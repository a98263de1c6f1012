/** What dispatch shows to Prometheus: read from the database when asked. */
import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { HOLDING_DEPLOYMENT_STATES } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { Metrics } from '../insight/health/metrics.js';

/** Age of the oldest order that an online gateway does not hold yet; 0 when there is none. */
export async function outboxAgeSeconds(tx: Queryable): Promise<number> {
  const [row] = await queryRows<{ age: number | null }>(
    tx,
    `select extract(epoch from clock_timestamp() - min(coalesce(o.built_at, o.publish_after)))::float8 as age
     from orders o join gateways g on g.id = o.gateway_id where o.dirty and g.online`,
  );
  return Math.max(0, row?.age ?? 0);
}

@Injectable()
export class DispatchMetrics {
  constructor(metrics: Metrics, source: DataSource) {
    const registers = [metrics.registry];
    new Gauge({
      name: 'drydock_orders_outbox_age_seconds',
      help: 'Age of the oldest order that an online gateway does not hold yet; 0 when there is none.',
      registers,
      async collect() {
        this.set(await outboxAgeSeconds(source.manager));
      },
    });
    new Gauge({
      name: 'drydock_deployments_in_flight',
      help: 'Deployments that hold a grant.',
      registers,
      async collect() {
        const [row] = await queryRows<{ n: number }>(
          source.manager,
          'select coalesce(sum(n), 0)::float8 as n from campaign_counters where state = any($1)',
          [HOLDING_DEPLOYMENT_STATES],
        );
        this.set(row!.n);
      },
    });
  }
}
