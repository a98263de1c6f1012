/**
 * What "why" reads of members. First what every answer needs, a few rows by their keys. What the rules about single
 * devices look at joins ten tables: it is read only for members of which the campaign's own state does not tell already,
 * as a named statement, for finding its plan takes longer than carrying it out.
 */
import { LIVE_DEPLOYMENT_STATES, type DeploymentState, type RunningImageFact } from '@drydock/contracts';
import type { Pool } from 'pg';
import {
  CANDIDATE_FROM,
  GROUP_OUT,
  SITE_IN_FLIGHT,
  urgentWaiting,
  WAITS_FOR_FIRST,
  type CandidateFacts,
} from '../../domain/candidate/rules.js';
import type { Params } from '../../domain/deployment/deployment.js';
import { msOf } from '../campaigns/deployment-rows.js';
import type { RuleFacts } from '../dispatch/rule-facts.js';

export interface MemberRow {
  id: string;
  campaign_id: string;
  campaign_name: string;
  device_id: string;
  position: string;
  state: DeploymentState;
  stage_idx: number;
  attempt: number;
  tries: number;
  start_by: number | null;
  finish_by: number | null;
  outcome_code: string | null;
  outcome_reason: string | null;
  outcome_params: Params | null;
  step_version: string | null;
  after_running: RunningImageFact[] | null;
  state_at: number;
  not_before: number | null;
  dep_gateway: string | null;
}

export const MEMBER_COLUMNS = `select dep.id, dep.campaign_id, camp.name as campaign_name, dep.device_id, dep.position, dep.state,
    dep.stage_idx, dep.attempt, dep.tries, ${msOf('dep.start_by')} as start_by, ${msOf('dep.finish_by')} as finish_by,
    dep.outcome_code, dep.outcome_reason, dep.outcome_params, dep.after_running,
    case when dep.step_kind = 'stone' then coalesce(stone.running_version, stone.version) end as step_version,
    ${msOf('dep.state_at')} as state_at, ${msOf('dep.not_before')} as not_before, depgw.name as dep_gateway`;
export const MEMBER_JOINS = `join campaigns camp on camp.id = dep.campaign_id
    left join gateways depgw on depgw.id = dep.gateway_id left join artifacts stone on stone.id = dep.step_artifact_id`;

interface FactsRow {
  id: string;
  device_model: string | null;
  artifact_model: string;
  device_hold: string | null;
  device_gone: string | null;
  approved: boolean;
  protocol: string | null;
  fenced_until: number | null;
  site_name: string;
  site_hold: string | null;
  gateway_name: string | null;
  gateway_state: string | null;
  gateway_note: string | null;
  gateway_hold: string | null;
  gateway_online: boolean | null;
  gateway_epoch: string | null;
  gateway_seen: number | null;
  gateway_protocols: string[] | null;
  wants_raw_port: boolean;
  gateway_in_flight: number | null;
  reachable: boolean;
  claimed_by: string | null;
  site_zone: string;
  site_in_flight: number;
  battery: number | null;
  group_name: string | null;
  group_out: number | null;
  group_max: number | null;
  stratum_version: string | null;
  stratum_stopped: string | null;
  waits_for_first: boolean;
  urgent_first: string | null;
  quarantine_kind: 'gateway' | 'site' | null;
  quarantine_note: string | null;
}

const LIVE = LIVE_DEPLOYMENT_STATES.map((state) => `'${state}'`).join(', ');

