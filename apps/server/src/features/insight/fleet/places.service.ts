/** Gateways and artifacts in use: can this gateway work, where does this file run? */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  LIVE_DEPLOYMENT_STATES,
  type ArtifactsRunning,
  type ArtifactUse,
  type CampaignState,
  type Gateway,
  type GatewayHealth,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { gatheringOf } from '../../../domain/rates/gathering.js';
import { shareOf } from '../../../domain/sums/shares.js';
import { ProblemError } from '../../../http/problem-error.js';
import { readWithin } from '../../fleet/device-filter.js';

const NEWEST_TRIES = 2_000;
const MOST_SLOTS = 50;
const COUNT_LIMIT_MS = 1_000;
/** Devices of one version that a list looks at for each of its rows; of more, the hourly count is told. */
const MOST_COUNTED = 500;

@Injectable()
export class PlacesService {
  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async gateway(orgId: string, id: string): Promise<GatewayHealth> {
    const tx = this.source.manager;
    const [row] = await queryRows<{
      online: boolean;
      last_seen_at: Date | null;
      last_report_at: Date | null;
      reports: number;
      links: Gateway['links'];
      in_flight: number;
      devices: number;
      held: number;
      newest: number;
      waiting_since: Date | null;
    }>(
      tx,
      `select g.online, g.last_seen_at, r.last_at as last_report_at, coalesce(r.reports, 0)::float8 as reports, g.links, g.in_flight,
         (select count(*)::int from devices d where d.gateway_id = g.id) as devices, g.held_revision::float8 as held,
         coalesce(o.revision, 0)::float8 as newest, case when o.dirty then coalesce(o.built_at, o.publish_after) end as waiting_since
       from gateways g left join orders o on o.gateway_id = g.id
         left join lateral (select max(last_at) as last_at, sum(cursor) as reports from report_cursors where gateway_id = g.id) r on true
       where g.org_id = $1 and g.id = $2`,
      [orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'gateway', id });
    const journal = row.links.find(({ link, state }) => link === 'journal' && state === 'down');
    const { here, elsewhere } = await this.failures(id);
    const quarantines = await queryRows<{ campaign: { id: string; name: string }; at: Date; note: string }>(
      tx,
      `select jsonb_build_object('id', c.id, 'name', c.name) as campaign, q.at, q.note from campaign_quarantines q
         join campaigns c on c.id = q.campaign_id
       where q.kind = 'gateway' and q.ref_id = $1 and q.lifted_at is null order by q.at desc limit 100`,
      [id],
    );
    const slots = await queryRows<Omit<GatewayHealth['slots'][number], 'stateAt'> & { at: Date }>(
      tx,
      `select jsonb_build_object('id', d.id, 'name', coalesce(d.name, d.identity_value)) as device,
         jsonb_build_object('id', c.id, 'name', c.name) as campaign, dep.state, dep.state_at as at
       from deployments dep join devices d on d.id = dep.device_id join campaigns c on c.id = dep.campaign_id
       where dep.gateway_id = $1 and dep.state = any($2) order by dep.state_at limit ${MOST_SLOTS}`,
      [id, LIVE_DEPLOYMENT_STATES],
    );
    return {
      connected: row.online,
      lastSeenAt: row.last_seen_at?.toISOString() ?? null,
      lastReportAt: row.last_report_at?.toISOString() ?? null,
      reportsCommitted: row.reports,
      journal: journal ? { note: journal.note ?? null } : null,
      inFlight: row.in_flight,
      slots: slots.map(({ at, ...slot }) => ({ ...slot, stateAt: at.toISOString() })),
      devices: row.devices,
      order: { held: row.held, newest: row.newest, waitingSince: row.waiting_since?.toISOString() ?? null },
      failures: { here, elsewhere, credible: gatheringOf(here, elsewhere).credible },
      quarantines: quarantines.map((one) => ({ ...one, at: one.at.toISOString() })),
    };
  }

