/** Campaigns and deployments as the API shows them. Counts come from counters, so reading costs the same at any size. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  DEPLOYMENT_STATES,
  HOLDING_DEPLOYMENT_STATES,
  Policy,
  Selector,
  type BrakeBody,
  type Campaign,
  type CampaignPage,
  type CampaignQuery,
  type CampaignState,
  type CampaignSummary,
  type Deployment,
  type DeploymentPage,
  type DeploymentQuery,
  type DeploymentState,
  type PauseAnswer,
  type RunningImageFact,
  type StageBody,
  type StateCounts,
  type SumsBody,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { sumsOf, type Counts, type Sums } from '../../domain/sums/sums.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { brakeBodyOf } from '../dispatch/brake-body.js';
import { loadCampaign, nowOf } from '../dispatch/campaign-row.js';
import { loadSnapshot } from '../dispatch/campaign-snapshot.js';
import { countSuspects, loadStages } from '../dispatch/campaign-stages.js';
import { givenApprovals, neededApprovals } from './approvals.js';
import { readExposure } from './campaign-moves.js';
import { readQuarantines, readStrata } from './campaign-parts.js';
import { membersIn } from './member-pages.js';

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;
const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

interface SummaryRow {
  id: string;
  name: string;
  note: string;
  artifact: Campaign['artifact'];
  selector: unknown;
  policy: unknown;
  state: CampaignState;
  state_by: string | null;
  state_reason: string | null;
  state_at: Date;
  revision: number;
  created_at: Date;
  created_key: string;
  started_at: Date | null;
  ended_at: Date | null;
  deadline_at: Date | null;
  start_at: Date | null;
  none_after: Date | null;
  preempted: number | null;
  rolls_back: string | null;
  amber: boolean;
  counts: Counts | null;
}

const SUMMARY = `select c.id, c.name, c.note, c.selector, c.policy, c.state, c.state_by, c.state_reason, c.state_at, c.revision,
    c.created_at, c.created_at::text as created_key, c.started_at, c.ended_at, c.deadline_at, c.start_at,
    c.none_after, c.preempted, c.rolls_back, c.amber,
    jsonb_build_object('id', a.id, 'sha256', a.sha256, 'fileName', a.file_name, 'model', a.model, 'version', a.version,
      'format', a.format) as artifact,
    (select jsonb_object_agg(t.state, t.n) from (select n.state, sum(n.n) as n from campaign_counters n
       where n.campaign_id = c.id group by n.state having sum(n.n) <> 0) t) as counts
  from campaigns c join artifacts a on a.id = c.artifact_id`;

interface DeploymentRow {
  id: string;
  campaign_id: string;
  device_id: string;
  device_name: string | null;
  identity: string;
  model: string | null;
  gateway_id: string | null;
  gateway_name: string | null;
  stage_idx: number;
  position: string;
  ordinal: string | null;
  state: DeploymentState;
  attempt: number;
  tries: number;
  unused_grants: number;
  at_risk: boolean;
  needs_rescue: boolean;
  not_before: Date | null;
  start_by: Date | null;
  finish_by: Date | null;
  touched_at: Date | null;
  state_at: Date;
  ended_at: Date | null;
  outcome_code: string | null;
  outcome_reason: string | null;
  outcome_params: Record<string, unknown> | null;
  before_running: RunningImageFact[] | null;
  after_running: RunningImageFact[] | null;
  corrected: boolean;
}

const DEPLOYMENT = `select dep.id, dep.campaign_id, dep.device_id, dev.name as device_name, dev.identity_value as identity,
    dev.model, dep.gateway_id, gw.name as gateway_name, dep.stage_idx, dep.position, dep.ordinal, dep.state, dep.attempt,
    dep.tries, dep.unused_grants, dep.at_risk, dep.needs_rescue, dep.not_before, dep.start_by, dep.finish_by,
    dep.touched_at, dep.state_at, dep.ended_at, dep.outcome_code, dep.outcome_reason, dep.outcome_params,
    dep.before_running, dep.after_running, dep.corrected
  from deployments dep join devices dev on dev.id = dep.device_id left join gateways gw on gw.id = dep.gateway_id`;

const DEPLOYMENTS_IN = `${DEPLOYMENT.replace(
  'from deployments dep',
  `from ${membersIn({ campaign: '$1', position: '$2', id: '$3', limit: '$4', states: '$5', stage: '$6' })} dep`,
)} order by dep.position, dep.id`;

@Injectable()
export class CampaignReader {
  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async one(orgId: string, id: string): Promise<Campaign> {
    const tx = this.source.manager;
    const [row] = await queryRows<SummaryRow>(tx, `${SUMMARY} where c.org_id = $1 and c.id = $2`, [orgId, id]);
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id });
    const policy = Policy.parse(row.policy);
    const nowMs = await nowOf(tx);
    const started = row.started_at !== null;
    const planned = started || row.state === 'awaiting-approval' || row.state === 'scheduled';
    const stages = planned ? await loadStages(tx, { id, policy, nowMs }) : [];
    const suspect = stages.reduce((sum, stage) => sum + stage.sums.suspect, 0);
    return {
      ...this.summary(row, policy, suspect),
      selector: Selector.parse(row.selector),
      policy,
      stages: planned
        ? stages.map((stage) => ({
            index: stage.index,
            name: stage.name,
            ...ruleOf(policy.stages[stage.index]!),
            state: stage.state,
            approvedBy: stage.approvedBy,
            note: stage.note,
            size: stage.size,
            openedAt: isoOf(stage.openedAtMs),
            endedAt: isoOf(stage.endedAtMs),
            deadlineAt: isoOf(stage.deadlineAtMs),
            sums: toSumsBody(stage.sums),
          }))
        : policy.stages.map(draftStage),
      exposure: started ? { state: row.state, ...(await readExposure(tx, id, nowMs)) } : null,
      noneAfter: iso(row.none_after),
      preempted: row.preempted,
      rollsBack: row.rolls_back,
      startAt: iso(row.start_at) ?? policy.startAt ?? null,
      approvals: {
        needed: neededApprovals(policy),
        given: row.state === 'draft' ? [] : await givenApprovals(tx, approvedRevision(row)),
      },
      strata: await readStrata(tx, id),
      quarantines: await readQuarantines(tx, id),
    };
  }

  /** The brake's tests with their evidence. @throws ProblemError `request.not-found` */
  async brake(orgId: string, id: string): Promise<BrakeBody> {
    const tx = this.source.manager;
    const campaign = await loadCampaign(tx, id, 'none');
    if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
    const snapshot = await loadSnapshot(tx, campaign, true);
    return brakeBodyOf(snapshot.brakeState, campaign.brakeEpoch);
  }

  /** P2's numbers as of now. */
  async exposure(orgId: string, id: string): Promise<PauseAnswer> {
    const tx = this.source.manager;
    const [row] = await queryRows<{ state: CampaignState }>(
      tx,
      'select state from campaigns where org_id = $1 and id = $2',
      [orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return { state: row.state, ...(await readExposure(tx, id, await nowOf(tx))) };
  }

  async page(orgId: string, query: CampaignQuery): Promise<CampaignPage> {
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([z.string(), z.uuid()]));
    const rows = await queryRows<SummaryRow>(
      this.source.manager,
      `${SUMMARY} where c.org_id = $1 and ($2::text is null or c.state = $2) and ($6::text is null or c.name = $6)
         and ($3::timestamptz is null or (c.created_at, c.id) < ($3::timestamptz, $4::uuid))
       order by c.created_at desc, c.id desc limit $5`,
      [orgId, query.state ?? null, after?.[0] ?? null, after?.[1] ?? null, query.limit + 1, query.name ?? null],
    );
    const nowMs = rows.length === 0 ? 0 : await nowOf(this.source.manager);
    const suspects = new Map<string, number>();
    for (const row of rows) {
      if (row.started_at === null || row.ended_at !== null) continue;
      const counts = await countSuspects(this.source.manager, { id: row.id, policy: Policy.parse(row.policy), nowMs });
      suspects.set(
        row.id,
        [...counts.values()].reduce((sum, n) => sum + n, 0),
      );
    }
    return toPage(
      rows,
      query.limit,
      (row) => [row.created_key, row.id],
      (row) => this.summary(row, Policy.parse(row.policy), suspects.get(row.id) ?? 0),
    );
  }

  async deployment(orgId: string, id: string): Promise<Deployment> {
    const [row] = await queryRows<DeploymentRow>(
      this.source.manager,
      `${DEPLOYMENT} where dep.org_id = $1 and dep.id = $2`,
      [orgId, id],
    );
    if (!row) throw new ProblemError('request.not-found', { what: 'deployment', id });
    return toDeployment(row);
  }

  async deployments(orgId: string, campaignId: string, query: DeploymentQuery): Promise<DeploymentPage> {
    await this.expectCampaign(this.source.manager, orgId, campaignId);
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([z.string(), z.uuid()]));
    const place = [after?.[0] ?? null, after?.[1] ?? null, query.limit + 1];
    const rows = await (query.state === undefined && query.stage === undefined
      ? queryRows<DeploymentRow>(
          this.source.manager,
          `${DEPLOYMENT} where dep.campaign_id = $1 and ($2::bigint is null or (dep.position, dep.id) > ($2::bigint, $3::uuid))
           order by dep.position, dep.id limit $4`,
          [campaignId, ...place],
        )
      : queryRows<DeploymentRow>(this.source.manager, DEPLOYMENTS_IN, [
          campaignId,
          ...place,
          query.state === undefined ? DEPLOYMENT_STATES : [query.state],
          query.stage ?? null,
        ]));
    return toPage(rows, query.limit, (row) => [row.position, row.id], toDeployment);
  }

  async expectCampaign(tx: Queryable, orgId: string, id: string): Promise<void> {
    const found = await queryRows(tx, 'select 1 from campaigns where org_id = $1 and id = $2', [orgId, id]);
    if (found.length === 0) throw new ProblemError('request.not-found', { what: 'campaign', id });
  }

  private summary(row: SummaryRow, policy: Policy, suspect: number): CampaignSummary {
    const counts = row.counts ?? {};
    return {
      id: row.id,
      name: row.name,
      note: row.note,
      artifact: row.artifact,
      state: row.state,
      stateBy: row.state_by,
      stateReason: row.state_reason,
      stateAt: row.state_at.toISOString(),
      revision: row.revision,
      createdAt: row.created_at.toISOString(),
      startedAt: iso(row.started_at),
      endedAt: iso(row.ended_at),
      deadlineAt: iso(row.deadline_at),
      amber: row.amber,
      counts: counts as StateCounts,
      sums: toSumsBody(sumsOf(counts, { suspect }, { acceptUnproven: policy.acceptUnproven })),
    };
  }
}

