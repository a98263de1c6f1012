/** Moves of a campaign that people and the engine share. The caller holds the campaign's lock. */
import {
  CAMPAIGN_LIFECYCLE,
  HOLDING_DEPLOYMENT_STATES,
  LIVE_DEPLOYMENT_STATES,
  mayMove,
  type CampaignState,
  type DeploymentState,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { exposureOf, type Exposure } from '../../domain/deployment/exposure.js';
import { ProblemError } from '../../http/problem-error.js';
import { bumpOrders } from '../dispatch/order-book.js';
import { recordCampaignMove, recordStageDecision } from '../webhooks/record-event.js';
import { msOf } from './deployment-rows.js';

/**
 * @throws ProblemError `campaign.state` where the lifecycle does not allow it.
 */
export async function moveCampaign(
  tx: Queryable,
  campaign: { readonly id: string; readonly state: CampaignState },
  to: CampaignState,
  by: string,
  reason: string | null,
): Promise<void> {
  if (!mayMove(CAMPAIGN_LIFECYCLE, campaign.state, to)) {
    throw new ProblemError('campaign.state', { actual: campaign.state, wanted: to });
  }
  await queryRows(
    tx,
    `update campaigns set state = $2, state_by = $3, state_reason = $4, state_at = clock_timestamp(),
       revision = revision + 1, dirty = true, wake_at = clock_timestamp(),
       ended_at = case when $2 in ('aborted', 'completed') then clock_timestamp() else ended_at end
     where id = $1`,
    [campaign.id, to, by, reason],
  );
  await recordCampaignMove(tx, campaign, to, by, reason);
}

/** P2: closes granting. Orders without the grants go out at once; the numbers hold even if none arrives. */
export async function withdrawUnstarted(tx: Queryable, campaignId: string): Promise<string[]> {
  const gateways = await queryRows<{ gateway_id: string }>(
    tx,
    `select distinct gateway_id from deployments where campaign_id = $1 and state = any($2) and touched_at is null
       and gateway_id is not null`,
    [campaignId, HOLDING_DEPLOYMENT_STATES],
  );
  const ids = gateways.map((row) => row.gateway_id);
  await bumpOrders(tx, ids, true);
  return ids;
}

/** P2's numbers, from the live grants. */
export async function readExposure(tx: Queryable, campaignId: string, nowMs: number): Promise<Exposure> {
  const live = await queryRows<{
    state: DeploymentState;
    start_by: number | null;
    finish_by: number | null;
    touched_at: number | null;
    needs_rescue: boolean;
  }>(
    tx,
    `select state, ${msOf('start_by')} as start_by, ${msOf('finish_by')} as finish_by, ${msOf('touched_at')} as touched_at,
       needs_rescue
     from deployments where campaign_id = $1 and state = any($2)`,
    [campaignId, LIVE_DEPLOYMENT_STATES],
  );
  return exposureOf(
    live.map((row) => ({
      state: row.state,
      startByMs: row.start_by,
      finishByMs: row.finish_by,
      touchedAtMs: row.touched_at,
      needsRescue: row.needs_rescue,
    })),
    nowMs,
  );
}

export async function recordDecision(
  tx: Queryable,
  campaign: { readonly id: string; readonly orgId: string },
  kind: string,
  params: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await queryRows(
    tx,
    'insert into decisions (org_id, campaign_id, at, kind, params) values ($1, $2, clock_timestamp(), $3, $4)',
    [campaign.orgId, campaign.id, kind, JSON.stringify(params)],
  );
  await recordStageDecision(tx, campaign.id, kind, params);
}
