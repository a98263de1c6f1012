/** The first page: what needs a person, what runs, what went wrong. Read from counters and samples. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  errorSentence,
  isErrorCode,
  type Attention,
  type CampaignState,
  type DeploymentState,
  type Overview,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { factsOfCode } from '../../../domain/deployment/retry.js';
import { sumsOf } from '../../../domain/sums/sums.js';
import { SharedReads } from '../../../http/shared-reads.js';
import { CampaignReader, toSumsBody } from '../../campaigns/campaign-reader.js';
import { nowOf } from '../../dispatch/campaign-row.js';
import { outboxAgeSeconds } from '../../dispatch/dispatch-metrics.js';
import { ReportMetrics } from '../../reports/report-metrics.js';
import { readAttention } from './attention.js';

interface FleetCounts {
  readonly total: number;
  readonly online: number;
  readonly quarantined: number;
  readonly away: number;
  readonly away_since: Date | null;
  readonly devices: number;
  readonly rescue: number;
  readonly seen: number;
}

/** Counting so many devices takes longer than a screen should wait for. */
const LARGE_FLEET = 50_000;
const FRESH_MS = 10_000;
const STALE_MS = 60_000;
const MOST_LIVE = 200;
const MOST_RUNNING = 20;
const HOURS = 24;
const HOUR_MS = 3_600_000;
const MOST_CODES = 20;

@Injectable()
export class OverviewService {
  private readonly shared = new SharedReads();
  private readonly fleets = new Map<string, { counts: FleetCounts; atMs: number; counting: boolean }>();

  constructor(
    private readonly source: DataSource,
    private readonly campaigns: CampaignReader,
    private readonly reports: ReportMetrics,
  ) {}

  /** What people changed meanwhile is always in it: every change moves a revision. */
  async overview(orgId: string): Promise<Overview> {
    const [changes] = await queryRows<{ n: string }>(
      this.source.manager,
      'select coalesce(sum(revision), 0)::text as n from campaigns where org_id = $1',
      [orgId],
    );
    const large = (this.fleets.get(orgId)?.counts.devices ?? 0) >= LARGE_FLEET;
    return this.shared.read(`${orgId} ${changes!.n}`, large, () => this.read(orgId));
  }

  private async read(orgId: string): Promise<Overview> {
    const tx = this.source.manager;
    const fleet = await this.fleetCounts(orgId);
    const nowMs = await nowOf(tx);
    const live = await this.campaigns.page(orgId, { live: 'true', limit: MOST_LIVE });
    const { byState, sums } = await this.sums(
      orgId,
      live.items.reduce((sum, campaign) => sum + campaign.sums.suspect, 0),
    );
    const outbox = await outboxAgeSeconds(tx);
    const recent = this.reports.recent();
    return {
      gateways: { total: fleet.total, online: fleet.online, quarantined: fleet.quarantined },
      devices: { total: fleet.devices, needsRescue: fleet.rescue, seenIn30Days: fleet.seen },
      campaigns: byState,
      sums,
      attention: await this.attention(orgId, fleet, outbox),
      running: live.items.slice(0, MOST_RUNNING),
      exposed: await this.exposed(orgId),
      failures: await this.failures(orgId, nowMs),
      reports: { ...recent, outboxAgeSeconds: outbox },
      serverTimeMs: nowMs,
    };
  }

  private attention(orgId: string, fleet: FleetCounts, outbox: number): Promise<Attention[]> {
    return readAttention(this.source.manager, orgId, {
      gateways: fleet.total,
      away: fleet.away,
      awaySince: fleet.away_since,
      rescue: fleet.rescue,
      outboxAgeSeconds: outbox,
    });
  }

  /** Each campaign says for itself whether its unproven results are known. */
  private async sums(
    orgId: string,
    suspect: number,
  ): Promise<Pick<Overview, 'sums'> & { byState: Overview['campaigns'] }> {
    const tx = this.source.manager;
    const states = await queryRows<{ state: CampaignState; n: number }>(
      tx,
      'select state, count(*)::int as n from campaigns where org_id = $1 group by state',
      [orgId],
    );
    const counters = await queryRows<{ state: DeploymentState; n: number; accepted: number }>(
      tx,
      `select n.state, sum(n.n)::float8 as n,
         coalesce(sum(n.n) filter (where n.state = 'unproven' and c.policy->>'acceptUnproven' = 'true'), 0)::float8 as accepted
       from campaign_counters n join campaigns c on c.id = n.campaign_id where c.org_id = $1 group by n.state`,
      [orgId],
    );
    const total = Object.fromEntries(counters.map((row) => [row.state, row.n]));
    const sums = sumsOf(total, { suspect }, { acceptUnproven: false });
    const known = sums.known + counters.reduce((sum, row) => sum + row.accepted, 0);
    const bad = sums.failed + sums.reverted + sums.suspect;
    return {
      byState: Object.fromEntries(states.map((row) => [row.state, row.n])),
      sums: {
        ...toSumsBody(sums),
        known,
        failureShare: known + sums.suspect === 0 ? null : bad / (known + sums.suspect),
        successRate: known === 0 ? null : sums.proven / known,
      },
    };
  }

