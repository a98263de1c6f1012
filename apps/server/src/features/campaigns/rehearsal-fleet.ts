/** The members of a campaign as a rehearsal plays with them: of a draft, those it would have; of a started one, what is left. */
import { LIVE_DEPLOYMENT_STATES, type DeploymentState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { MOST_SIMULATED_DEVICES, sampleGateways } from '../../domain/forecast/index.js';
import {
  seededRandom,
  type BegunStage,
  type RehearsalDevice,
  type RehearsalFleet,
} from '../../domain/rehearsal/index.js';
import type { CampaignRow } from '../dispatch/campaign-row.js';
import { loadStages } from '../dispatch/campaign-stages.js';
import { orderMembers, type PlanRequest } from './member-order.js';

export interface RehearsalMembers {
  readonly fleet: RehearsalFleet;
  /** Devices that are still to be updated, and those of them that some gateway has a link to. */
  readonly members: number;
  readonly reachable: number;
  readonly scale: number;
  readonly begun: readonly BegunStage[] | undefined;
}

/** One row each: id, gateway_id (null: none has a link), site_id, prev, stage_idx, pos. */
const MEMBERS = 'rehearsal_members';

/**
 * @param draft what a draft would plan; undefined: its members are planned already.
 * @param mostDevices above it whole gateways are drawn.
 */
export async function readRehearsalMembers(
  tx: Queryable,
  campaign: CampaignRow,
  draft: PlanRequest | undefined,
  seed: number,
  mostDevices = MOST_SIMULATED_DEVICES,
): Promise<RehearsalMembers> {
  await queryRows(tx, `drop table if exists ${MEMBERS}`);
  if (draft) {
    await orderMembers(tx, draft);
    await makeMembers(tx, 'select id, prev, stage_idx, pos from planned_members where skip is null', []);
    await queryRows(tx, 'drop table planned_members');
  } else {
    await makeMembers(
      tx,
      `select dep.device_id as id, coalesce(str.version, '') as prev, dep.stage_idx, dep.position as pos
       from deployments dep left join campaign_strata str on str.campaign_id = dep.campaign_id and str.idx = dep.stratum_idx
       where dep.campaign_id = $1 and (dep.state = 'planned' or dep.state = any($2))`,
      [campaign.id, LIVE_DEPLOYMENT_STATES],
    );
  }
  const sizes = await queryRows<{ id: string | null; devices: number }>(
    tx,
    `select gateway_id::text as id, count(*)::int as devices from ${MEMBERS} group by 1 order by 1`,
  );
  const members = sizes.reduce((sum, row) => sum + row.devices, 0);
  const gateways = sizes.filter((row): row is { id: string; devices: number } => row.id !== null);
  const reachable = gateways.reduce((sum, row) => sum + row.devices, 0);
  const sample = sampleGateways(gateways, seededRandom(seed ^ 0xf1ee7), mostDevices);
  const fleet = await readFleet(tx, sample.gatewayIds, Math.round((members - reachable) * sample.scale));
  const begun = draft ? undefined : await readBegun(tx, campaign, sample.scale);
  await queryRows(tx, `drop table ${MEMBERS}`);
  return { fleet, members, reachable, scale: sample.scale, begun };
}

async function makeMembers(tx: Queryable, chosen: string, params: unknown[]): Promise<void> {
  await queryRows(
    tx,
    `create temporary table ${MEMBERS} on commit drop as
     select m.id, m.prev, m.stage_idx, m.pos, dev.site_id, dev.redundancy_group_id as group_id,
       case when gw.state = 'active' and jsonb_array_length(coalesce(dg.links, '[]')) > 0 then dev.gateway_id end as gateway_id
     from (${chosen}) m join devices dev on dev.id = m.id
       left join gateways gw on gw.id = dev.gateway_id
       left join device_gateways dg on dg.device_id = dev.id and dg.gateway_id = dev.gateway_id`,
    params,
  );
}

async function readFleet(tx: Queryable, gatewayIds: readonly string[], alone: number): Promise<RehearsalFleet> {
  const rows = await queryRows<{
    gateway: string | null;
    stage: number;
    prev: string;
    group: string | null;
  }>(
    tx,
    `select gateway_id::text as gateway, stage_idx as stage, prev, group_id::text as "group" from (
       select * from ${MEMBERS} where gateway_id = any($1::uuid[])
       union all (select * from ${MEMBERS} where gateway_id is null order by pos limit $2)) m
     order by stage_idx, pos limit ${2 * MOST_SIMULATED_DEVICES}`,
    [gatewayIds, alone],
  );
  const places = await queryRows<{ id: string; site: string; zone: string; online: boolean }>(
    tx,
    `select g.id::text, g.site_id::text as site, s.zone, g.online from gateways g join sites s on s.id = g.site_id
     where g.id = any($1::uuid[]) order by g.id`,
    [gatewayIds],
  );
  const groups = await queryRows<{ id: string; max_out: number }>(
    tx,
    `select g.id::text, g.max_out from redundancy_groups g where g.id in (select group_id from ${MEMBERS} where group_id is not null)
     order by g.id`,
  );
  const sites = new Map<string, { index: number; zone: string }>();
  for (const { site, zone } of places) if (!sites.has(site)) sites.set(site, { index: sites.size, zone });
  const gatewayAt = new Map(places.map((place, index) => [place.id, index]));
  const groupAt = new Map(groups.map((group, index) => [group.id, index]));
  const strata = [...new Set(rows.map((row) => row.prev))].sort();
  const stratumAt = new Map(strata.map((version, index) => [version, index]));
  return {
    devices: rows.map((row): RehearsalDevice => ({
      gateway: row.gateway === null ? null : (gatewayAt.get(row.gateway) ?? null),
      stage: row.stage,
      stratum: stratumAt.get(row.prev)!,
      group: row.group === null ? null : (groupAt.get(row.group) ?? null),
    })),
    gateways: places.map((place) => ({ id: place.id, site: sites.get(place.site)!.index, online: place.online })),
    sites: [...sites].map(([id, { zone }]) => ({ id, zone })),
    strata,
    groups: groups.map((group) => group.max_out),
  };
}

const ENDED: readonly DeploymentState[] = ['proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped', 'lost'];

async function readBegun(tx: Queryable, campaign: CampaignRow, scale: number): Promise<BegunStage[]> {
  const stages = await loadStages(tx, campaign);
  return stages.map((stage) => ({
    state: stage.state,
    ended: Object.fromEntries(
      ENDED.flatMap((state) => {
        const n = Math.round((stage.counts[state] ?? 0) * scale);
        return n > 0 ? [[state, n]] : [];
      }),
    ),
  }));
}
