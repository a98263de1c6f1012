/** The devices of a campaign as a table: filtered in the language of filters, by keyset, each with its reason. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { type Member, type MemberPage, type MemberQuery, type WaitingReasons } from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { databaseNowMs } from '../../../adapters/database/transaction.js';
import { ALL_DEVICES, type Filter } from '../../../domain/filter/filter.js';
import { filterToSql } from '../../../domain/filter/filter-sql.js';
import { matches } from '../../../domain/filter/matches.js';
import { asksOnlyForPlace, statesOf } from '../../../domain/filter/member-states.js';
import { CursorBigint, decodeCursor, toPage } from '../../../http/cursor.js';
import { SharedReads } from '../../../http/shared-reads.js';
import { DEPLOYMENT, expectCampaign, toDeployment, type DeploymentRow } from '../../campaigns/deployment-reader.js';
import { readFilter, readFilteredList } from '../../fleet/device-filter.js';
import { SqlFilter } from '../../fleet/sql-filter.js';
import { WhyService } from '../why.service.js';

interface MemberRow extends DeploymentRow {
  readonly site_id: string;
  readonly site_name: string;
  readonly running_version: string | null;
  readonly last_seen_at: Date;
}

/** Planned members of open stages whose reasons are looked at for a summary. */
const LOOKED_AT = 100;

const CURSOR = z.tuple([CursorBigint, z.uuid()]);

@Injectable()
export class MembersService {
  private readonly shared = new SharedReads();

  constructor(
    private readonly source: DataSource,
    private readonly why: WhyService,
  ) {}

  /** @throws ProblemError `request.not-found`; `request.invalid` with the places where the filter is wrong. */
  async page(orgId: string, campaignId: string, query: MemberQuery): Promise<MemberPage> {
    await expectCampaign(this.source.manager, orgId, campaignId);
    const filter = query.filter === undefined ? ALL_DEVICES : readFilter(query.filter, 'query.filter', 'member');
    const { rows, ...page } = await this.rows(campaignId, query, filter);
    const whys = await this.why.reasonsOf(
      orgId,
      rows.filter((row) => row.state !== 'proven').map((row) => row.id),
    );
    return {
      ...page,
      items: rows.map((row) => ({ ...toMember(row), reason: whys.get(row.id) ?? null })),
      total: await this.total(campaignId, query, filter),
    };
  }

  /** A page without reasons, for exports. */
  async rows(
    campaignId: string,
    query: Pick<MemberQuery, 'state' | 'stage' | 'limit' | 'after'>,
    filter: Filter = ALL_DEVICES,
  ): Promise<{ rows: MemberRow[]; next?: string }> {
    const after = query.after === undefined ? undefined : decodeCursor(query.after, CURSOR);
    const where = new SqlFilter();
    const campaign = where.param(campaignId);
    const states = where.param(statesOf(filter).filter((state) => query.state === undefined || state === query.state));
    const stage = where.param(query.stage ?? null);
    const position = where.param(after?.[0] ?? null);
    const id = where.param(after?.[1] ?? null);
    const limit = where.param(query.limit + 1);
    const matchesSql = filterToSql(filter, where, await databaseNowMs(this.source.manager));
    const columns = `${DEPLOYMENT.slice(0, DEPLOYMENT.indexOf('from deployments dep'))}`;
    const text = `${columns}, dev.site_id, site.name as site_name, dev.running_version, dev.last_seen_at
      from (
        select few.* from campaign_stages stage cross join unnest(${states}::text[]) as wanted(state)
          cross join lateral (
            select dep.* from deployments dep
              cross join lateral (select * from devices d where d.id = dep.device_id limit 1) dev
            where dep.campaign_id = stage.campaign_id and dep.stage_idx = stage.idx and dep.state = wanted.state
              and (${position}::bigint is null or (dep.position, dep.id) > (${position}::bigint, ${id}::uuid))
              and ${matchesSql}
            order by dep.position, dep.id limit ${limit}::int) few
        where stage.campaign_id = ${campaign}::uuid and (${stage}::int is null or stage.idx = ${stage}::int)
        order by few.position, few.id limit ${limit}::int) dep
      cross join lateral (select * from devices d where d.id = dep.device_id limit 1) dev join sites site on site.id = dev.site_id
      left join gateways gw on gw.id = dep.gateway_id
      order by dep.position, dep.id`;
    const found = await readFilteredList(this.source, filter !== ALL_DEVICES, (tx) =>
      queryRows<MemberRow>(tx, text, where.params),
    );
    const page = toPage(
      found,
      query.limit,
      (row) => [row.position, row.id],
      (row) => row,
    );
    return { rows: page.items, ...(page.next !== undefined && { next: page.next }) };
  }