  /** As last counted; the page of an advisory counts anew. */
  private async exposed(orgId: string): Promise<Overview['exposed']> {
    const rows = await queryRows<Overview['exposed'][number]['advisory'] & { at: Date } & Record<Numbers, number>>(
      this.source.manager,
      `select a.id, a.cve, a.title, a.severity, s.at, s.affected, s.silent, s.unknown, s.total
       from (select * from advisories where org_id = $1 and state = 'open' order by created_at desc limit 20) a
       cross join lateral (
         select max(l.at) as at, sum(l.affected)::float8 as affected, sum(l.affected_silent)::float8 as silent,
           sum(l.unknown)::float8 as unknown, sum(l.total)::float8 as total
         from advisory_models m cross join lateral (
           select * from exposure_samples x where x.advisory_id = a.id and x.model = m.model order by x.at desc limit 1) l
         where m.advisory_id = a.id) s
       where s.affected + s.unknown > 0 order by s.affected desc, a.cve`,
      [orgId],
    );
    return rows.map(({ id, cve, title, severity, at, affected, silent, unknown, total }) => ({
      advisory: { id, cve, title, severity },
      at: at.toISOString(),
      affected,
      outOfReach: silent,
      unknown,
      total,
    }));
  }

  /** Differences of cumulative counters between the points that were kept. */
  private async failures(orgId: string, nowMs: number): Promise<Overview['failures']> {
    const tx = this.source.manager;
    const totals = await queryRows<{ code: string; n: number }>(
      tx,
      `select f.code, sum(f.n)::float8 as n from failure_counters f join campaigns c on c.id = f.campaign_id
       where c.org_id = $1 and f.n > 0 group by f.code`,
      [orgId],
    );
    const kept = await queryRows<{ at: number; code: string; n: number }>(
      tx,
      `select floor(extract(epoch from at) * 1000)::float8 as at, code, n::float8 from failure_points
       where org_id = $1 and at > to_timestamp($2::float8 / 1000) order by at`,
      [orgId, nowMs - HOURS * HOUR_MS],
    );
    const moments = [...new Set(kept.map((row) => row.at))];
    const since = moments[0] ?? nowMs - HOURS * HOUR_MS;
    const at = new Map(kept.map((row) => [`${row.at} ${row.code}`, row.n]));
    const items = totals.map(({ code, n }) => {
      // Without a point everything is younger than the day, for points are kept from the first hour on.
      const series = [...moments.map((moment) => at.get(`${moment} ${code}`) ?? 0), n];
      const steps = series.slice(1).map((value, index) => Math.max(0, value - series[index]!));
      const hours = moments.length === 0 ? [n] : steps;
      return { code, n: hours.reduce((sum, one) => sum + one, 0), hours };
    });
    return {
      since: new Date(since).toISOString(),
      items: items
        .filter((item) => item.n > 0)
        .sort((a, b) => b.n - a.n || (a.code < b.code ? -1 : 1))
        .slice(0, MOST_CODES)
        .map((item) => ({
          ...item,
          blame: factsOfCode(item.code).blame,
          sentence: isErrorCode(item.code) ? errorSentence(item.code) : item.code,
        })),
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
      `select g.total::float8, g.online::float8, g.quarantined::float8, g.away::float8, g.away_since, d.devices::float8,
         d.rescue::float8, d.seen::float8 from
         (select count(*) as total, count(*) filter (where online) as online,
            count(*) filter (where state = 'quarantined') as quarantined,
            count(*) filter (where not online and last_seen_at < clock_timestamp() - interval '1 hour') as away,
            min(last_seen_at) filter (where not online and last_seen_at < clock_timestamp() - interval '1 hour') as away_since
          from gateways where org_id = $1 and state <> 'decommissioned') g,
         (select count(*) as devices, count(*) filter (where needs_rescue) as rescue,
            count(*) filter (where last_seen_at > clock_timestamp() - interval '30 days') as seen
          from devices where org_id = $1 and state = 'active') d`,
      [orgId],
    );
    this.fleets.set(orgId, { counts: counts!, atMs: performance.now(), counting: false });
    return counts!;
  }
}

type Numbers = 'affected' | 'silent' | 'unknown' | 'total';
