/** What a filter selects, before anything is done with it: how many, which kinds, some of them, in words. */
import { Injectable } from '@nestjs/common';
import type { FilterPreview } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs } from '../../adapters/database/transaction.js';
import { describeFilter } from '../../domain/filter/describe-filter.js';
import type { Filter } from '../../domain/filter/filter.js';
import { filterToSql } from '../../domain/filter/filter-sql.js';
import type { Actor } from '../access/actor.js';
import { readFilter, readWithin } from './device-filter.js';
import { SqlFilter } from './sql-filter.js';

/** Longest that the devices are counted; then a part of them is, and the rest projected. */
export const COUNT_LIMIT_MS = 3000;
/** Devices of the whole table that the projection looks at, about. */
const PROJECTED_FROM = 20_000;
const PROJECT_LIMIT_MS = 2000;
const SAMPLE_LIMIT_MS = 1000;
const SAMPLE_SIZE = 20;
const STRATA_LISTED = 100;

interface StratumRow {
  readonly model: string | null;
  readonly version: string | null;
  readonly n: number;
}

@Injectable()
export class FilterPreviewService {
  constructor(private readonly source: DataSource) {}

  /**
   * Takes a few seconds at most, whatever the filter and the fleet.
   * @throws ProblemError `request.invalid` (400) with the places that are wrong.
   */
  async preview(actor: Actor, text: string, countLimitMs = COUNT_LIMIT_MS): Promise<FilterPreview> {
    const filter = readFilter(text, 'body.filter');
    const nowMs = await databaseNowMs(this.source.manager);
    const counted = await readWithin(this.source, countLimitMs, (tx) => this.strata(tx, actor, filter, nowMs, ''));
    const strata = counted ?? (await this.projected(actor, filter, nowMs));
    const listed = strata.slice(0, STRATA_LISTED);
    const others = strata.slice(STRATA_LISTED);
    const sample = await readWithin(this.source, SAMPLE_LIMIT_MS, (tx) => this.sample(tx, actor, filter, nowMs));
    return {
      sentence: describeFilter(filter),
      count: sum(strata),
      exact: counted !== undefined,
      strata: listed.map(({ model, version, n }) => ({ model, version, count: n })),
      otherStrata: { strata: others.length, count: sum(others) },
      sample: sample ?? null,
    };
  }

  private strata(
    tx: EntityManager,
    actor: Actor,
    filter: Filter,
    nowMs: number,
    tableSample: string,
  ): Promise<StratumRow[]> {
    const where = this.where(actor, filter, nowMs);
    return queryRows<StratumRow>(
      tx,
      `select dev.model, dev.running_version as version, count(*)::int as n from devices dev ${tableSample}
       where ${where.where} group by dev.model, dev.running_version order by n desc, dev.model, dev.running_version`,
      where.params,
    );
  }

  /** From random pages of the table, whose share of it is known. */
  private async projected(actor: Actor, filter: Filter, nowMs: number): Promise<StratumRow[]> {
    const [table] = await queryRows<{ rows: number }>(
      this.source.manager,
      `select greatest(reltuples, 1)::float8 as rows from pg_class where oid = 'devices'::regclass`,
    );
    const percent = Math.min(100, (100 * PROJECTED_FROM) / table!.rows);
    const found = await readWithin(this.source, PROJECT_LIMIT_MS, (tx) =>
      this.strata(tx, actor, filter, nowMs, `tablesample system (${percent.toFixed(6)})`),
    );
    return (found ?? []).map((row) => ({ ...row, n: Math.round((row.n * 100) / percent) }));
  }

  private async sample(
    tx: EntityManager,
    actor: Actor,
    filter: Filter,
    nowMs: number,
  ): Promise<NonNullable<FilterPreview['sample']>> {
    const where = this.where(actor, filter, nowMs);
    const limit = where.param(SAMPLE_SIZE);
    // Without an order the first matches that are found will do; the few are put in order afterwards.
    const rows = await queryRows<{
      id: string;
      name: string | null;
      identity_value: string;
      model: string | null;
      running_version: string | null;
      site: string;
      gateway: string | null;
      last_seen_at: Date;
    }>(
      tx,
      `select few.id, few.name, few.identity_value, few.model, few.running_version, site.name as site,
         gw.name as gateway, few.last_seen_at
       from (select dev.* from devices dev where ${where.where} limit ${limit}) few
         join sites site on site.id = few.site_id left join gateways gw on gw.id = few.gateway_id
       order by few.id`,
      where.params,
    );
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      identity: row.identity_value,
      model: row.model,
      version: row.running_version,
      site: row.site,
      gateway: row.gateway,
      lastSeenAt: row.last_seen_at.toISOString(),
    }));
  }

  private where(actor: Actor, filter: Filter, nowMs: number): SqlFilter {
    const where = new SqlFilter().and('dev.org_id = ?', actor.orgId);
    return where.andSql(filterToSql(filter, where, nowMs));
  }
}

function sum(rows: readonly { readonly n: number }[]): number {
  return rows.reduce((total, { n }) => total + n, 0);
}
