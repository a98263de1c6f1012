/** Membership `dynamic`: who joins and who leaves while the campaign runs. */
import type { DeploymentState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { addToCounters } from './deployment-writer.js';
import { stepsJson, storeSteps } from './campaign-steps.js';
import {
  MEMBER_FROM,
  neededStepSql,
  newerVersions,
  Params,
  selectorSql,
  skipSql,
  type PlanRequest,
} from './member-order.js';

/**
 * Devices that match by now and are no members yet join the last stage (membership `dynamic`); planned members that
 * match no more are skipped.
 * @returns how many joined and left.
 */
export async function refreshMembers(
  tx: Queryable,
  request: PlanRequest,
): Promise<{ readonly joined: number; readonly left: number }> {
  await storeSteps(tx, request.campaignId, request.steps);
  const newer = await newerVersions(tx, request);
  const params = new Params();
  const campaign = params.add(request.campaignId);
  const org = params.add(request.orgId);
  const model = params.add(request.model);
  const artifact = params.add(request.artifactId);
  const newerParam = params.add(newer);
  const steps = params.add(stepsJson(request.steps));
  const last = params.add(request.policy.stages.length - 1);
  const selected = selectorSql(request.selector, params, request.nowMs);
  const joined = await queryRows<{ state: DeploymentState; n: number }>(
    tx,
    `with late as (
       select dev.id, dev.site_id, coalesce(dev.running_version, '') as prev, ${skipSql(newerParam, steps)} as skip,
         ${neededStepSql(steps)} as step
       from ${MEMBER_FROM} join artifacts art on art.id = ${artifact}::uuid
       where dev.org_id = ${org}::uuid and dev.model = ${model} and dev.state = 'active' and ${selected}
         and not exists (select 1 from deployments d where d.campaign_id = ${campaign}::uuid and d.device_id = dev.id)),
     strata as (
       insert into campaign_strata as s (campaign_id, idx, version, size)
       select ${campaign}::uuid, (select coalesce(max(idx), -1) from campaign_strata where campaign_id = ${campaign}::uuid)
           + row_number() over (order by prev), prev, count(*) from late
       where skip is null and not exists (
         select 1 from campaign_strata k where k.campaign_id = ${campaign}::uuid and k.version = late.prev)
       group by prev returning idx, version),
     known as (
       update campaign_strata s set size = s.size + x.n
       from (select prev, count(*) as n from late where skip is null group by prev) x
       where s.campaign_id = ${campaign}::uuid and s.version = x.prev returning s.idx, s.version),
     joined as (
       insert into deployments (org_id, campaign_id, stage_idx, device_id, site_id, position, stratum_idx, state, state_at,
         step_artifact_id, step_kind)
       select ${org}::uuid, ${campaign}::uuid, ${last}::int, late.id, late.site_id,
         (select coalesce(max(position), 0) from deployments where campaign_id = ${campaign}::uuid)
           + row_number() over (order by late.id), s.idx, 'planned', clock_timestamp(),
         late.step, case when late.step is not null then 'stone' end
       from late join (select * from strata union all select * from known) s on s.version = late.prev
       where late.skip is null returning state)
     select state, count(*)::int as n from joined group by state`,
    params.values,
  );
  const leaveParams = new Params();
  const id = leaveParams.add(request.campaignId);
  const stays = selectorSql(request.selector, leaveParams, request.nowMs);
  const left = await queryRows<{ stage_idx: number; n: number }>(
    tx,
    `with gone as (
       update deployments dep set state = 'skipped', outcome_reason = 'left-selection', state_at = clock_timestamp(),
         ended_at = clock_timestamp(), not_before = null
       from ${MEMBER_FROM}
       where dep.campaign_id = ${id}::uuid and dep.state = 'planned' and dep.ordinal is null and dev.id = dep.device_id
         and not ${stays}
       returning dep.stage_idx)
     select stage_idx, count(*)::int as n from gone group by stage_idx`,
    leaveParams.values,
  );
  const campaignId = request.campaignId;
  const lastStage = request.policy.stages.length - 1;
  await addToCounters(tx, [
    ...joined.map((row) => ({ campaign: campaignId, stage: lastStage, state: row.state, n: row.n })),
    ...left.flatMap((row) => [
      { campaign: campaignId, stage: row.stage_idx, state: 'planned', n: -row.n },
      { campaign: campaignId, stage: row.stage_idx, state: 'skipped', n: row.n },
    ]),
  ]);
  const sum = (rows: readonly { n: number }[]): number => rows.reduce((total, row) => total + row.n, 0);
  return { joined: sum(joined), left: sum(left) };
}
