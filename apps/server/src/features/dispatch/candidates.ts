/**
 * Finds devices that may be granted now. A look costs the same for a thousand members and a million: the first of the
 * order are always looked at, and behind them a bounded stretch that moves on from look to look.
 */
import { randomUUID } from 'node:crypto';
import type { DeploymentState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { chooseGrants, type Candidate } from '../../domain/campaign/choose-grants.js';
import {
  CANDIDATE_FROM,
  GROUP_OUT,
  noRuleBlocks,
  SITE_IN_FLIGHT,
  type RuleParams,
} from '../../domain/candidate/rules.js';
import { timeOf } from '../campaigns/deployment-rows.js';
import type { RuleFacts } from './rule-facts.js';

/** Planned members looked at from the front, and in the stretch that moves on. */
const HEAD_SCAN = 2_000;
const STRETCH_SCAN = 4_000;
/** So many from the front are enough for one look: their orders go out while the next look, at once, finds more. */
const PLENTY = 1_000;
/** Gateways without work that are given their first in one look, gateways looked at for it, and devices of each. */
const IDLE_GATEWAYS = 2_000;
const GATEWAY_SCAN = 20_000;
const DEVICES_OF_IDLE = 32;

export interface GrantRequest {
  readonly mode: 'update' | 'rescue';
  readonly room: number;
  readonly stages: readonly number[];
}

export interface CandidateRow {
  readonly id: string;
  readonly device_id: string;
  readonly gateway_id: string;
  readonly site_id: string;
  readonly stage_idx: number;
  readonly position: string;
  readonly in_flight: number;
  readonly site_in_flight: number | null;
  readonly group_id: string | null;
  readonly group_room: number | null;
  readonly stratum_idx: number;
  readonly lone_stratum: boolean;
}

export interface ScanPlace {
  readonly stage: number;
  readonly position: number;
}
const START: ScanPlace = { stage: -1, position: 0 };

const RULE_PARAMS: RuleParams = {
  now: timeOf('$2::float8'),
  perGateway: '$3',
  perSite: '$4',
  minBattery: '$5',
  openZones: '$6',
  urgent: '$7',
};

export const ruleValues = (campaignId: string, nowMs: number, facts: RuleFacts): unknown[] => [
  campaignId,
  nowMs,
  facts.perGateway,
  facts.perSite,
  facts.minBattery,
  facts.openZones,
  facts.urgentOthers,
];

export const stateOf = (mode: GrantRequest['mode']): DeploymentState => (mode === 'rescue' ? 'rescue' : 'planned');

export const CANDIDATE_COLUMNS = `dep.id, dep.device_id, gw.id as gateway_id, dev.site_id, dep.stage_idx,
  dep.position::text as position, gw.in_flight,
  case when $4::int is null then null else ${SITE_IN_FLIGHT}::int end as site_in_flight,
  dev.redundancy_group_id as group_id,
  case when dev.redundancy_group_id is null then null else (grp.max_out - ${GROUP_OUT})::int end as group_room,
  dep.stratum_idx, coalesce(str.in_first_stage = 0 and str.opened_at is null, false) as lone_stratum`;

/** Every placeholder is named with its type, also where the rules of a rescue do not look at it. */
export const candidateWhere = (mode: GrantRequest['mode']): string =>
  `${noRuleBlocks(RULE_PARAMS, mode)} and $5::int is not distinct from $5 and $6::text[] is not distinct from $6
   and $7::uuid[] is not distinct from $7`;

/** @returns those nothing stands in the way of, and where the next look goes on (START at the end of the order). */
export async function findCandidates(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number },
  request: GrantRequest,
  facts: RuleFacts,
  scan: ScanPlace,
): Promise<{ rows: CandidateRow[]; next: ScanPlace }> {
  const idle =
    request.mode === 'update' && request.room >= PLENTY ? await lookAtIdle(tx, campaign, request, facts) : [];
  if (idle.length >= PLENTY) return { rows: idle, next: scan };
  const head = await look(tx, campaign, request, facts, START, HEAD_SCAN);
  const first = merged(idle, head.rows);
  const chosen = chooseFrom(first, request.room, facts).length;
  if (chosen >= request.room || head.isLast) return { rows: first, next: START };
  if (chosen >= PLENTY) return { rows: first, next: head.end };
  const from = scan.stage < head.end.stage || (scan.stage === head.end.stage && scan.position < head.end.position);
  const more = await look(tx, campaign, request, facts, from ? head.end : scan, STRETCH_SCAN);
  return { rows: merged(first, more.rows), next: more.isLast ? START : more.end };
}

function merged(rows: readonly CandidateRow[], more: readonly CandidateRow[]): CandidateRow[] {
  const known = new Set(rows.map((row) => row.id));
  return [...rows, ...more.filter((row) => !known.has(row.id))];
}

