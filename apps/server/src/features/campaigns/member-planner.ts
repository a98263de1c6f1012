/**
 * Members of a campaign, planned in one insert-select: who, in which stable seeded order, in which stage; and who is
 * left out, with the reason. Linear in the number of devices.
 */
import { DEPLOYMENT_STATES, type DeploymentState, type Policy, type Selector } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { compareVersions } from '../../domain/campaign/version-order.js';
import { versionProvesSql } from './version-proves.js';

export interface PlanRequest {
  readonly campaignId: string;
  readonly orgId: string;
  readonly artifactId: string;
  readonly model: string;
  /** What the artifact calls itself when it runs. */
  readonly version: string;
  readonly selector: Selector;
  readonly policy: Policy;
}

export interface PlannedMembers {
  /** Devices to be updated, by stage. */
  readonly sizes: readonly number[];
  readonly skipped: number;
}

/** Placeholders are numbered as they are added. */
class Params {
  readonly values: unknown[] = [];
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

function selectorSql(selector: Selector, params: Params): string {
  const conditions: string[] = [];
  if (selector.models) conditions.push(`dev.model = any(${params.add(selector.models)}::text[])`);
  if (selector.tags) conditions.push(`dev.tags @> ${params.add(JSON.stringify(selector.tags))}::jsonb`);
  if (selector.sites) {
    const sites = params.add(selector.sites);
    conditions.push(`(site.name = any(${sites}::text[]) or site.id::text = any(${sites}::text[]))`);
  }
  if (selector.gateways) {
    const gateways = params.add(selector.gateways);
    conditions.push(`(gw.name = any(${gateways}::text[]) or gw.id::text = any(${gateways}::text[]))`);
  }
  if (selector.runningVersions) {
    conditions.push(`dev.running_version = any(${params.add(selector.runningVersions)}::text[])`);
  }
  if (selector.devices) conditions.push(`dev.id = any(${params.add(selector.devices)}::uuid[])`);
  return conditions.length === 0 ? 'true' : conditions.join(' and ');
}

const FROM = `devices dev join sites site on site.id = dev.site_id left join gateways gw on gw.id = dev.gateway_id`;

/** Versions that run somewhere among the selected and are newer than the artifact; versions are few, devices many. */
async function newerVersions(tx: Queryable, request: PlanRequest): Promise<string[]> {
  if (request.policy.allowDowngrade) return [];
  const params = new Params();
  const where = `dev.org_id = ${params.add(request.orgId)} and dev.model = ${params.add(request.model)}`;
  const rows = await queryRows<{ version: string }>(
    tx,
    `select distinct dev.running_version as version from ${FROM}
     where ${where} and dev.running_version is not null and ${selectorSql(request.selector, params)}`,
    params.values,
  );
  return rows.map((row) => row.version).filter((version) => (compareVersions(version, request.version) ?? 0) > 0);
}

/**
 * Why a device is left out. Needs the aliases dev and art. A device without a running application is never
 * "already running" anything.
 */
const skipSql = (newer: string): string => `case
  when not dev.needs_rescue and dev.mode = 'application' and (
    (cardinality(art.running_hashes) > 0 and coalesce(
       (select array_agg(e->>'hash') from jsonb_array_elements(dev.running) e where e->>'hash' is not null), '{}'
     ) @> art.running_hashes)
    or (cardinality(art.running_hashes) = 0 and dev.running_version = art.running_version and ${versionProvesSql('art')}))
    then 'already-running'
  when dev.running_version = any(${newer}::text[]) then 'downgrade'
  when jsonb_array_length(coalesce(art.requires->'runningVersions', '[]')) > 0
    and not coalesce(art.requires->'runningVersions' ? dev.running_version, false) then 'requires'
  when not dev.hardware @> coalesce(art.requires->'hardware', '{}') then 'requires'
  when exists (select 1 from jsonb_each(coalesce(art.description->'hardware', '{}')) wanted
    join jsonb_each(dev.hardware) found using (key) where wanted.value <> found.value) then 'wrong-hardware'
  when dev.protocol is not null and not coalesce(art.description->'protocols' ? dev.protocol, true) then 'wrong-protocol'
end`;

/**
 * Order: a stable seeded hash, proportional over model, running version and site (methods, section 2): every stratum
 * has a device among the first. The cumulated shares of the stages are rounded up, as `stageBounds` does.
 */
export async function planMembers(tx: Queryable, request: PlanRequest): Promise<PlannedMembers> {
  const newer = await newerVersions(tx, request);
  const params = new Params();
  const campaign = params.add(request.campaignId);
  const org = params.add(request.orgId);
  const artifact = params.add(request.artifactId);
  const model = params.add(request.model);
  const newerParam = params.add(newer);
  let share = 0;
  const shares = request.policy.stages.slice(0, -1).map((stage) => (share += stage.percent));
  const bounds = params.add(shares);
  const last = params.add(request.policy.stages.length - 1);
  const rows = await queryRows<{ stage_idx: number; state: DeploymentState; n: number }>(
    tx,
    `with chosen as (
       select dev.id, coalesce(dev.running_version, '') as prev, dev.site_id::text as site, ${skipSql(newerParam)} as skip,
         ('x' || encode(substring(sha256(convert_to(${campaign}::text || ':' || dev.id::text, 'UTF8')) from 1 for 8), 'hex'))
           ::bit(64)::bigint as h
       from ${FROM} join artifacts art on art.id = ${artifact}::uuid
       where dev.org_id = ${org}::uuid and dev.model = ${model} and dev.state = 'active' and ${selectorSql(request.selector, params)}),
     a as (
       select *, count(*) over (partition by skip, prev) as n_c, count(*) over (partition by skip, prev, site) as n_s,
         row_number() over (partition by skip, prev, site order by h, id) as r_s,
         ('x' || encode(substring(sha256(convert_to(
            ${campaign}::text || ':' || length(prev)::text || ':' || prev || ':' || site, 'UTF8')) from 1 for 4), 'hex'))
           ::bit(32)::bigint / 4294967296.0::float8 as u
       from chosen),
     b as (select *, row_number() over (partition by skip, prev order by (r_s - u) / n_s, h, id) as r_c from a),
     c as (
       select id, skip, count(*) filter (where skip is null) over () as eligible,
         row_number() over (
           order by (skip is not null), case when r_c = 1 then 0 else (r_c - 0.5::float8) / n_c end, n_c desc, h, id) as pos
       from b),
     planned as (
       insert into deployments (org_id, campaign_id, stage_idx, device_id, position, state, outcome_reason, state_at, ended_at)
       select ${org}::uuid, ${campaign}::uuid,
         case when skip is not null then ${last}::int
           else (select count(*)::int from unnest(${bounds}::float8[]) as bound where pos > ceil(bound / 100 * eligible - 1e-9)) end,
         id, pos, case when skip is null then 'planned' else 'skipped' end, skip, clock_timestamp(),
         case when skip is null then null else clock_timestamp() end
       from c returning stage_idx, state)
     select stage_idx, state, count(*)::int as n from planned group by 1, 2`,
    params.values,
  );
  await makeCounters(tx, request, rows);
  const planned = (stage: number): number =>
    rows.find((row) => row.stage_idx === stage && row.state === 'planned')?.n ?? 0;
  return {
    sizes: request.policy.stages.map((_, stage) => planned(stage)),
    skipped: rows.filter((row) => row.state === 'skipped').reduce((sum, row) => sum + row.n, 0),
  };
}

/** Every counter row exists from the start, so that moving them never inserts. */
async function makeCounters(
  tx: Queryable,
  request: PlanRequest,
  rows: readonly { stage_idx: number; state: string; n: number }[],
): Promise<void> {
  await queryRows(
    tx,
    `insert into campaign_counters (campaign_id, stage_idx, state, n)
     select $1::uuid, s.idx, st.state, coalesce(x.n, 0)
     from unnest($2::int[]) as s(idx) cross join unnest($3::text[]) as st(state)
       left join jsonb_to_recordset($4::jsonb) as x(stage_idx int, state text, n bigint)
         on x.stage_idx = s.idx and x.state = st.state`,
    [request.campaignId, request.policy.stages.map((_, index) => index), DEPLOYMENT_STATES, JSON.stringify(rows)],
  );
}

/** Names in a selector that nobody has: mostly typing errors. */
export async function unknownNames(
  tx: Queryable,
  orgId: string,
  selector: Selector,
): Promise<{ path: string; message: string }[]> {
  const faults: { path: string; message: string }[] = [];
  for (const [field, table] of [
    ['sites', 'sites'],
    ['gateways', 'gateways'],
  ] as const) {
    const names = selector[field];
    if (!names) continue;
    const unknown = await queryRows<{ name: string }>(
      tx,
      `select name from unnest($2::text[]) as x(name)
       where not exists (select 1 from ${table} t where t.org_id = $1 and (t.name = x.name or t.id::text = x.name))`,
      [orgId, names],
    );
    for (const { name } of unknown) {
      faults.push({
        path: `selector.${field}[${names.indexOf(name)}]`,
        message: `There is no ${field.slice(0, -1)} called ${name}. Correct the name or leave it out.`,
      });
    }
  }
  return faults;
}