  private async total(campaignId: string, query: MemberQuery, filter: Filter): Promise<number | null> {
    if (!asksOnlyForPlace(filter)) return null;
    const counters = await queryRows<{ stage_idx: number; stage: string; state: Member['state']; n: string }>(
      this.source.manager,
      `select n.stage_idx, s.name as stage, n.state, n.n from campaign_counters n
         join campaign_stages s on s.campaign_id = n.campaign_id and s.idx = n.stage_idx where n.campaign_id = $1`,
      [campaignId],
    );
    return counters
      .filter(
        ({ stage_idx, stage, state }) =>
          (query.state === undefined || query.state === state) &&
          (query.stage === undefined || query.stage === stage_idx) &&
          matches(filter, { ...NO_DEVICE, member: { state, stage, code: null, from: null } }, 0),
      )
      .reduce((sum, row) => sum + Number(row.n), 0);
  }

  /** Why members wait: of stages that are not open all of them by one reason, of open ones the next in line. */
  async waiting(orgId: string, campaignId: string): Promise<WaitingReasons> {
    const { revision, large } = await expectCampaign(this.source.manager, orgId, campaignId);
    return this.shared.read(`${campaignId} ${revision}`, large, () => this.reasons(orgId, campaignId));
  }

  private async reasons(orgId: string, campaignId: string): Promise<WaitingReasons> {
    const stages = await queryRows<{ idx: number; open: boolean; n: number }>(
      this.source.manager,
      `select s.idx, s.state in ('open', 'soaking', 'passed') as open, n.n::float8 as n from campaign_stages s
         join campaign_counters n on n.campaign_id = s.campaign_id and n.stage_idx = s.idx and n.state = 'planned'
       where s.campaign_id = $1 and n.n > 0 order by s.idx`,
      [campaignId],
    );
    const reasons = new Map<string, WaitingReasons['reasons'][number]>();
    let looked = 0;
    for (const stage of stages) {
      const { rows } = await this.rows(campaignId, {
        state: 'planned',
        stage: stage.idx,
        limit: stage.open ? LOOKED_AT : 1,
      });
      const whys = await this.why.reasonsOf(
        orgId,
        rows.map((row) => row.id),
      );
      // Nobody of a stage that is not open has another reason than its stage.
      const each = stage.open ? 1 : stage.n;
      for (const reason of whys.values()) {
        const known = reasons.get(reason.code);
        const until = Math.min(known?.until ?? Number.POSITIVE_INFINITY, reason.until ?? Number.POSITIVE_INFINITY);
        reasons.set(reason.code, {
          code: reason.code,
          n: (known?.n ?? 0) + each,
          sentence: known?.sentence ?? reason.sentence,
          until: Number.isFinite(until) ? until : null,
        });
        looked += each;
      }
    }
    return {
      waiting: stages.reduce((sum, stage) => sum + stage.n, 0),
      looked,
      reasons: [...reasons.values()].sort((a, b) => b.n - a.n || (a.code < b.code ? -1 : 1)),
    };
  }
}

const NO_DEVICE = {
  id: '',
  model: null,
  name: null,
  identity: '',
  runningVersion: null,
  tags: {},
  site: { id: '', name: '' },
  gateway: null,
  group: null,
  links: [],
  lastSeenMs: 0,
  batteryPercent: null,
  held: false,
} as const;

export function toMember(row: MemberRow): Omit<Member, 'reason'> {
  return {
    ...toDeployment(row),
    site: { id: row.site_id, name: row.site_name },
    version: row.running_version,
    lastSeenAt: row.last_seen_at.toISOString(),
  };
}