/**
 * One device, whichever is found first, of each gateway that has nothing to do. Where thousands may start at once, the
 * order of the campaign alone would give the last gateway its first order when nearly all devices have theirs. Begins
 * anywhere, so that gateways that nothing waits behind do not hide the others from every look. The `offset 0` keeps the
 * planner to one deployment by its key for each device: it would read the plan of the campaign once for every gateway.
 */
async function lookAtIdle(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number },
  request: GrantRequest,
  facts: RuleFacts,
): Promise<CandidateRow[]> {
  const lap = (where: string): string =>
    `(select id, in_flight, online, state from gateways where ${where} order by id limit ${GATEWAY_SCAN})`;
  return queryRows<CandidateRow>(
    tx,
    `with ring as (${lap('id > $9::uuid')} union all ${lap('id <= $9::uuid')} limit ${GATEWAY_SCAN}),
     idle as (select id from ring where online and state = 'active' and in_flight = 0 limit ${IDLE_GATEWAYS}),
     stretch as materialized (
       select d.* from idle cross join lateral (
         select dep.* from (select id from devices where gateway_id = idle.id limit ${DEVICES_OF_IDLE}) dev
           cross join lateral (
             select * from deployments p where p.device_id = dev.id and p.campaign_id = $1
               and p.state = '${stateOf(request.mode)}' and p.stage_idx = any($8::int[]) offset 0) dep
         limit 1) d)
     select ${CANDIDATE_COLUMNS} from ${CANDIDATE_FROM.replace('deployments dep', 'stretch dep')}
     where ${candidateWhere(request.mode)}`,
    [...ruleValues(campaign.id, campaign.nowMs, facts), request.stages, randomUUID()],
  );
}

async function look(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number },
  request: GrantRequest,
  facts: RuleFacts,
  after: ScanPlace,
  limit: number,
): Promise<{ rows: CandidateRow[]; end: ScanPlace; isLast: boolean }> {
  // One scan of the index per stage, so that nothing is sorted but what was read.
  const stretch = `select d.* from unnest($8::int[]) as s(idx) cross join lateral (
      select * from deployments d where d.campaign_id = $1 and d.stage_idx = s.idx and d.state = '${stateOf(request.mode)}'
        and (s.idx > $9::int or (s.idx = $9::int and d.position > $10::bigint))
      order by d.position limit ${limit}) d order by d.stage_idx, d.position limit ${limit}`;
  const rows = await queryRows<
    Partial<CandidateRow> & { scanned: number; last_stage: number | null; last_at: string | null }
  >(
    tx,
    `with stretch as materialized (${stretch}),
     found as (select ${CANDIDATE_COLUMNS} from ${CANDIDATE_FROM.replace('deployments dep', 'stretch dep')}
       where ${candidateWhere(request.mode)}),
     seen as (select count(*)::int as scanned, (array_agg(stage_idx order by stage_idx desc, position desc))[1] as last_stage,
       (array_agg(position order by stage_idx desc, position desc))[1]::text as last_at from stretch)
     select seen.*, found.* from seen left join found on true order by found.stage_idx, found.position::bigint`,
    [...ruleValues(campaign.id, campaign.nowMs, facts), request.stages, after.stage, after.position],
  );
  const [first] = rows;
  return {
    rows: rows.filter((row): row is CandidateRow & typeof row => row.id !== undefined && row.id !== null),
    end:
      first === undefined || first.last_stage === null
        ? after
        : { stage: first.last_stage, position: Number(first.last_at) },
    isLast: (first?.scanned ?? 0) < limit,
  };
}

/** Greedy by the order of the campaign, within everything that has room. */
export function chooseFrom(rows: readonly CandidateRow[], room: number, facts: RuleFacts): Candidate[] {
  const rooms = new Map<string, number>();
  const candidates = rows.map((row): Candidate => {
    const holders: string[] = [];
    const hold = (key: string, left: number): void => {
      rooms.set(key, left);
      holders.push(key);
    };
    hold(`gateway ${row.gateway_id}`, facts.perGateway - row.in_flight);
    if (facts.perSite !== null) hold(`site ${row.site_id}`, facts.perSite - (row.site_in_flight ?? 0));
    if (row.group_id !== null) hold(`group ${row.group_id}`, row.group_room ?? 0);
    if (row.lone_stratum) hold(`stratum ${row.stratum_idx}`, 1);
    return {
      deploymentId: row.id,
      deviceId: row.device_id,
      gatewayId: row.gateway_id,
      stage: row.stage_idx,
      position: Number(row.position),
      holders,
    };
  });
  return chooseGrants(candidates, room, (holder) => rooms.get(holder) ?? 0);
}