  /** By device: those it tried in 30 days and that ended, against the rest of the same campaigns. */
  private async failures(id: string): Promise<Pick<GatewayHealth['failures'], 'here' | 'elsewhere'>> {
    const [row] = await queryRows<{ bad: number; known: number; all_bad: number; all_known: number }>(
      this.source.manager,
      `with tries as (
         select deployment_id, campaign_id from attempts where gateway_id = $1 and granted_at > now() - interval '30 days'
         order by granted_at desc limit ${NEWEST_TRIES}),
       own as (
         select dep.id, dep.state, dep.campaign_id from deployments dep
         where dep.id in (select deployment_id from tries) and dep.gateway_id = $1)
       select (select count(*) from own where state in ('failed', 'reverted'))::float8 as bad,
         (select count(*) from own where state in ('proven', 'failed', 'reverted'))::float8 as known,
         coalesce(sum(n.n) filter (where n.state in ('failed', 'reverted')), 0)::float8 as all_bad,
         coalesce(sum(n.n) filter (where n.state in ('proven', 'failed', 'reverted')), 0)::float8 as all_known
       from campaign_counters n where n.campaign_id in (select campaign_id from tries)`,
      [id],
    );
    const { bad, known, all_bad, all_known } = row!;
    const rest = Math.max(0, all_bad - bad);
    return { here: shareOf(bad, known), elsewhere: shareOf(rest, Math.max(rest, all_known - known)) };
  }

  /** @throws ProblemError `request.not-found` */
  async artifact(orgId: string, sha256: string): Promise<ArtifactUse> {
    const tx = this.source.manager;
    const [artifact] = await queryRows<{
      id: string;
      model: string;
      running_version: string | null;
      hashes: string[];
      version: string;
    }>(
      tx,
      'select id, model, version, running_version, running_hashes as hashes from artifacts where org_id = $1 and sha256 = $2',
      [orgId, sha256],
    );
    if (!artifact) throw new ProblemError('request.not-found', { what: 'artifact', id: sha256 });
    const campaigns = await queryRows<{
      id: string;
      name: string;
      state: CampaignState;
      proven: number;
      total: number;
    }>(
      tx,
      `select c.id, c.name, c.state, n.proven, n.total from campaigns c cross join lateral (
         select coalesce(sum(n) filter (where state = 'proven'), 0)::float8 as proven, coalesce(sum(n), 0)::float8 as total
         from campaign_counters where campaign_id = c.id) n
       where c.org_id = $1 and c.artifact_id = $2 order by c.created_at desc limit 100`,
      [orgId, artifact.id],
    );
    const fixes = await queryRows<{ id: string; cve: string }>(
      tx,
      `select distinct a.id, a.cve from advisory_models m join advisories a on a.id = m.advisory_id where m.fixed_by = $1
       order by a.cve limit 100`,
      [artifact.id],
    );
    // A hash names one image; where devices say none, the version they name has to do.
    const counted = await readWithin(this.source, COUNT_LIMIT_MS, (limited) =>
      queryRows<{ n: number }>(
        limited,
        `select count(*)::float8 as n from devices where org_id = $1 and model = $2 and state = 'active'
           and (running_hash = any($3::text[]) or (running_hash is null and running_version = $4))`,
        [orgId, artifact.model, artifact.hashes, artifact.running_version ?? artifact.version],
      ),
    );
    const proven = campaigns.reduce((sum, campaign) => sum + campaign.proven, 0);
    return {
      runsOn: { devices: counted?.[0]?.n ?? proven, exact: counted !== undefined },
      campaigns,
      fixes,
    };
  }

  /** For a list: a bounded look into the index for each artifact. A hash names one image; where devices say none, their version has to do. */
  async running(orgId: string, ids: readonly string[]): Promise<ArtifactsRunning['items']> {
    const rows = await queryRows<{ id: string; looked: number; devices: number; hourly: number | null }>(
      this.source.manager,
      `select a.id, n.looked, n.devices, h.n as hourly
       from artifacts a
         cross join lateral (
           select count(*)::int as looked, (count(*) filter (where hash is null or hash = any(a.running_hashes)))::int as devices
           from (select d.running_hash as hash from devices d
             where d.org_id = a.org_id and d.model = a.model and d.running_version = coalesce(a.running_version, a.version)
               and d.state = 'active' limit $3::int + 1) stretch) n
         left join lateral (
           select v.n::float8 as n from fleet_versions v
           where v.org_id = a.org_id and v.at = (select max(at) from fleet_versions where org_id = $1)
             and v.model = a.model and v.version = coalesce(a.running_version, a.version)) h on n.looked > $3::int
       where a.org_id = $1 and a.id = any($2::uuid[])`,
      [orgId, ids, MOST_COUNTED],
    );
    return rows.map(({ id, looked, devices, hourly }) =>
      looked > MOST_COUNTED
        ? { id, devices: Math.max(devices, hourly ?? 0), exact: false }
        : { id, devices, exact: true },
    );
  }
}
