/** Gives and renews grants: the claims that cross campaigns are made here, in the granting transaction. */
import type { DeploymentState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { CANDIDATE_FROM, noRuleBlocks } from '../../domain/candidate/rules.js';
import { chooseGrants, type Candidate } from '../../domain/campaign/choose-grants.js';
import { grantEnds } from '../../domain/deployment/exposure.js';
import { addToCounters, fenceOf } from '../campaigns/deployment-writer.js';
import { lockGateways, timeOf } from '../campaigns/deployment-rows.js';
import type { CampaignRow } from './campaign-snapshot.js';
import { bumpOrders } from './order-book.js';

/** How far candidates are looked ahead beyond the room, so that one full gateway does not hide the others. */
const LOOK_AHEAD = 4;
const MAX_CANDIDATES = 2_000;

export interface GrantRequest {
  readonly mode: 'update' | 'rescue';
  readonly room: number;
  readonly stages: readonly number[];
}

interface CandidateRow {
  id: string;
  device_id: string;
  gateway_id: string;
  position: string;
  in_flight: number;
}

/** @returns the gateways that got grants, with how many. */
export async function giveGrants(
  tx: Queryable,
  campaign: CampaignRow,
  request: GrantRequest,
): Promise<Map<string, number>> {
  const state: DeploymentState = request.mode === 'rescue' ? 'rescue' : 'planned';
  const { perGateway } = campaign.policy.limits;
  const now = timeOf('$2::float8');
  const where = `dep.campaign_id = $1 and dep.state = '${state}' and dep.stage_idx = any($4::int[])
    and ${noRuleBlocks(now, '$3')}`;
  const columns = 'dep.id, dep.device_id, gw.id as gateway_id, dep.position, gw.in_flight';
  const rows = await queryRows<CandidateRow>(
    tx,
    `select ${columns} from ${CANDIDATE_FROM} where ${where} order by dep.stage_idx, dep.position limit $5`,
    [campaign.id, campaign.nowMs, perGateway, request.stages, Math.min(MAX_CANDIDATES, request.room * LOOK_AHEAD + 64)],
  );
  const wanted = choose(rows, request.room, perGateway);
  if (wanted.length === 0) return new Map();

  // Under the locks everything is looked at again: another campaign may have claimed a device or a slot meanwhile.
  await lockGateways(
    tx,
    wanted.map((candidate) => candidate.gatewayId),
  );
  const locked = await queryRows<CandidateRow & { epoch: string; attempt: number; first: boolean }>(
    tx,
    `select ${columns}, gw.epoch, dep.attempt, dep.ordinal is null as first from ${CANDIDATE_FROM}
     where ${where} and dep.id = any($5::uuid[]) order by dev.id for no key update of dev, dep skip locked`,
    [campaign.id, campaign.nowMs, perGateway, request.stages, wanted.map((candidate) => candidate.deploymentId)],
  );
  const held = new Set(wanted.map((candidate) => candidate.gatewayId));
  const chosen = new Set(
    choose(
      locked.filter((row) => held.has(row.gateway_id)),
      request.room,
      perGateway,
    ).map((candidate) => candidate.deploymentId),
  );
  const granted = locked.filter((row) => chosen.has(row.id)).sort((a, b) => Number(a.position) - Number(b.position));
  if (granted.length === 0) return new Map();
  await write(tx, campaign, request, state, granted);
  const byGateway = new Map<string, number>();
  for (const row of granted) byGateway.set(row.gateway_id, (byGateway.get(row.gateway_id) ?? 0) + 1);
  await claimSlots(tx, byGateway, perGateway);
  await bumpOrders(tx, [...byGateway.keys()], false);
  await noteOrderRevision(
    tx,
    granted.map((row) => row.id),
  );
  return byGateway;
}

/** Which order names the grants first: what tells later whether a gateway can have heard of them. */
async function noteOrderRevision(tx: Queryable, deploymentIds: readonly string[]): Promise<void> {
  await queryRows(
    tx,
    `update attempts a set order_revision = o.revision
     from deployments d join orders o on o.gateway_id = d.gateway_id
     where d.id = any($1::uuid[]) and a.deployment_id = d.id and a.reign = d.reign and a.attempt = d.attempt`,
    [deploymentIds],
  );
}

function choose(rows: readonly CandidateRow[], room: number, perGateway: number): Candidate[] {
  const inFlight = new Map(rows.map((row) => [row.gateway_id, row.in_flight]));
  return chooseGrants(
    rows.map((row) => ({
      deploymentId: row.id,
      deviceId: row.device_id,
      gatewayId: row.gateway_id,
      position: Number(row.position),
    })),
    room,
    (gatewayId) => perGateway - (inFlight.get(gatewayId) ?? perGateway),
  );
}

async function write(
  tx: Queryable,
  campaign: CampaignRow,
  request: GrantRequest,
  from: DeploymentState,
  granted: readonly (CandidateRow & { epoch: string; first: boolean })[],
): Promise<void> {
  const ends = grantEnds(campaign.nowMs, campaign.policy.timeouts);
  const firsts = granted.filter((row) => row.first).map((row) => row.id);
  const [counter] = await queryRows<{ first: string }>(
    tx,
    'update campaigns set next_ordinal = next_ordinal + $2 where id = $1 returning (next_ordinal - $2)::text as first',
    [campaign.id, firsts.length],
  );
  const firstOrdinal = Number(counter!.first);
  const rows = granted.map((row) => ({
    id: row.id,
    gateway_id: row.gateway_id,
    epoch: row.epoch,
    ordinal: row.first ? firstOrdinal + firsts.indexOf(row.id) : null,
  }));
  // The attempt's row is made from what the update gives back, so both carry the same number.
  const moved = await queryRows<{ stage_idx: number; n: number }>(
    tx,
    `with x as (select * from jsonb_to_recordset($1::jsonb) as x(id uuid, gateway_id uuid, epoch text, ordinal bigint)),
     given as (
       update deployments d set state = 'granted', attempt = d.attempt + 1, reign = (select reign from installation),
         gateway_id = x.gateway_id, epoch = x.epoch, ordinal = coalesce(d.ordinal, x.ordinal), not_before = null,
         granted_at = ${timeOf('$2::float8')}, start_by = ${timeOf('$3::float8')}, finish_by = ${timeOf('$4::float8')},
         touched_at = null, cancel_mode = null, outcome_code = null, outcome_reason = null, outcome_params = null,
         state_at = ${timeOf('$2::float8')}, ended_at = null
       from x where d.id = x.id
       returning d.id, d.reign, d.attempt, d.campaign_id, d.device_id, d.gateway_id, d.epoch, d.stage_idx, d.granted_at,
         d.start_by, d.finish_by),
     tried as (
       insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at,
         start_by, finish_by)
       select g.id, g.reign, g.attempt, g.campaign_id, g.device_id, g.gateway_id, g.epoch,
         case when $5 = 'rescue' or v.needs_rescue or v.mode = 'bootloader' then 'rescue' else 'update' end,
         g.granted_at, g.start_by, g.finish_by
       from given g join devices v on v.id = g.device_id),
     fenced as (update devices v set fenced_until = ${timeOf('$6::float8')} from given where v.id = given.device_id)
     select stage_idx, count(*)::int as n from given group by stage_idx`,
    [JSON.stringify(rows), campaign.nowMs, ends.startByMs, ends.finishByMs, request.mode, fenceOf(ends.finishByMs)],
  );
  await addToCounters(
    tx,
    moved.flatMap((row) => [
      { campaign: campaign.id, stage: row.stage_idx, state: from, n: -row.n },
      { campaign: campaign.id, stage: row.stage_idx, state: 'granted', n: row.n },
    ]),
  );
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
export async function renewGrants(tx: Queryable, campaign: CampaignRow): Promise<string[]> {
  const { startMs, downloadMs } = campaign.policy.timeouts;
  const where = `dep.campaign_id = $1 and dep.state in ('granted', 'downloading')
    and dep.start_by > ${timeOf('$2::float8')} and dep.start_by < ${timeOf('($2::float8 + $3::float8 / 2)')}
    and dep.granted_at > ${timeOf('($2::float8 - $3::float8 - $4::float8)')}
    and gw.online and gw.epoch = dep.epoch and gw.state = 'active' and gw.hold_note is null`;
  const params = [campaign.id, campaign.nowMs, startMs, downloadMs];
  const due = await queryRows<{ id: string; gateway_id: string }>(
    tx,
    `select dep.id, gw.id as gateway_id from deployments dep join gateways gw on gw.id = dep.gateway_id where ${where}
     order by dep.id limit ${MAX_CANDIDATES}`,
    params,
  );
  if (due.length === 0) return [];
  await lockGateways(
    tx,
    due.map((row) => row.gateway_id),
  );
  const ends = grantEnds(campaign.nowMs, campaign.policy.timeouts);
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
