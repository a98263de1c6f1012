/** Gives and renews grants: the claims that cross campaigns are made here, in the granting transaction. */
import type { DeploymentState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { CANDIDATE_FROM } from '../../domain/candidate/rules.js';
import { grantEnds } from '../../domain/deployment/exposure.js';
import { addToCounters, fenceOf } from '../campaigns/deployment-writer.js';
import { lockGateways, timeOf } from '../campaigns/deployment-rows.js';
import type { CampaignRow } from './campaign-row.js';
import {
  CANDIDATE_COLUMNS,
  candidateWhere,
  chooseFrom,
  findCandidates,
  ruleValues,
  stateOf,
  type CandidateRow,
  type GrantRequest,
} from './candidates.js';
import type { RuleFacts } from './rule-facts.js';
import { bumpOrders } from './order-book.js';

/** Grants renewed in one step. */
const MAX_RENEWALS = 2_000;

/** @returns the gateways that got grants, with how many. */
export async function giveGrants(
  tx: Queryable,
  campaign: CampaignRow,
  request: GrantRequest,
  facts: RuleFacts,
): Promise<Map<string, number>> {
  const { rows, next } = await findCandidates(tx, campaign, request, facts, campaign.scan);
  if (request.mode === 'update' && (next.stage !== campaign.scan.stage || next.position !== campaign.scan.position)) {
    await queryRows(tx, 'update campaigns set scan_stage = $2, scan_position = $3 where id = $1', [
      campaign.id,
      next.stage,
      next.position,
    ]);
  }
  const wanted = chooseFrom(rows, request.room, facts);
  if (wanted.length === 0) return new Map();

  // Under the locks everything is looked at again: another campaign may have claimed a device or a slot meanwhile.
  const ids = new Set(wanted.map((candidate) => candidate.deploymentId));
  const chosenRows = rows.filter((row) => ids.has(row.id));
  if (facts.perSite !== null) {
    await lockRows(
      tx,
      'sites',
      chosenRows.map((row) => row.site_id),
    );
  }
  await lockRows(
    tx,
    'redundancy_groups',
    chosenRows.flatMap((row) => (row.group_id === null ? [] : [row.group_id])),
  );
  await lockGateways(
    tx,
    wanted.map((candidate) => candidate.gatewayId),
  );
  const locked = await queryRows<CandidateRow & { epoch: string; attempt: number; first: boolean }>(
    tx,
    `select ${CANDIDATE_COLUMNS}, gw.epoch, dep.attempt, dep.ordinal is null as first from ${CANDIDATE_FROM}
     where dep.campaign_id = $1 and dep.state = '${stateOf(request.mode)}' and ${candidateWhere(request.mode)}
       and dep.id = any($8::uuid[]) order by dev.id for no key update of dev, dep skip locked`,
    [...ruleValues(campaign.id, campaign.nowMs, facts), [...ids]],
  );
  const held = new Set(wanted.map((candidate) => candidate.gatewayId));
  const chosen = new Set(
    chooseFrom(
      locked.filter((row) => held.has(row.gateway_id)),
      request.room,
      facts,
    ).map((candidate) => candidate.deploymentId),
  );
  const granted = locked
    .filter((row) => chosen.has(row.id))
    .sort((a, b) => a.stage_idx - b.stage_idx || Number(a.position) - Number(b.position));
  if (granted.length === 0) return new Map();
  const byGateway = new Map<string, number>();
  for (const row of granted) byGateway.set(row.gateway_id, (byGateway.get(row.gateway_id) ?? 0) + 1);
  await claimSlots(tx, byGateway, facts.perGateway);
  const ranks = await noteHolders(tx, campaign.id, granted);
  const revisions = await bumpOrders(tx, [...byGateway.keys()], false);
  const placed = granted.map((row) => ({ ...row, ...ranks.get(row.id)!, revision: revisions.get(row.gateway_id)! }));
  await write(tx, campaign, request, stateOf(request.mode), placed, facts.startMs);
  return byGateway;
}

async function lockRows(tx: Queryable, table: 'sites' | 'redundancy_groups', ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await queryRows(tx, `select id from ${table} where id = any($1::uuid[]) order by id for no key update`, [
    [...new Set(ids)].sort(),
  ]);
}

/** Place among the trials of the gateway and of the site, from 1: known for good when the trial is granted. */
interface Ranks {
  readonly gatewayRank: number;
  readonly siteRank: number;
}

/**
 * Gateways and sites that have been tried: what the brake compares them with. A device that is tried again elsewhere
 * stands behind all that were tried there.
 * @param granted in the order of granting.
 */
async function noteHolders(
  tx: Queryable,
  campaignId: string,
  granted: readonly (CandidateRow & { readonly first: boolean })[],
): Promise<Map<string, Ranks>> {
  const holders = new Map<string, { kind: 'gateway' | 'site'; id: string; tried: number }>();
  const note = (kind: 'gateway' | 'site', id: string, first: boolean): void => {
    const holder = holders.get(`${kind} ${id}`) ?? { kind, id, tried: 0 };
    holder.tried += first ? 1 : 0;
    holders.set(`${kind} ${id}`, holder);
  };
  for (const row of granted) {
    note('gateway', row.gateway_id, row.first);
    note('site', row.site_id, row.first);
  }
  const list = [...holders.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const noted = await queryRows<{ kind: 'gateway' | 'site'; ref_id: string; tried: number }>(
    tx,
    `with noted as (
       insert into campaign_holders as h (campaign_id, kind, ref_id, tried) select $1, kind, id, tried
       from unnest($2::text[], $3::uuid[], $4::bigint[]) as x(kind, id, tried)
       on conflict (campaign_id, kind, ref_id) do update set tried = h.tried + excluded.tried
       returning kind, ref_id, tried, h.xmax = 0 as is_new),
     counted as (
       update campaigns set gateways_tried = gateways_tried + (select count(*) from noted where is_new and kind = 'gateway'),
         sites_tried = sites_tried + (select count(*) from noted where is_new and kind = 'site') where id = $1)
     select kind, ref_id, tried::float8 as tried from noted`,
    [campaignId, list.map((one) => one.kind), list.map((one) => one.id), list.map((one) => one.tried)],
  );
  const tried = new Map<string, number>();
  for (const { kind, ref_id: id, tried: after } of noted) {
    tried.set(`${kind} ${id}`, after - holders.get(`${kind} ${id}`)!.tried);
  }
  const place = (holder: string, first: boolean): number => {
    const at = tried.get(holder)! + 1;
    if (first) tried.set(holder, at);
    return at;
  };
  return new Map(
    granted.map((row) => [
      row.id,
      {
        gatewayRank: place(`gateway ${row.gateway_id}`, row.first),
        siteRank: place(`site ${row.site_id}`, row.first),
      },
    ]),
  );
}

/** What is tried once more where it was tried before keeps its place there. */
const rankKept = (kind: 'gateway' | 'site', where: string): string => `case when g.attempt = 1 then g.${kind}_rank
  else coalesce((select min(e.${kind}_rank) from attempts e where e.deployment_id = g.id${where}), g.${kind}_rank) end`;

async function write(
  tx: Queryable,
  campaign: CampaignRow,
  request: GrantRequest,
  from: DeploymentState,
  granted: readonly (CandidateRow & Ranks & { epoch: string; first: boolean; revision: number })[],
  startMs: number,
): Promise<void> {
  const ends = grantEnds(campaign.nowMs, { ...campaign.policy.timeouts, startMs });
  const firsts = granted.filter((row) => row.first).map((row) => row.id);
  const [counter] = await queryRows<{ first: string }>(
    tx,
    'update campaigns set next_ordinal = next_ordinal + $2 where id = $1 returning (next_ordinal - $2)::text as first',
    [campaign.id, firsts.length],
  );
  const ordinals = new Map(firsts.map((id, index) => [id, Number(counter!.first) + index]));
  const inStratum = await strataOrdinals(
    tx,
    campaign,
    granted.filter((row) => row.first),
  );
  const rows = granted.map((row) => ({
    id: row.id,
    gateway_id: row.gateway_id,
    epoch: row.epoch,
    ordinal: ordinals.get(row.id) ?? null,
    stratum_ordinal: inStratum.get(row.id) ?? null,
    revision: row.revision,
    gateway_rank: row.gatewayRank,
    site_rank: row.siteRank,
  }));
  // The attempt's row is made from what the update gives back, so both carry the same number. Its ends count from the
  // beginning of the look; the grant itself is stamped now, after every end that the look has seen (P3 can be read off).
  const moved = await queryRows<{ stage_idx: number; n: number }>(
    tx,
    `with x as (select * from jsonb_to_recordset($1::jsonb) as x(id uuid, gateway_id uuid, epoch text, ordinal bigint,
       stratum_ordinal bigint, revision bigint, gateway_rank bigint, site_rank bigint)),
     given as (
       update deployments d set state = 'granted', attempt = d.attempt + 1, reign = (select reign from installation),
         gateway_id = x.gateway_id, epoch = x.epoch, ordinal = coalesce(d.ordinal, x.ordinal),
         stratum_ordinal = coalesce(d.stratum_ordinal, x.stratum_ordinal), not_before = null,
         granted_at = (select clock_timestamp()), start_by = ${timeOf('$3::float8')}, finish_by = ${timeOf('$4::float8')},
         touched_at = null, heard = false, preempted = false, cancel_mode = null, outcome_code = null, outcome_reason = null, outcome_params = null,
         state_at = ${timeOf('$2::float8')}, ended_at = null
       from x where d.id = x.id
       returning d.id, d.reign, d.attempt, d.campaign_id, d.device_id, d.gateway_id, d.epoch, d.stage_idx, d.granted_at,
         d.start_by, d.finish_by, d.step_artifact_id, x.revision, x.gateway_rank, x.site_rank),
     tried as (
       insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at,
         start_by, finish_by, artifact_id, order_revision, gateway_rank, site_rank)
       select g.id, g.reign, g.attempt, g.campaign_id, g.device_id, g.gateway_id, g.epoch,
         case when $5 = 'rescue' or v.needs_rescue or v.mode = 'bootloader' then 'rescue' else 'update' end,
         g.granted_at, g.start_by, g.finish_by, coalesce(g.step_artifact_id, $7::uuid), g.revision,
         ${rankKept('gateway', ' and e.gateway_id = g.gateway_id')}, ${rankKept('site', '')}
       from given g join devices v on v.id = g.device_id),
     fenced as (update devices v set fenced_until = ${timeOf('$6::float8')} from given where v.id = given.device_id)
     select stage_idx, count(*)::int as n from given group by stage_idx`,
    [
      JSON.stringify(rows),
      campaign.nowMs,
      ends.startByMs,
      ends.finishByMs,
      request.mode,
      fenceOf(ends.finishByMs),
      campaign.artifactId,
    ],
  );
  await addToCounters(
    tx,
    moved.flatMap((row) => [
      { campaign: campaign.id, stage: row.stage_idx, state: from, n: -row.n },
      { campaign: campaign.id, stage: row.stage_idx, state: 'granted', n: row.n },
    ]),
  );
}

/** Order of granting within each stratum, from 1. */
async function strataOrdinals(
  tx: Queryable,
  campaign: CampaignRow,
  firsts: readonly CandidateRow[],
): Promise<Map<string, number>> {
  const byStratum = new Map<number, string[]>();
  for (const row of firsts) byStratum.set(row.stratum_idx, [...(byStratum.get(row.stratum_idx) ?? []), row.id]);
  const ordinals = new Map<string, number>();
  if (byStratum.size === 0) return ordinals;
  const strata = [...byStratum.keys()].sort((a, b) => a - b);
  const moved = await queryRows<{ idx: number; before: string }>(
    tx,
    `update campaign_strata s set tried = s.tried + x.n, first_granted_at = coalesce(s.first_granted_at, ${timeOf('$4::float8')})
     from unnest($2::int[], $3::bigint[]) as x(idx, n)
     where s.campaign_id = $1 and s.idx = x.idx returning s.idx, (s.tried - x.n)::text as before`,
    [campaign.id, strata, strata.map((idx) => byStratum.get(idx)!.length), campaign.nowMs],
  );
  for (const { idx, before } of moved) {
    byStratum.get(idx)?.forEach((id, index) => ordinals.set(id, Number(before) + index + 1));
  }
  return ordinals;
}

/** Conditional, in id order: the claim of all campaigns on one gateway. The rows are locked, so it cannot fail. */
async function claimSlots(tx: Queryable, byGateway: ReadonlyMap<string, number>, limit: number): Promise<void> {
  const ids = [...byGateway.keys()].sort();
  const claimed = await queryRows(
    tx,
    `update gateways g set in_flight = g.in_flight + x.n from unnest($1::uuid[], $2::int[]) as x(id, n)
     where g.id = x.id and g.in_flight + x.n <= $3 returning g.id`,
    [ids, ids.map((id) => byGateway.get(id)!), limit],
  );
  if (claimed.length !== ids.length) throw new Error('A gateway has less room than was seen under its lock.');
}

/**
 * Renews grants that have not started: keeps the attempt, moves both ends, and is a new order. Only while the gateway
 * is there, and no longer than the download may take.
 * @returns the gateways that get a new order.
 */
export async function renewGrants(tx: Queryable, campaign: CampaignRow, facts: RuleFacts): Promise<string[]> {
  const { timeouts } = campaign.policy;
  const { startMs } = facts;
  const where = `dep.campaign_id = $1 and dep.state in ('granted', 'downloading')
    and dep.start_by > ${timeOf('$2::float8')} and dep.start_by < ${timeOf('($2::float8 + $3::float8 / 2)')}
    and dep.granted_at > ${timeOf('($2::float8 - $4::float8)')}
    and not dep.preempted and gw.online and gw.epoch = dep.epoch and gw.state = 'active' and gw.hold_note is null`;
  const params = [campaign.id, campaign.nowMs, startMs, timeouts.startMs + timeouts.downloadMs];
  const due = await queryRows<{ id: string; gateway_id: string }>(
    tx,
    `select dep.id, gw.id as gateway_id from deployments dep join gateways gw on gw.id = dep.gateway_id where ${where}
     order by dep.id limit ${MAX_RENEWALS}`,
    params,
  );
  if (due.length === 0) return [];
  await lockGateways(
    tx,
    due.map((row) => row.gateway_id),
  );
  const ends = grantEnds(campaign.nowMs, { ...timeouts, startMs });
  const renewed = await queryRows<{ gateway_id: string }>(
    tx,
    `with due as (
       select dep.id, dev.id as device_id from devices dev join deployments dep on dep.device_id = dev.id
         join gateways gw on gw.id = dep.gateway_id
       where ${where} and dep.id = any($5::uuid[]) order by dev.id for no key update of dev, dep),
     moved as (
       update deployments d set start_by = ${timeOf('$6::float8')}, finish_by = ${timeOf('$7::float8')}
       from due where d.id = due.id returning d.id, d.reign, d.attempt, d.gateway_id, d.start_by, d.finish_by),
     tried as (
       update attempts a set start_by = m.start_by, finish_by = m.finish_by from moved m
       where a.deployment_id = m.id and a.reign = m.reign and a.attempt = m.attempt),
     fenced as (update devices v set fenced_until = ${timeOf('$8::float8')} from due where v.id = due.device_id)
     select distinct gateway_id from moved`,
    [...params, due.map((row) => row.id), ends.startByMs, ends.finishByMs, fenceOf(ends.finishByMs)],
  );
  const gateways = renewed.map((row) => row.gateway_id);
  await bumpOrders(tx, gateways, false);
  return gateways;
}