/** $1: ids of members; $2: whether a campaign counts by site; $3: urgent campaigns that run, or null. */
const FACTS = `select dep.id, dev.model as device_model, art.model as artifact_model,
    dev.hold_note as device_hold, case when dev.state <> 'active' then coalesce(dev.state_note, '') end as device_gone, dev.approved, dev.protocol, ${msOf('dev.fenced_until')} as fenced_until,
    site.name as site_name, site.hold_note as site_hold, gw.name as gateway_name, gw.state as gateway_state,
    gw.state_note as gateway_note, gw.hold_note as gateway_hold, gw.online as gateway_online, gw.epoch as gateway_epoch,
    ${msOf('gw.last_seen_at')} as gateway_seen, gw.protocols as gateway_protocols,
    camp.policy->'vendorTool' is not null as wants_raw_port, gw.in_flight as gateway_in_flight,
    coalesce(jsonb_array_length(dg.links), 0) > 0 as reachable,
    (select c.name from deployments o join campaigns c on c.id = o.campaign_id
     where o.device_id = dev.id and o.id <> dep.id and o.state in (${LIVE}) limit 1) as claimed_by,
    site.zone as site_zone, case when $2::boolean then ${SITE_IN_FLIGHT}::int else 0 end as site_in_flight,
    dev.battery_percent as battery, grp.name as group_name,
    case when grp.id is not null then ${GROUP_OUT}::int end as group_out, grp.max_out as group_max,
    str.version as stratum_version, case when str.stopped_at is not null then coalesce(str.stopped_note, '') end as stratum_stopped,
    coalesce(${WAITS_FOR_FIRST}, false) as waits_for_first,
    case when $3::uuid[] is not null and not camp.policy ? 'urgent' then (
      ${urgentWaiting('uc.id = any($3)')} limit 1) end as urgent_first, quar.kind as quarantine_kind, quar.note as quarantine_note
  from ${CANDIDATE_FROM} where dep.id = any($1::uuid[])`;

/** What the rules look at, by member. @param rules of each campaign that a member is of. */
export async function readCandidateFacts(
  pool: Pool,
  rows: readonly MemberRow[],
  rules: ReadonlyMap<string, RuleFacts>,
  nowMs: number,
): Promise<Map<string, CandidateFacts>> {
  if (rows.length === 0) return new Map();
  const all = [...rules.values()];
  const urgent = [...new Set(all.flatMap((each) => each.urgentOthers ?? []))];
  const { rows: found } = await pool.query<FactsRow>({
    name: 'why-candidate-facts',
    text: FACTS,
    values: [rows.map((row) => row.id), all.some((each) => each.perSite !== null), urgent.length > 0 ? urgent : null],
  });
  const byId = new Map(found.map((row) => [row.id, row]));
  return new Map(
    rows.flatMap((member) => {
      const row = byId.get(member.id);
      const own = rules.get(member.campaign_id);
      return row && own ? [[member.id, candidateFacts(member, row, own, nowMs)]] : [];
    }),
  );
}

function windowOf(row: FactsRow, rules: RuleFacts): CandidateFacts['siteWindow'] {
  if (!rules.zones) return null;
  const isOpen = rules.zones.open.has(row.site_zone);
  return { fits: isOpen, isOpen, opensAtMs: rules.zones.closed.get(row.site_zone) ?? null };
}

function candidateFacts(member: MemberRow, row: FactsRow, rules: RuleFacts, nowMs: number): CandidateFacts {
  return {
    deviceModel: row.device_model,
    artifactModel: row.artifact_model,
    deviceHold: row.device_hold,
    deviceGone: row.device_gone,
    deviceApproved: row.approved,
    deviceProtocol: row.protocol,
    fencedUntilMs: row.fenced_until,
    siteName: row.site_name,
    siteHold: row.site_hold,
    gatewayName: row.gateway_name,
    gatewayState: row.gateway_state,
    gatewayNote: row.gateway_note,
    gatewayHold: row.gateway_hold,
    gatewayOnline: row.gateway_online ?? false,
    gatewayEpoch: row.gateway_epoch,
    gatewaySeenMs: row.gateway_seen,
    gatewayProtocols: row.gateway_protocols ?? [],
    wantsRawPort: row.wants_raw_port,
    gatewayInFlight: row.gateway_in_flight ?? 0,
    perGateway: rules.perGateway,
    perSite: rules.perSite,
    siteInFlight: row.site_in_flight,
    siteWindow: windowOf(row, rules),
    batteryPercent: row.battery,
    minBattery: rules.minBattery,
    redundancy:
      row.group_name === null ? null : { group: row.group_name, out: row.group_out ?? 0, maxOut: row.group_max ?? 0 },
    stratum: {
      version: row.stratum_version ?? '',
      stoppedNote: row.stratum_stopped,
      waitsForFirst: row.waits_for_first,
    },
    quarantine: row.quarantine_kind === null ? null : { kind: row.quarantine_kind, note: row.quarantine_note ?? '' },
    urgentFirst: row.urgent_first,
    reachable: row.reachable,
    claimedBy: row.claimed_by,
    notBeforeMs: member.not_before,
    lastCode: member.outcome_code,
    nowMs,
  };
}
