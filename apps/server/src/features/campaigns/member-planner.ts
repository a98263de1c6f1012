/** Members of a campaign, planned in one insert-select with their strata and counters; and who is left out, with the reason. */
import {
  DEPLOYMENT_STATES,
  type CampaignPreview,
  type DeploymentState,
  type Policy,
  type ProblemPlace,
  type Selector,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { planWarnings, type PlanFacts } from '../../domain/campaign/plan-warnings.js';
import { parseFilter } from '../../domain/filter/parse-filter.js';
import { filterPlace } from '../fleet/device-filter.js';
import { storeSteps } from './campaign-steps.js';
import { countLongUnseen, readPastOfModel } from './plan-facts.js';
import { missingSql, orderMembers, SMALL_STRATUM, type PlanRequest } from './member-order.js';

export interface PlannedMembers {
  /** Devices to be updated, by stage. */
  readonly sizes: readonly number[];
  readonly skipped: number;
}

/**
 * A UUID of version 7 (RFC 9562, 5.7) whose counter of 26 bits is the place in the campaign: the index of ids grows at its
 * end, and neighbours in the order, which are granted and report at the same time, share its pages.
 * @param ms placeholder of the Unix time in milliseconds.
 */
const orderedId = (ms: string, place: string): string => `(lpad(to_hex(${ms}::bigint), 12, '0')
  || '7' || lpad(to_hex((${place} >> 14) & 4095), 3, '0')
  || substr('89ab', 1 + ((${place} >> 12) & 3)::int, 1) || lpad(to_hex(${place} & 4095), 3, '0')
  || substr(gen_random_uuid()::text, 25))::uuid`;

/** Plans all members and writes them, with their strata and counters. */
export async function planMembers(tx: Queryable, request: PlanRequest): Promise<PlannedMembers> {
  await orderMembers(tx, request);
  await storeSteps(tx, request.campaignId, request.steps);
  await queryRows(
    tx,
    `insert into campaign_strata (campaign_id, idx, version, size, in_first_stage)
     select $1::uuid, row_number() over (order by count(*) desc, prev) - 1, prev, count(*),
       count(*) filter (where stage_idx = 0)
     from planned_members where skip is null group by prev`,
    [request.campaignId],
  );
  const rows = await queryRows<{ stage_idx: number; state: DeploymentState; n: number }>(
    tx,
    `with planned as (
       insert into deployments (id, org_id, campaign_id, stage_idx, device_id, site_id, position, stratum_idx, state,
         outcome_reason, outcome_params, step_artifact_id, step_kind, state_at, ended_at)
       select ${orderedId('$4', 'm.pos')}, $2::uuid, $1::uuid, m.stage_idx, m.id, m.site_id, m.pos, coalesce(s.idx, 0),
         case when m.skip is null then 'planned' else 'skipped' end, m.skip, ${missingSql('m.skip', 'm.prev', '$3')},
         case when m.skip is null then m.step end,
         case when m.skip is null and m.step is not null then 'stone' end, clock_timestamp(),
         case when m.skip is null then null else clock_timestamp() end
       from planned_members m left join campaign_strata s on s.campaign_id = $1::uuid and s.version = m.prev
       returning stage_idx, state)
     select stage_idx, state, count(*)::int as n from planned group by 1, 2`,
    [request.campaignId, request.orgId, request.artifactId, Math.floor(request.nowMs)],
  );
  await queryRows(
    tx,
    `update campaigns c set members_at = clock_timestamp(), sites_planned = x.sites, gateways_planned = x.gateways
     from (select
         (select count(*)::int from (select distinct site_id from planned_members where skip is null) s) as sites,
         (select count(gateway_id)::int from (select distinct gateway_id from planned_members where skip is null) g) as gateways) x
     where c.id = $1`,
    [request.campaignId],
  );
  await queryRows(tx, 'drop table planned_members');
  await makeCounters(tx, request, rows);
  const planned = (stage: number): number =>
    rows.find((row) => row.stage_idx === stage && row.state === 'planned')?.n ?? 0;
  return {
    sizes: request.policy.stages.map((_, stage) => planned(stage)),
    skipped: rows.filter((row) => row.state === 'skipped').reduce((sum, row) => sum + row.n, 0),
  };
}

/** Who would be a member now; nothing is written. */
export async function previewMembers(
  tx: Queryable,
  request: PlanRequest,
  approvals: PlanFacts['approvals'],
): Promise<Omit<CampaignPreview, 'staircase'>> {
  await orderMembers(tx, request);
  const sizes = await queryRows<{ stage_idx: number; skip: string | null; n: number }>(
    tx,
    'select stage_idx, skip, count(*)::int as n from planned_members group by 1, 2 order by 1, 2',
  );
  const strata = await queryRows<{ version: string; size: number; first: number }>(
    tx,
    `select prev as version, count(*)::int as size, (count(*) filter (where stage_idx = 0))::int as first
     from planned_members where skip is null group by prev order by count(*) desc, prev limit 200`,
  );
  const sample = await queryRows<{ id: string; name: string | null; version: string | null }>(
    tx,
    `select dev.id, dev.name, dev.running_version as version from planned_members m join devices dev on dev.id = m.id
     where m.skip is null order by m.pos limit 20`,
  );
  const steps = await queryRows<{ version: string; count: number }>(
    tx,
    `select prev as version, count(*)::int as count from planned_members where skip is null and step is not null
     group by prev order by count(*) desc, prev limit 200`,
  );
  const missing = await queryRows<{ version: string; count: number }>(
    tx,
    `select prev as version, count(*)::int as count from planned_members where skip = 'requires'
     group by prev order by count(*) desc, prev limit 20`,
  );
  const longUnseen = await countLongUnseen(tx);
  await queryRows(tx, 'drop table planned_members');
  const members = sizes.filter((row) => row.skip === null);
  const skipped = new Map<string, number>();
  for (const row of sizes) if (row.skip !== null) skipped.set(row.skip, (skipped.get(row.skip) ?? 0) + row.n);
  const stages = request.policy.stages.map((stage, index) => ({
    name: stage.name,
    size: members.find((row) => row.stage_idx === index)?.n ?? 0,
  }));
  return {
    members: members.reduce((sum, row) => sum + row.n, 0),
    stages,
    warnings: planWarnings(request.policy, {
      sizes: stages.map((stage) => stage.size),
      ...(await readPastOfModel(tx, request)),
      strataWithoutCanary: strata.filter((row) => row.first === 0).map((row) => row.version),
      longUnseen,
      approvals,
    }),
    strata: strata.map((row) => ({ version: row.version, size: row.size, inFirstStage: row.first })),
    skipped: [...skipped].map(([reason, count]) => ({ reason, count })),
    sample,
    steps: steps.map((row) => ({ ...row, through: [...(request.steps.get(row.version)?.through ?? [])] })),
    notes: [...strataNotes(strata), ...missing.map((row) => missingNote(row, request.requires))],
  };
}

function missingNote(row: { version: string; count: number }, wanted: readonly string[]): string {
  const running = row.version === '' ? 'an unknown version' : row.version;
  return `${row.count} device(s) run ${running}: the artifact follows only ${wanted.join(', ')}, and no stored artifact leads there. Upload one, or they are skipped.`;
}

/** What a person should know about the strata before the start. */
function strataNotes(strata: readonly { version: string; size: number; first: number }[]): string[] {
  const without = strata.filter((row) => row.first === 0);
  const small = strata.filter((row) => row.first > 0 && row.size < SMALL_STRATUM && row.size > 1);
  const name = (row: { version: string }): string => row.version || 'an unknown version';
  return [
    ...(without.length > 0
      ? [
          `No device that runs ${without.map(name).join(', ')} is in the first stage: they are tried one by one before the rest of their kind.`,
        ]
      : []),
    ...(small.length > 0
      ? [
          `Fewer than ${SMALL_STRATUM} devices run ${small.map(name).join(', ')}: one of each goes first, the rest with the last stage.`,
        ]
      : []),
  ];
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

/** Takes a plan back of which nothing was granted. */
export async function dropPlan(tx: Queryable, campaignId: string): Promise<void> {
  for (const table of ['deployments', 'campaign_steps', 'campaign_counters', 'campaign_strata', 'campaign_stages']) {
    await queryRows(tx, `delete from ${table} where campaign_id = $1`, [campaignId]);
  }
}

/** What is wrong with the filters of a selector and of stages, each with its place. */
export function filterFaults(selector: Selector, policy: Policy): ProblemPlace[] {
  const faults = (filter: string | undefined, path: string): ProblemPlace[] => {
    const read = filter === undefined ? undefined : parseFilter(filter);
    return read && !read.ok ? read.errors.map((error) => filterPlace(error, path)) : [];
  };
  return [
    ...faults(selector.filter, 'selector.filter'),
    ...policy.stages.flatMap((stage, index) => faults(stage.filter, `policy.stages[${index}].filter`)),
  ];
}

/** Names in a selector that nobody has: mostly typing errors. */
export async function unknownNames(
  tx: Queryable,
  orgId: string,
  selector: Selector,
): Promise<{ path: string; message: string }[]> {
  const faults: { path: string; message: string }[] = [];
  if (selector.updatedBy !== undefined) {
    const found = await queryRows(tx, 'select 1 from campaigns where org_id = $1 and id = $2', [
      orgId,
      selector.updatedBy,
    ]);
    if (found.length === 0)
      faults.push({
        path: 'selector.updatedBy',
        message: 'There is no such campaign. Correct the id or leave it out.',
      });
  }
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
