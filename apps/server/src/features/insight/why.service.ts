/** "Why is this device not updated?" (P9), from the rules that decide. */
import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  DEPLOYMENT_STATES,
  reasonSentence,
  type DeploymentWhy,
  type DeviceWhy,
  type PageQuery,
  type Reason,
  type ReasonBody,
  type WhyPage,
} from '@drydock/contracts';
import { PG_POOL } from '../../adapters/database/database.js';
import { queryRows } from '../../adapters/database/rows.js';
import { whyOf, whyWithoutDevice, type WhyCampaign } from '../../domain/candidate/why.js';
import { CursorBigint, decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { missingApprovals } from '../campaigns/approvals.js';
import { membersIn } from '../campaigns/member-pages.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import { loadCampaign, nowOf } from '../dispatch/campaign-row.js';
import { loadOutlook } from '../dispatch/campaign-snapshot.js';
import { loadRuleFacts, type RuleFacts } from '../dispatch/rule-facts.js';
import { MEMBER_COLUMNS, MEMBER_JOINS, readCandidateFacts, type MemberRow } from './why-facts.js';

const FACTS = `${MEMBER_COLUMNS} from deployments dep ${MEMBER_JOINS}`;

const NOT_PROVEN = DEPLOYMENT_STATES.filter((state) => state !== 'proven');

const FACTS_OF_REST = `${MEMBER_COLUMNS}
  from ${membersIn({ campaign: '$2', states: '$3', position: '$4', id: '$5', limit: '$6', stage: '$7' })} dep ${MEMBER_JOINS}
  where dep.org_id = $1 order by dep.position, dep.id`;

@Injectable()
export class WhyService {
  constructor(
    private readonly source: DataSource,
    private readonly engine: CampaignEngine,
    @Inject(PG_POOL) private readonly pool: Pool,
  ) {}

  /** The reasons of a device, newest campaign first. */
  async device(orgId: string, deviceId: string): Promise<DeviceWhy> {
    const found = await queryRows(this.source.manager, 'select 1 from devices where org_id = $1 and id = $2', [
      orgId,
      deviceId,
    ]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'device', id: deviceId });
    const rows = await queryRows<MemberRow>(
      this.source.manager,
      `${FACTS} where dep.org_id = $1 and dep.device_id = $2 order by camp.created_at desc limit 100`,
      [orgId, deviceId],
    );
    return { deviceId, deployments: await this.explain(rows) };
  }

  /** The one reason of a member. */
  async member(orgId: string, campaignId: string, deviceId: string): Promise<DeploymentWhy> {
    const rows = await queryRows<MemberRow>(
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
    const rows = await queryRows<MemberRow>(
      this.source.manager,
      `${FACTS} where dep.org_id = $1 and dep.id = any($2::uuid[])`,
      [orgId, ids],
    );
    return new Map((await this.explain(rows)).map((why) => [why.deploymentId, why.reason]));
  }

  /** Every member that is not updated, in the campaign's order. */
  async campaign(orgId: string, campaignId: string, query: PageQuery): Promise<WhyPage> {
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([CursorBigint, z.uuid()]));
    const rows = await queryRows<MemberRow>(this.source.manager, FACTS_OF_REST, [
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

  private async explain(rows: readonly MemberRow[]): Promise<DeploymentWhy[]> {
    const campaigns = new Map<string, CampaignFacts>();
    for (const id of new Set(rows.map((row) => row.campaign_id))) {
      const found = await this.campaignFacts(id);
      if (found) campaigns.set(id, found);
    }
    const nowMs = await nowOf(this.source.manager);
    const told = rows.flatMap((row) => {
      const campaign = campaigns.get(row.campaign_id);
      if (!campaign) return [];
      return [{ row, campaign, reason: whyWithoutDevice(toMember(row), campaign.why, row.dep_gateway, nowMs) }];
    });
    const facts = await readCandidateFacts(
      this.pool,
      told.filter(({ reason }) => reason === undefined).map(({ row }) => row),
      new Map([...campaigns].map(([id, { rules }]) => [id, rules])),
      nowMs,
    );
    return told.flatMap(({ row, campaign, reason: known }): DeploymentWhy[] => {
      const candidate = facts.get(row.id);
      const reason = known ?? (candidate && whyOf(toMember(row), candidate, campaign.why, row.dep_gateway));
      if (!reason) return [];
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

function toMember(row: MemberRow): Parameters<typeof whyOf>[0] {
  return {
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
}

function toReasonBody(reason: Reason): ReasonBody {
  return {
    code: reason.code,
    params: { ...reason.params },
    ...(reason.until !== undefined && { until: reason.until }),
    sentence: reasonSentence(reason),
  };
}
