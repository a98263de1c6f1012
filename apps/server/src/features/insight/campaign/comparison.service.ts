/** Two groups of a campaign's devices side by side: any two filters, counted over the members whose result is known. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Policy, type CompareQuery, type GroupComparison } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { databaseNowMs } from '../../../adapters/database/transaction.js';
import { describeFilter } from '../../../domain/filter/describe-filter.js';
import { filterToSql } from '../../../domain/filter/filter-sql.js';
import { differCredibly, differenceOf, LEAST_FAILED } from '../../../domain/rates/index.js';
import { shareOf } from '../../../domain/sums/shares.js';
import { SharedReads } from '../../../http/shared-reads.js';
import { expectCampaign } from '../../campaigns/deployment-reader.js';
import { readFilter, readFilteredList } from '../../fleet/device-filter.js';
import { SqlFilter } from '../../fleet/sql-filter.js';

/**
 * Members that are looked at, by their place in the plan. Places are drawn by a hash and spread over model, site and version, so
 * the first so many are a fair part of all; whether a device failed does not move it.
 */
const MOST_LOOKED_AT = 10_000;
const KNOWN = ['proven', 'failed', 'reverted'];

interface Counted {
  readonly looked: number;
  readonly a: number;
  readonly a_failed: number;
  readonly b: number;
  readonly b_failed: number;
  readonly both_of: number;
}

@Injectable()
export class ComparisonService {
  private readonly shared = new SharedReads();

  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found`; `request.invalid` with the places where a filter is wrong. */
  async compare(orgId: string, campaignId: string, query: CompareQuery): Promise<GroupComparison> {
    const filters = [readFilter(query.a, 'query.a', 'member'), readFilter(query.b, 'query.b', 'member')] as const;
    const { revision, large } = await expectCampaign(this.source.manager, orgId, campaignId);
    const counted = await this.shared.read(
      `${campaignId} ${revision} ${JSON.stringify([query.a, query.b])}`,
      large,
      () => this.count(campaignId, filters),
    );
    const [a, b] = [shareOf(counted.a_failed, counted.a), shareOf(counted.b_failed, counted.b)];
    const looked = Math.min(counted.looked, MOST_LOOKED_AT);
    const complete = counted.looked <= MOST_LOOKED_AT;
    return {
      a: { failed: a, words: describeFilter(filters[0]) },
      b: { failed: b, words: describeFilter(filters[1]) },
      both: counted.both_of,
      difference: differenceOf(a, b),
      credible: differCredibly(a, b),
      sentence: sentenceOf(a, b, complete ? null : looked),
      looked,
      complete,
    };
  }

  private async count(
    campaignId: string,
    filters: readonly [ReturnType<typeof readFilter>, ReturnType<typeof readFilter>],
  ): Promise<Counted> {
    const [stored] = await queryRows<{ policy: unknown }>(
      this.source.manager,
      'select policy from campaigns where id = $1',
      [campaignId],
    );
    const known = Policy.parse(stored!.policy).acceptUnproven ? [...KNOWN, 'unproven'] : KNOWN;
    const where = new SqlFilter();
    const campaign = where.param(campaignId);
    const states = where.param(known);
    const nowMs = await databaseNowMs(this.source.manager);
    const [a, b] = filters.map((filter) => filterToSql(filter, where, nowMs));
    const text = `select count(*)::float8 as looked,
        count(*) filter (where m.in_a)::float8 as a, count(*) filter (where m.in_a and m.bad)::float8 as a_failed,
        count(*) filter (where m.in_b)::float8 as b, count(*) filter (where m.in_b and m.bad)::float8 as b_failed,
        count(*) filter (where m.in_a and m.in_b)::float8 as both_of
      from (
        select ${a} as in_a, ${b} as in_b, dep.state in ('failed', 'reverted') as bad
        from (
          select few.*, stage.name as stage_name from campaign_stages stage cross join unnest(${states}::text[]) as wanted(state)
            cross join lateral (
              select d.campaign_id, d.stage_idx, d.state, d.device_id, d.outcome_code, d.stratum_idx, d.position, d.id
              from deployments d
              where d.campaign_id = stage.campaign_id and d.stage_idx = stage.idx and d.state = wanted.state
              order by d.position, d.id limit ${MOST_LOOKED_AT + 1}) few
          where stage.campaign_id = ${campaign}::uuid
          order by few.position, few.id limit ${MOST_LOOKED_AT + 1}) dep
        cross join lateral (select dep.stage_name as name) stage
        cross join lateral (select * from devices d where d.id = dep.device_id limit 1) dev) m`;
    const [row] = await readFilteredList(this.source, true, (tx) => queryRows<Counted>(tx, text, where.params));
    return row!;
  }
}

/** @param looked how many were looked at, where that is not all of them. */
function sentenceOf(a: { n: number; of: number }, b: { n: number; of: number }, looked: number | null): string {
  if (a.of === 0 || b.of === 0) {
    const who = a.of > 0 ? 'Group B has no device' : b.of > 0 ? 'Group A has no device' : 'Neither group has a device';
    const among = looked === null ? 'with a known result' : `among the first ${looked} with a known result`;
    return `${who} ${among}: nothing can be compared.`;
  }
  const credible = differCredibly(a, b);
  const { share, low, high } = differenceOf(a, b)!;
  const points = (value: number): string => (Math.abs(value) * 100).toFixed(1);
  const more = share > 0 ? 'A' : 'B';
  const [least, most] = share > 0 ? [low, high] : [-high, -low];
  if (credible) {
    return `They credibly differ: ${more} fails more often, likely by ${points(least)} to ${points(most)} points.`;
  }
  if (a.n + b.n < LEAST_FAILED) {
    return `No credible difference: fewer than ${LEAST_FAILED} failed in both together, which says too little.`;
  }
  return `No credible difference: from ${signed(low)} to ${signed(high)} points all is likely, and that includes none.`;
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${(Math.abs(value) * 100).toFixed(1)}`;
