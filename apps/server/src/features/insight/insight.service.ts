/** Sums over campaigns, decisions, failures. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  Policy,
  errorSentence,
  isErrorCode,
  type CampaignState,
  type DecisionPage,
  type DeploymentState,
  type FailureCounts,
  type Overview,
  type PageQuery,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { factsOfCode } from '../../domain/deployment/retry.js';
import { sumsOf, type Counts } from '../../domain/sums/sums.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { toSumsBody } from '../campaigns/campaign-reader.js';
import { nowOf } from '../dispatch/campaign-row.js';
import { countSuspects } from '../dispatch/campaign-stages.js';

/** Suspects are only looked for where something is under way; the rest has none that could change. */
const LIVE_CAMPAIGNS = ['running', 'paused', 'halted', 'aborting'];

type FleetCounts = Record<'total' | 'online' | 'quarantined' | 'devices' | 'rescue', number>;

/** Counting so many devices takes longer than a screen should wait for. */
const LARGE_FLEET = 50_000;
const FRESH_MS = 10_000;
const STALE_MS = 60_000;

@Injectable()
export class InsightService {
  private readonly fleets = new Map<string, { counts: FleetCounts; atMs: number; counting: boolean }>();

  constructor(private readonly source: DataSource) {}

  async overview(orgId: string): Promise<Overview> {
    const tx = this.source.manager;
    const fleet = await this.fleetCounts(orgId);
    const campaigns = await queryRows<{ id: string; state: CampaignState; policy: unknown; counts: Counts | null }>(
      tx,
      `select c.id, c.state, c.policy, (select jsonb_object_agg(t.state, t.n) from (
           select n.state, sum(n.n) as n from campaign_counters n where n.campaign_id = c.id group by n.state) t) as counts
       from campaigns c where c.org_id = $1`,
      [orgId],
    );
    const nowMs = await nowOf(tx);
    const byState: Partial<Record<CampaignState, number>> = {};
    const total: Partial<Record<DeploymentState, number>> = {};
    let suspect = 0;
    let acceptedUnproven = 0;
    for (const campaign of campaigns) {
      byState[campaign.state] = (byState[campaign.state] ?? 0) + 1;
      const policy = Policy.parse(campaign.policy);
      for (const [state, n] of Object.entries(campaign.counts ?? {}) as [DeploymentState, number][]) {
        total[state] = (total[state] ?? 0) + n;
      }
      if (policy.acceptUnproven) acceptedUnproven += campaign.counts?.unproven ?? 0;
      if (LIVE_CAMPAIGNS.includes(campaign.state)) {
        for (const n of (await countSuspects(tx, { id: campaign.id, policy, nowMs })).values()) suspect += n;
      }
    }
    const sums = sumsOf(total, { suspect }, { acceptUnproven: false });
    // Each campaign says for itself whether its unproven results are known.
    const known = sums.known + acceptedUnproven;
    const bad = sums.failed + sums.reverted + sums.suspect;
    return {
      gateways: { total: fleet.total, online: fleet.online, quarantined: fleet.quarantined },
      devices: { total: fleet.devices, needsRescue: fleet.rescue },
      campaigns: byState as Overview['campaigns'],
      sums: {
        ...toSumsBody(sums),
        known,
        failureShare: known + sums.suspect === 0 ? null : bad / (known + sums.suspect),
        successRate: known === 0 ? null : sums.proven / known,
      },
      serverTimeMs: nowMs,
    };
  }

  /** Exact; of a large fleet at most ten seconds old while somebody looks, a minute after nobody did. */
  private async fleetCounts(orgId: string): Promise<FleetCounts> {
    const known = this.fleets.get(orgId);
    const age = known ? performance.now() - known.atMs : Infinity;
    if (!known || known.counts.devices < LARGE_FLEET || age > STALE_MS) return this.countFleet(orgId);
    if (age > FRESH_MS && !known.counting) {
      known.counting = true;
      this.countFleet(orgId).catch(() => {
        known.counting = false;
      });
    }
    return known.counts;
  }

  private async countFleet(orgId: string): Promise<FleetCounts> {
    const [counts] = await queryRows<FleetCounts>(
      this.source.manager,
      `select g.total::float8, g.online::float8, g.quarantined::float8, d.devices::float8, d.rescue::float8 from
         (select count(*) as total, count(*) filter (where online) as online,
            count(*) filter (where state = 'quarantined') as quarantined
          from gateways where org_id = $1 and state <> 'decommissioned') g,
         (select count(*) as devices, count(*) filter (where needs_rescue) as rescue from devices where org_id = $1 and state = 'active') d`,
      [orgId],
    );
    this.fleets.set(orgId, { counts: counts!, atMs: performance.now(), counting: false });
    return counts!;
  }

  /** What the engine and people decided, oldest first. */
  async decisions(orgId: string, campaignId: string, query: PageQuery): Promise<DecisionPage> {
    await this.expectCampaign(orgId, campaignId);
    const after =
      query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([z.string().regex(/^\d{1,18}$/)]));
    const rows = await queryRows<{ id: string; at: Date; kind: string; params: Record<string, unknown> }>(
      this.source.manager,
      `select id, at, kind, params from decisions where campaign_id = $1 and id > $2::bigint order by id limit $3`,
      [campaignId, after?.[0] ?? '0', query.limit + 1],
    );
    return toPage(
      rows,
      query.limit,
      (row) => [row.id],
      (row) => ({ id: row.id, at: row.at.toISOString(), kind: row.kind, params: row.params }),
    );
  }

  async failures(orgId: string, campaignId: string): Promise<FailureCounts> {
    await this.expectCampaign(orgId, campaignId);
    const rows = await queryRows<{ code: string; n: string }>(
      this.source.manager,
      'select code, n from failure_counters where campaign_id = $1 and n > 0 order by n desc, code limit 200',
      [campaignId],
    );
    return {
      items: rows.map(({ code, n }) => ({
        code,
        n: Number(n),
        blame: factsOfCode(code).blame,
        sentence: isErrorCode(code) ? errorSentence(code) : code,
      })),
    };
  }

  async expectCampaign(orgId: string, id: string): Promise<void> {
    const found = await queryRows(this.source.manager, 'select 1 from campaigns where org_id = $1 and id = $2', [
      orgId,
      id,
    ]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'campaign', id });
  }
}
