/** Deployments as the API shows them: one, and pages by keyset. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import {
  DEPLOYMENT_STATES,
  HOLDING_DEPLOYMENT_STATES,
  type Deployment,
  type DeploymentPage,
  type DeploymentQuery,
  type DeploymentState,
  type RunningImageFact,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { CursorBigint, decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { membersIn } from './member-pages.js';

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;

export interface DeploymentRow {
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

/** Placeholders may be added to it; `dep`, `dev` and `gw` are its tables. */
export const DEPLOYMENT = `select dep.id, dep.campaign_id, dep.device_id, dev.name as device_name, dev.identity_value as identity,
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
export class DeploymentReader {
  constructor(private readonly source: DataSource) {}

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
    await expectCampaign(this.source.manager, orgId, campaignId);
    const after = query.after === undefined ? undefined : decodeCursor(query.after, z.tuple([CursorBigint, z.uuid()]));
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
}

/** From so many members on, what pages show of it may be shared for a moment. */
const LARGE_CAMPAIGN = 10_000;

export interface FoundCampaign {
  readonly revision: number;
  readonly large: boolean;
}

/** @throws ProblemError `request.not-found` */
export async function expectCampaign(tx: Queryable, orgId: string, id: string): Promise<FoundCampaign> {
  const [found] = await queryRows<FoundCampaign>(
    tx,
    `select c.revision, (select coalesce(sum(n.n), 0) from campaign_counters n where n.campaign_id = c.id) > ${LARGE_CAMPAIGN} as large
     from campaigns c where c.org_id = $1 and c.id = $2`,
    [orgId, id],
  );
  if (!found) throw new ProblemError('request.not-found', { what: 'campaign', id });
  return found;
}

export function toDeployment(row: DeploymentRow): Deployment {
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
