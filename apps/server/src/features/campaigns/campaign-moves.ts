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
import { effectiveLimit, overdueAfterMs } from '../../domain/brake/index.js';
import { exposureByReach, type ExposureByReach } from '../../domain/deployment/exposure.js';
import { ProblemError } from '../../http/problem-error.js';
import { bumpOrders } from '../dispatch/order-book.js';
import { preemptOthers } from '../dispatch/preempt.js';
import { loadCampaign, type CampaignRow } from '../dispatch/campaign-row.js';
import { msOf, timeOf } from './deployment-rows.js';
import { recordCampaignMove, recordStageDecision } from '../webhooks/record-event.js';

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

/** @throws ProblemError `request.not-found` */
export async function lockedCampaign(tx: Queryable, orgId: string, id: string): Promise<CampaignRow> {
  const campaign = await loadCampaign(tx, id, 'wait');
  if (!campaign || campaign.orgId !== orgId) throw new ProblemError('request.not-found', { what: 'campaign', id });
  return campaign;
}

/**
 * The campaign runs from now on: what is frozen at the start is frozen here.
 * @returns grants of others that an urgent campaign took back; null for one that is not urgent.
 */
export async function beginCampaign(
  tx: Queryable,
  campaign: CampaignRow,
  by: string,
  reason: string | null,
): Promise<number | null> {
  await moveCampaign(tx, campaign, 'running', by, reason);
  const { limit, overdueMs } = await frozenBrake(tx, campaign);
  const preempted = campaign.policy.urgent ? await preemptOthers(tx, campaign.id, 'all') : null;
  await queryRows(
    tx,
    `update campaigns set started_at = clock_timestamp(), deadline_at = ${timeOf('$2::float8')}, brake_limit = $3,
       overdue_ms = $4, preempted = $5, rate_at = null where id = $1`,
    [campaign.id, campaign.nowMs + campaign.policy.deadlineMs, limit, overdueMs, preempted],
  );
  return preempted;
}

/** Campaigns of the model that the baseline looks at. */
const HISTORY = 40;

/**
 * A server that crashes between a commit and its answer is told the same again after 30 s, and what follows only then: a
 * proof may come so much later without any fault of the firmware, however quick devices are (decision 0019).
 */
const LEAST_OVERDUE_MS = 60_000;

/** The brake's limit and what "overdue" means, from the model's own history (methods, sections 1.4 and 1.5). */
async function frozenBrake(tx: Queryable, campaign: CampaignRow): Promise<{ limit: number; overdueMs: number }> {
  const { brake, timeouts } = campaign.policy;
  const history = await queryRows<{ failed: number; tried: number; halted: boolean; ended: number }>(
    tx,
    `select coalesce(sum(n.n) filter (where n.state in ('failed', 'reverted')), 0)::int as failed,
       coalesce(sum(n.n) filter (where n.state in ('proven', 'failed', 'reverted')), 0)::int as tried,
       exists (select 1 from decisions d where d.campaign_id = c.id and d.kind = 'campaign.halted') as halted,
       ${msOf('c.ended_at')} as ended
     from (select c.id, c.ended_at from campaigns c join artifacts a on a.id = c.artifact_id
       where c.org_id = $1 and a.model = $2 and c.state = 'completed' and c.id <> $3
       order by c.ended_at desc limit ${HISTORY}) c join campaign_counters n on n.campaign_id = c.id
     group by c.id, c.ended_at`,
    [campaign.orgId, campaign.artifactModel, campaign.id],
  );
  const { limit } = brake.baseline
    ? effectiveLimit(
        brake.limit,
        history.map((past) => ({ ...past, endedAtMs: past.ended })),
      )
    : brake;
  const proofs = await queryRows<{ ms: number }>(
    tx,
    `select extract(epoch from att.ended_at - att.touched_at)::float8 * 1000 as ms from attempts att
       join campaigns c on c.id = att.campaign_id join artifacts a on a.id = c.artifact_id
     where c.org_id = $1 and a.model = $2 and att.outcome = 'proven' and att.touched_at is not null
     order by att.granted_at desc limit 1000`,
    [campaign.orgId, campaign.artifactModel],
  );
  const sorted = proofs.map((row) => row.ms).sort((a, b) => a - b);
  const overdueMs = overdueAfterMs(sorted, timeouts.transferMs + timeouts.activateMs + timeouts.proveMs);
  return { limit, overdueMs: Math.max(overdueMs, LEAST_OVERDUE_MS) };
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

/** P2's numbers at a stop; what they promise is kept with the campaign. */
export async function promiseExposure(
  tx: Queryable,
  campaign: Pick<CampaignRow, 'id' | 'nowMs'>,
): Promise<ExposureByReach> {
  const exposure = await readExposure(tx, campaign.id, campaign.nowMs);
  await queryRows(tx, `update campaigns set none_after = ${timeOf('$2::float8')} where id = $1`, [
    campaign.id,
    exposure.noneAfter,
  ]);
  return exposure;
}

/** P2's numbers, from the live grants. */
export async function readExposure(tx: Queryable, campaignId: string, nowMs: number): Promise<ExposureByReach> {
  const live = await queryRows<{
    state: DeploymentState | null;
    start_by: number | null;
    finish_by: number | null;
    touched: boolean;
    needs_rescue: boolean;
    connected: boolean;
    at_risk: boolean;
    n: number;
  }>(
    tx,
    // Grants of one look share their ends, so there are few kinds. A row without a state counts gateways.
    `with live as materialized (
       select d.state, d.start_by, d.finish_by, d.touched_at is not null as touched, d.needs_rescue, d.gateway_id, d.at_risk,
         coalesce(g.online, false) as connected
       from deployments d left join gateways g on g.id = d.gateway_id where d.campaign_id = $1 and d.state = any($2))
     select state, ${msOf('start_by')} as start_by, ${msOf('max(finish_by)')} as finish_by, touched, needs_rescue, connected,
       at_risk, count(*)::int as n
     from live group by state, start_by, touched, needs_rescue, connected, at_risk
     union all
     select null, null, null, false, false, connected, false, count(distinct gateway_id)::int from live group by connected`,
    [campaignId, LIVE_DEPLOYMENT_STATES],
  );
  const gatewaysOf = (connected: boolean): number =>
    live.find((row) => row.state === null && row.connected === connected)?.n ?? 0;
  return exposureByReach(
    live.flatMap(({ state, ...row }) =>
      state === null
        ? []
        : [
            {
              state,
              startByMs: row.start_by,
              finishByMs: row.finish_by,
              touchedAtMs: row.touched ? nowMs : null,
              needsRescue: row.needs_rescue,
              connected: row.connected,
              atRisk: row.at_risk,
              count: row.n,
            },
          ],
    ),
    { connected: gatewaysOf(true), absent: gatewaysOf(false) },
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