function ruleOf(stage: Policy['stages'][number]): Pick<StageBody, 'percent' | 'count' | 'filter' | 'gate'> {
  return { percent: stage.percent ?? null, count: stage.count ?? null, filter: stage.filter ?? null, gate: stage.gate };
}

/** While approvals are awaited those of this revision count; later those that it went on with are shown. */
function approvedRevision(row: SummaryRow): { readonly id: string; readonly revision?: number } {
  return row.state === 'awaiting-approval' ? { id: row.id, revision: row.revision } : { id: row.id };
}

function draftStage(stage: Policy['stages'][number], index: number): StageBody {
  return {
    index,
    name: stage.name,
    ...ruleOf(stage),
    state: 'pending',
    approvedBy: null,
    note: null,
    size: null,
    openedAt: null,
    endedAt: null,
    deadlineAt: null,
    sums: toSumsBody(sumsOf({}, { suspect: 0 }, { acceptUnproven: false })),
  };
}

/** The sums of the domain without what only gates need. */
export function toSumsBody(sums: Sums): SumsBody {
  const { unfinished: _, ...body } = sums;
  return body;
}

function toDeployment(row: DeploymentRow): Deployment {
  const live = HOLDING_DEPLOYMENT_STATES.includes(row.state);
  return {
    id: row.id,
    campaignId: row.campaign_id,
    device: { id: row.device_id, name: row.device_name, identity: row.identity, model: row.model },
    gateway: row.gateway_id === null ? null : { id: row.gateway_id, name: row.gateway_name ?? '' },
    stage: row.stage_idx,
    ordinal: row.ordinal === null ? null : Number(row.ordinal),
    state: row.state,
    attempt: row.attempt,
    tries: row.tries,
    unusedGrants: row.unused_grants,
    atRisk: row.at_risk,
    needsRescue: row.needs_rescue,
    notBefore: iso(row.not_before),
    startBy: live ? iso(row.start_by) : null,
    finishBy: live ? iso(row.finish_by) : null,
    touchedAt: iso(row.touched_at),
    stateAt: row.state_at.toISOString(),
    endedAt: iso(row.ended_at),
    outcomeCode: row.outcome_code,
    outcomeReason: row.outcome_reason,
    outcomeParams: row.outcome_params,
    before: row.before_running,
    after: row.after_running,
    corrected: row.corrected,
  };
}
