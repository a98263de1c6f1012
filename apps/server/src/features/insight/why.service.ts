/** "Why is this device not updated?" (P9), from the rules that decide. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  DEPLOYMENT_STATES,
  LIVE_DEPLOYMENT_STATES,
  reasonSentence,
  type DeploymentState,
  type DeploymentWhy,
  type DeviceWhy,
  type PageQuery,
  type Reason,
  type ReasonBody,
  type RunningImageFact,
  type WhyPage,
} from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import {
  CANDIDATE_FROM,
  GROUP_OUT,
  SITE_IN_FLIGHT,
  urgentWaiting,
  WAITS_FOR_FIRST,
  type CandidateFacts,
} from '../../domain/candidate/rules.js';
import { whyOf, type WhyCampaign } from '../../domain/candidate/why.js';
import type { Params } from '../../domain/deployment/deployment.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { msOf } from '../campaigns/deployment-rows.js';
import { membersIn } from '../campaigns/member-pages.js';
import { missingApprovals } from '../campaigns/approvals.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import { loadCampaign, nowOf } from '../dispatch/campaign-row.js';
import { loadOutlook } from '../dispatch/campaign-snapshot.js';
import { loadRuleFacts, type RuleFacts } from '../dispatch/rule-facts.js';

interface FactsRow {
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

const FACTS = `select dep.id, dep.campaign_id, camp.name as campaign_name, dep.device_id, dep.position, dep.state,
    dep.stage_idx, dep.attempt, dep.tries, ${msOf('dep.start_by')} as start_by, ${msOf('dep.finish_by')} as finish_by,
    dep.outcome_code, dep.outcome_reason, dep.outcome_params, dep.after_running,
    case when dep.step_kind = 'stone' then coalesce(stone.running_version, stone.version) end as step_version, ${msOf('dep.state_at')} as state_at,
    ${msOf('dep.not_before')} as not_before, depgw.name as dep_gateway, dev.model as device_model, art.model as artifact_model,
    dev.hold_note as device_hold, case when dev.state <> 'active' then coalesce(dev.state_note, '') end as device_gone, dev.approved, dev.protocol, ${msOf('dev.fenced_until')} as fenced_until,
    site.name as site_name, site.hold_note as site_hold, gw.name as gateway_name, gw.state as gateway_state,
    gw.state_note as gateway_note, gw.hold_note as gateway_hold, gw.online as gateway_online, gw.epoch as gateway_epoch,
    ${msOf('gw.last_seen_at')} as gateway_seen, gw.protocols as gateway_protocols,
    camp.policy->'vendorTool' is not null as wants_raw_port, gw.in_flight as gateway_in_flight,
    coalesce(jsonb_array_length(dg.links), 0) > 0 as reachable,
    (select c.name from deployments o join campaigns c on c.id = o.campaign_id
     where o.device_id = dev.id and o.id <> dep.id and o.state in (${LIVE}) limit 1) as claimed_by,
    site.zone as site_zone, ${SITE_IN_FLIGHT}::int as site_in_flight, dev.battery_percent as battery, grp.name as group_name,
    case when grp.id is not null then ${GROUP_OUT}::int end as group_out, grp.max_out as group_max,
    str.version as stratum_version, case when str.stopped_at is not null then coalesce(str.stopped_note, '') end as stratum_stopped,
    coalesce(${WAITS_FOR_FIRST}, false) as waits_for_first,
    case when not camp.policy ? 'urgent' then (
      ${urgentWaiting(`uc.org_id = camp.org_id and uc.policy ? 'urgent'`)} limit 1) end as urgent_first, quar.kind as quarantine_kind, quar.note as quarantine_note
  from ${CANDIDATE_FROM} left join gateways depgw on depgw.id = dep.gateway_id
    left join artifacts stone on stone.id = dep.step_artifact_id`;

const NOT_PROVEN = DEPLOYMENT_STATES.filter((state) => state !== 'proven');

const FACTS_OF_REST = `${FACTS.replace(
  'from deployments dep',
  `from ${membersIn({ campaign: '$2', states: '$3', position: '$4', id: '$5', limit: '$6', stage: '$7' })} dep`,
)} where dep.org_id = $1 order by dep.position, dep.id`;

@Injectable()
export class WhyService {
  constructor(
    private readonly source: DataSource,
    private readonly engine: CampaignEngine,
  ) {}

  /** The reasons of a device, newest campaign first. */
  async device(orgId: string, deviceId: string): Promise<DeviceWhy> {
    const found = await queryRows(this.source.manager, 'select 1 from devices where org_id = $1 and id = $2', [
      orgId,
      deviceId,
    ]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'device', id: deviceId });
    const rows = await queryRows<FactsRow>(
      this.source.manager,
      `${FACTS} where dep.org_id = $1 and dep.device_id = $2 order by camp.created_at desc limit 100`,
      [orgId, deviceId],
    );
    return { deviceId, deployments: await this.explain(rows) };
  }

  /** The one reason of a member. */
  async member(orgId: string, campaignId: string, deviceId: string): Promise<DeploymentWhy> {
    const rows = await queryRows<FactsRow>(
      this.source.manager,
      `${FACTS} where dep.org_id = $1 and dep.campaign_id = $2 and dep.device_id = $3`,
      [orgId, campaignId, deviceId],
    );
    const [why] = await this.explain(rows);
    if (!why) throw new ProblemError('request.not-found', { what: 'member', id: deviceId });
    return why;
  }

  /** The reasons of some members, by deployment. @param ids at most a few hundred. */
  async reasonsOf(orgId: string, ids: readonly string[]): Promise<Map<string, ReasonBody>> {
    if (ids.length === 0) return new Map();
    const rows = await queryRows<FactsRow>(
      this.source.manager,
      `${FACTS} where dep.org_id = $1 and dep.id = any($2::uuid[])`,
      [orgId, ids],
    );
    return new Map((await this.explain(rows)).map((why) => [why.deploymentId, why.reason]));
  }

  /** Every member that is not updated, in the campaign's order. */
  async campaign(orgId: string, campaignId: string, query: PageQuery): Promise<WhyPage> {
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([z.string(), z.uuid()]));
    const rows = await queryRows<FactsRow>(this.source.manager, FACTS_OF_REST, [
      orgId,
      campaignId,
      NOT_PROVEN,
      after?.[0] ?? null,
      after?.[1] ?? null,
      query.limit + 1,
      null,
    ]);
    const whys = new Map((await this.explain(rows)).map((why) => [why.deploymentId, why]));
    return toPage(
      rows,
      query.limit,
      (row) => [row.position, row.id],
      (row) => whys.get(row.id)!,
    );
  }

  private async explain(rows: readonly FactsRow[]): Promise<DeploymentWhy[]> {
    const campaigns = new Map<string, CampaignFacts>();
    for (const id of new Set(rows.map((row) => row.campaign_id))) {
      const found = await this.campaignFacts(id);
      if (found) campaigns.set(id, found);
    }
    const nowMs = await nowOf(this.source.manager);
    return rows.flatMap((row): DeploymentWhy[] => {
      const campaign = campaigns.get(row.campaign_id);
      if (!campaign) return [];
      const facts = candidateFacts(row, campaign.rules, nowMs);
      const deployment = {
        state: row.state,
        stageIdx: row.stage_idx,
        attempt: row.attempt,
        tries: row.tries,
        startByMs: row.start_by,
        finishByMs: row.finish_by,
        outcomeCode: row.outcome_code,
        outcomeReason: row.outcome_reason,
        outcomeParams: row.outcome_params,
        stepVersion: row.step_version,
        afterRunning: row.after_running,
        stateAtMs: row.state_at,
      };
      const reason = whyOf(deployment, facts, campaign.why, row.dep_gateway);
      return [
        {
          campaign: { id: row.campaign_id, name: row.campaign_name },
          deviceId: row.device_id,
          deploymentId: row.id,
          state: row.state,
          reason: toReasonBody(reason),
        },
      ];
    });
  }

  private async campaignFacts(id: string): Promise<CampaignFacts | undefined> {
    const tx = this.source.manager;
    const row = await loadCampaign(tx, id, 'none');
    if (!row) return undefined;
    const blobPresent = await this.engine.blobPresentFor(id);
    const outlook = await loadOutlook(tx, row);
    const { unproven } = row.policy.limits;
    return {
      rules: await loadRuleFacts(tx, row),
      why: {
        state: row.state,
        stateBy: row.stateBy,
        stateReason: row.stateReason,
        startAtMs: row.startAtMs,
        missingApprovals: row.state === 'awaiting-approval' ? await missingApprovals(tx, row) : 0,
        settlingUntilMs: outlook.settlingUntilMs,
        blobPresent,
        holding: outlook.holding,
        inFlightMax: outlook.inFlightMax,
        startTokens: outlook.startTokens,
        nextTokenMs: outlook.nextTokenMs,
        ratePerMinute: outlook.ratePerMinute,
        unproven: unproven === undefined ? null : { count: outlook.sums.unproven + outlook.holding, limit: unproven },
        brakes: row.lastBrakes,
        stages: outlook.stages.map((stage) => ({ name: stage.name, state: stage.state, note: stage.note })),
      },
    };
  }
}

interface CampaignFacts {
  readonly rules: RuleFacts;
  readonly why: WhyCampaign;
}

function windowOf(row: FactsRow, rules: RuleFacts): CandidateFacts['siteWindow'] {
  if (!rules.zones) return null;
  const isOpen = rules.zones.open.has(row.site_zone);
  return { fits: isOpen, isOpen, opensAtMs: rules.zones.closed.get(row.site_zone) ?? null };
}

function candidateFacts(row: FactsRow, rules: RuleFacts, nowMs: number): CandidateFacts {
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
    notBeforeMs: row.not_before,
    lastCode: row.outcome_code,
    nowMs,
  };
}

function toReasonBody(reason: Reason): ReasonBody {
  return {
    code: reason.code,
    params: { ...reason.params },
    ...(reason.until !== undefined && { until: reason.until }),
    sentence: reasonSentence(reason),
  };
}
