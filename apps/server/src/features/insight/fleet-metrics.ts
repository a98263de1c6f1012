/**
 * What campaigns and fleet show to Prometheus: read from counters when asked, one read for a scrape. Every server of a
 * cluster shows the same numbers, so they are joined by `max`, never added. Labels are states and codes of `contracts`.
 */
import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { DataSource } from 'typeorm';
import { CAMPAIGN_STATES, DEPLOYMENT_STATES, isErrorCode } from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { Metrics } from './health/metrics.js';
import { LiveEvents } from './live-events.js';

/** A code of a newer agent that this server does not know. */
const OTHER = 'other';
/** Gauges of one scrape share what was read for it. */
const FRESH_MS = 2_000;

interface Numbers {
  readonly deployments: Readonly<Record<string, number>>;
  readonly campaigns: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly gateways: { readonly online: number; readonly offline: number; readonly quarantined: number };
  readonly waiting: { readonly orders: number; readonly deliveries: number };
}

@Injectable()
export class FleetMetrics {
  private last: { readonly atMs: number; readonly read: Promise<Numbers> } | undefined;

  constructor(
    metrics: Metrics,
    private readonly source: DataSource,
    dispatch: DispatchEvents,
    live: LiveEvents,
  ) {
    const registers = [metrics.registry];
    const byState = (
      name: string,
      help: string,
      states: readonly string[],
      of: (numbers: Numbers) => Readonly<Record<string, number>>,
    ): void => {
      const read = (): Promise<Numbers> => this.numbers();
      new Gauge({
        name,
        help,
        labelNames: ['state'],
        registers,
        async collect() {
          const counts = of(await read());
          for (const state of states) this.set({ state }, counts[state] ?? 0);
        },
      });
    };
    byState('drydock_deployments', 'Members of all campaigns by state.', DEPLOYMENT_STATES, (all) => all.deployments);
    byState('drydock_campaigns', 'Campaigns by state.', CAMPAIGN_STATES, (all) => all.campaigns);
    byState(
      'drydock_gateways',
      'Gateways that are connected, that are not, and that are quarantined.',
      ['online', 'offline', 'quarantined'],
      (all) => all.gateways,
    );
    byState(
      'drydock_outbox',
      'What waits to be heard of: orders of connected gateways, deliveries of webhooks.',
      ['orders', 'deliveries'],
      (all) => all.waiting,
    );
    const read = (): Promise<Numbers> => this.numbers();
    new Counter({
      name: 'drydock_failed_tries_total',
      help: 'Tries of all campaigns that failed, by error code.',
      labelNames: ['code'],
      registers,
      async collect() {
        const { failures } = await read();
        this.reset();
        for (const [code, n] of Object.entries(failures)) this.inc({ code }, n);
      },
    });
    const grants = new Counter({
      name: 'drydock_grants_total',
      help: 'Grants that this server gave, by what they are for.',
      labelNames: ['mode'],
      registers,
    });
    for (const mode of ['update', 'rescue']) grants.inc({ mode }, 0);
    dispatch.onDecided(({ kind, params }) => {
      const { count, mode } = params;
      if (kind !== 'grants.given' || typeof count !== 'number') return;
      grants.inc({ mode: mode === 'rescue' ? 'rescue' : 'update' }, count);
    });
    new Gauge({
      name: 'drydock_event_watchers',
      help: 'Open streams of live events.',
      registers,
      collect() {
        this.set(live.watching);
      },
    });
  }

  private numbers(): Promise<Numbers> {
    const now = performance.now();
    if (this.last && now - this.last.atMs < FRESH_MS) return this.last.read;
    const read = this.read();
    this.last = { atMs: now, read };
    read.catch(() => {
      if (this.last?.read === read) this.last = undefined;
    });
    return read;
  }

  private async read(): Promise<Numbers> {
    const tx = this.source.manager;
    const rows = await queryRows<{ kind: 'deployments' | 'campaigns' | 'failures'; key: string; n: number }>(
      tx,
      `select 'deployments' as kind, state as key, sum(n)::float8 as n from campaign_counters group by state
       union all select 'campaigns', state, count(*)::float8 from campaigns group by state
       union all select 'failures', code, sum(n)::float8 from failure_counters group by code`,
    );
    const [fleet] = await queryRows<Record<'online' | 'offline' | 'quarantined' | 'orders' | 'deliveries', number>>(
      tx,
      `select count(*) filter (where online)::float8 as online, count(*) filter (where not online)::float8 as offline,
         count(*) filter (where state = 'quarantined')::float8 as quarantined,
         (select count(*) from orders o join gateways g on g.id = o.gateway_id where o.dirty and g.online)::float8 as orders,
         (select count(*) from webhook_deliveries where state = 'waiting')::float8 as deliveries
       from gateways where state <> 'decommissioned'`,
    );
    const of = (kind: (typeof rows)[number]['kind']): Record<string, number> => {
      const counts: Record<string, number> = {};
      for (const row of rows) {
        if (row.kind !== kind) continue;
        const key = kind === 'failures' && !isErrorCode(row.key) ? OTHER : row.key;
        counts[key] = (counts[key] ?? 0) + row.n;
      }
      return counts;
    };
    const { online, offline, quarantined, orders, deliveries } = fleet!;
    return {
      deployments: of('deployments'),
      campaigns: of('campaigns'),
      failures: of('failures'),
      gateways: { online, offline, quarantined },
      waiting: { orders, deliveries },
    };
  }
}
