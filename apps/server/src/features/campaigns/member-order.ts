/**
 * Who may be a member of a campaign and in which order and stage: the order is one statement over the selected devices,
 * linear in their number (methods: stratified stable selection).
 */
import type { Policy, Selector } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { compareVersions } from '../../domain/campaign/version-order.js';
import { filterToSql, type SqlParams } from '../../domain/filter/filter-sql.js';
import { filterOfSelector } from '../../domain/filter/from-selector.js';
import { ProblemError } from '../../http/problem-error.js';
import { stepsJson, type CampaignSteps } from './campaign-steps.js';
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
  /** Running versions that go over another artifact first. */
  readonly steps: CampaignSteps;
  /** Running versions that the artifact may follow; empty: any. */
  readonly requires: readonly string[];
  /** Ages in filters are measured against it. */
  readonly nowMs: number;
}

/** Placeholders are numbered as they are added. */
export class Params implements SqlParams {
  readonly values: unknown[] = [];
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** True for devices that the selector means, over `devices dev`; never null. One rule in one place. */
export function selectorSql(selector: Selector, params: SqlParams, nowMs: number): string {
  const read = filterOfSelector(selector);
  // Checked when the campaign was saved.
  if (!read.ok) throw new ProblemError('campaign.policy', { detail: read.errors[0]?.what ?? 'the filter' });
  const matches = `coalesce(${filterToSql(read.filter, params, nowMs)}, false)`;
  if (selector.updatedBy === undefined) return matches;
  return `(${matches} and exists (select 1 from deployments u where u.device_id = dev.id
    and u.campaign_id = ${params.add(selector.updatedBy)}::uuid and ${UPDATED}))`;
}

/** A campaign has updated a device, or left it so that only another update helps. Alias u. */
export const UPDATED = `(u.state in ('proven', 'unproven') or u.at_risk)`;

export const MEMBER_FROM = 'devices dev';

/** Versions that run somewhere among the selected and are newer than the artifact; versions are few, devices many. */
export async function newerVersions(tx: Queryable, request: PlanRequest): Promise<string[]> {
  if (request.policy.allowDowngrade) return [];
  const params = new Params();
  const where = `dev.org_id = ${params.add(request.orgId)} and dev.model = ${params.add(request.model)}`;
  const rows = await queryRows<{ version: string }>(
    tx,
    `select distinct dev.running_version as version from ${MEMBER_FROM}
     where ${where} and dev.running_version is not null and ${selectorSql(request.selector, params, request.nowMs)}`,
    params.values,
  );
  return rows.map((row) => row.version).filter((version) => (compareVersions(version, request.version) ?? 0) > 0);
}

/** The artifact that a device takes first, as an id; null where it takes the campaign's. Needs the alias dev. */
export const stepSql = (steps: string): string => `(${steps}::jsonb ->> dev.running_version)::uuid`;

/** The device states other hardware, or speaks another protocol, than the artifact wants. */
const misfitSql = (art: string): string => `(not dev.hardware @> coalesce(${art}.requires->'hardware', '{}')
  or exists (select 1 from jsonb_each(coalesce(${art}.description->'hardware', '{}')) wanted
    join jsonb_each(dev.hardware) found using (key) where wanted.value <> found.value))`;
const wrongProtocolSql = (art: string): string =>
  `(dev.protocol is not null and not coalesce(${art}.description->'protocols' ? dev.protocol, true))`;

/** As {@link stepSql}, where the device cannot take the campaign's artifact at once. Needs dev and art. */
export const neededStepSql = (steps: string): string => `case
  when not coalesce(art.requires->'runningVersions' ? dev.running_version, false) then ${stepSql(steps)} end`;

/** What the artifact may follow where the device runs something else; null where it is no version that is missing. */
export const missingSql = (skip: string, prev: string, artifact: string): string => `case when ${skip} = 'requires'
  then jsonb_build_object('running', coalesce(nullif(${prev}, ''), 'an unknown version'), 'wanted', (
    select string_agg(v, ', ') from artifacts art, jsonb_array_elements_text(art.requires->'runningVersions') v
    where art.id = ${artifact}::uuid)) end`;

/**
 * Why a device is left out. Needs the aliases dev and art. A device without a running application is never
 * "already running" anything.
 */
export const skipSql = (newer: string, steps: string): string => `case
  when not dev.needs_rescue and dev.mode = 'application' and (
    (cardinality(art.running_hashes) > 0 and coalesce(
       (select array_agg(e->>'hash') from jsonb_array_elements(dev.running) e where e->>'hash' is not null), '{}'
     ) @> art.running_hashes)
    or (cardinality(art.running_hashes) = 0 and dev.running_version = art.running_version and ${versionProvesSql('art')}))
    then 'already-running'
  when dev.running_version = any(${newer}::text[]) then 'downgrade'
  when jsonb_array_length(coalesce(art.requires->'runningVersions', '[]')) > 0
    and not coalesce(art.requires->'runningVersions' ? dev.running_version, false)
    and not exists (select 1 from artifacts stone where stone.id = ${stepSql(steps)}
      and not ${misfitSql('stone')} and not ${wrongProtocolSql('stone')}) then 'requires'
  when ${misfitSql('art')} then 'wrong-hardware'
  when ${wrongProtocolSql('art')} then 'wrong-protocol'
end`;

/** Strata smaller than this send one device first and the rest with the last stage. */
export const SMALL_STRATUM = 5;

/**
 * Order: a stable seeded hash, proportional over running version and site (methods, section 2): the j-th device of a
 * stratum of N has the key 0 if j = 1, else (j - 1/2) / N, and the smallest keys come first, so every stratum has a
 * device among the first and a longer prefix never takes one out. Makes the temporary table `planned_members`.
 */
export async function orderMembers(tx: Queryable, request: PlanRequest): Promise<void> {
  const newer = await newerVersions(tx, request);
  const params = new Params();
  const seed = params.add(request.campaignId);
  const org = params.add(request.orgId);
  const artifact = params.add(request.artifactId);
  const model = params.add(request.model);
  const newerParam = params.add(newer);
  const steps = params.add(stepsJson(request.steps));
  const stage = stageSql(request.policy, params, request.nowMs);
  await queryRows(tx, 'drop table if exists planned_members');
  await queryRows(
    tx,
    `create temporary table planned_members on commit drop as
     with chosen as (
       select dev.id, dev.site_id, dev.gateway_id, coalesce(dev.running_version, '') as prev, dev.site_id::text as site,
         ${skipSql(newerParam, steps)} as skip, ${neededStepSql(steps)} as step, ${stage.filterSql} as own_stage,
         ('x' || encode(substring(sha256(convert_to(${seed}::text || ':' || dev.id::text, 'UTF8')) from 1 for 8), 'hex'))
           ::bit(64)::bigint as h
       from ${MEMBER_FROM} join artifacts art on art.id = ${artifact}::uuid
       where dev.org_id = ${org}::uuid and dev.model = ${model} and dev.state = 'active' and ${selectorSql(request.selector, params, request.nowMs)}),
     a as (
       select *, count(*) over (partition by skip, prev) as n_c, count(*) over (partition by skip, prev, site) as n_s,
         row_number() over (partition by skip, prev, site order by h, id) as r_s,
         ('x' || encode(substring(sha256(convert_to(
            ${seed}::text || ':' || length(prev)::text || ':' || prev || ':' || site, 'UTF8')) from 1 for 4), 'hex'))
           ::bit(32)::bigint / 4294967296.0::float8 as u
       from chosen),
     b as (select *, row_number() over (partition by skip, prev order by (r_s - u) / n_s, h, id) as r_c from a),
     c as (
       select id, site_id, gateway_id, prev, skip, step, own_stage, n_c, count(*) filter (where skip is null) over () as eligible,
         row_number() over (
           order by (skip is not null), case when r_c = 1 then 0 when n_c < ${SMALL_STRATUM} then 2
             else (r_c - 0.5::float8) / n_c end, n_c desc, h, id) as pos
       from b),
     d as (select *, row_number() over (partition by skip is null, own_stage is null order by pos) as rest from c)
     select id, site_id, gateway_id, prev, skip, step, pos, eligible, case when skip is not null then ${stage.last}
       when own_stage is not null then own_stage else ${stage.restSql} end as stage_idx
     from d`,
    params.values,
  );
}

/** SQL for the stage of a member: by filter (the first that matches), else by its place among the others. */
function stageSql(
  policy: Policy,
  params: SqlParams,
  nowMs: number,
): { filterSql: string; restSql: string; last: string } {
  const cases: string[] = [];
  const bounds: string[] = [];
  let percent = 0;
  let count = 0;
  const last = policy.stages.length - 1;
  policy.stages.forEach((stage, index) => {
    if (stage.filter !== undefined) {
      cases.push(`when ${selectorSql({ filter: stage.filter }, params, nowMs)} then ${index}`);
      return;
    }
    if (index === last) return;
    percent += stage.percent ?? 0;
    count += stage.count ?? 0;
    // The cumulated shares are rounded up, as `stageBounds` does.
    bounds.push(`when rest <= ceil(${percent}::float8 / 100 * eligible - 1e-9) + ${count} then ${index}`);
  });
  return {
    filterSql: cases.length === 0 ? 'null::int' : `case ${cases.join(' ')} end`,
    restSql: bounds.length === 0 ? `${last}` : `case ${bounds.join(' ')} else ${last} end`,
    last: String(last),
  };
}
