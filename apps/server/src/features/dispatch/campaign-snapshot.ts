/** Reads what the engine decides on: counts, never devices. Its cost does not grow with the campaign. */
import {
  Policy,
  HOLDING_DEPLOYMENT_STATES,
  LIVE_DEPLOYMENT_STATES,
  type CampaignState,
  type DeploymentState,
  type StageState,
} from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { RATE_WINDOW_MS, type CampaignSnapshot, type StageSnapshot } from '../../domain/campaign/decide.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { sumsOf } from '../../domain/sums/sums.js';
import { msOf } from '../campaigns/deployment-rows.js';

export interface CampaignRow {
  readonly id: string;
  readonly orgId: string;
  readonly name: string;
  readonly artifactId: string;
  readonly artifactSha256: string;
  readonly artifactModel: string;
  readonly state: CampaignState;
  readonly stateBy: string | null;
  readonly stateReason: string | null;
  readonly policy: Policy;
  readonly deadlineAtMs: number | null;
  /** The database's clock, read after the lock was given. */
  readonly nowMs: number;
}

/**
 * @param lock `skip` leaves a campaign alone that somebody else works on; `wait` waits for it. The lock does not
 *   hinder rows that refer to the campaign.
 */
export async function loadCampaign(
  tx: Queryable,
  id: string,
  lock: 'none' | 'skip' | 'wait',
): Promise<CampaignRow | undefined> {
  const suffix = { none: '', skip: 'for no key update of c skip locked', wait: 'for no key update of c' }[lock];
  const [row] = await queryRows<{
    id: string;
    org_id: string;
    name: string;
    artifact_id: string;
    sha256: string;
    model: string;
    state: CampaignState;
    state_by: string | null;
    state_reason: string | null;
    policy: unknown;
    deadline_at: number | null;
  }>(
    tx,
    `select c.id, c.org_id, c.name, c.artifact_id, a.sha256, a.model, c.state, c.state_by, c.state_reason, c.policy,
       ${msOf('c.deadline_at')} as deadline_at
     from campaigns c join artifacts a on a.id = c.artifact_id where c.id = $1 ${suffix}`,
    [id],
  );
  if (!row) return undefined;
  return {
    id: row.id,
    orgId: row.org_id,
    name: row.name,
    artifactId: row.artifact_id,
    artifactSha256: row.sha256,
    artifactModel: row.model,
    state: row.state,
    stateBy: row.state_by,
    stateReason: row.state_reason,
    policy: Policy.parse(row.policy),
    deadlineAtMs: row.deadline_at,
    nowMs: await nowOf(tx),
  };
}

/** The database's clock, whole milliseconds. */
export async function nowOf(tx: Queryable): Promise<number> {
  const [row] = await queryRows<{ ms: number }>(
    tx,
    `select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return row!.ms;
}

export interface NamedStage extends StageSnapshot {
  readonly name: string;
  readonly note: string | null;
  readonly percent: number;
  readonly size: number | null;
  readonly counts: Readonly<Partial<Record<DeploymentState, number>>>;
  readonly openedAtMs: number | null;
  readonly endedAtMs: number | null;
}

export async function loadStages(
  tx: Queryable,
  campaign: Pick<CampaignRow, 'id' | 'policy' | 'nowMs'>,
): Promise<NamedStage[]> {
  const stages = await queryRows<{
    idx: number;
    name: string;
    note: string | null;
    percent: number;
    size: number | null;
    state: StageState;
    deadline_at: number | null;
    soak_until: number | null;
    opened_at: number | null;
    ended_at: number | null;
    forgiven: number;
    counts: Partial<Record<DeploymentState, number>> | null;
  }>(
    tx,
    `select s.idx, s.name, s.state_note as note, s.percent, s.size, s.state, ${msOf('s.deadline_at')} as deadline_at,
       ${msOf('s.soak_until')} as soak_until, ${msOf('s.opened_at')} as opened_at, ${msOf('s.ended_at')} as ended_at,
       s.forgiven,
       (select jsonb_object_agg(c.state, c.n) from campaign_counters c
        where c.campaign_id = s.campaign_id and c.stage_idx = s.idx and c.n <> 0) as counts
     from campaign_stages s where s.campaign_id = $1 order by s.idx`,
    [campaign.id],
  );
  const suspects = await countSuspects(tx, campaign);
  return stages.map((stage) => ({
    index: stage.idx,
    name: stage.name,
    note: stage.note,
    percent: stage.percent,
    size: stage.size,
    state: stage.state,
    deadlineAtMs: stage.deadline_at,
    soakUntilMs: stage.soak_until,
    openedAtMs: stage.opened_at,
    endedAtMs: stage.ended_at,
    forgiven: stage.forgiven,
    counts: stage.counts ?? {},
    sums: sumsOf(
      stage.counts ?? {},
      { suspect: suspects.get(stage.idx) ?? 0 },
      { acceptUnproven: campaign.policy.acceptUnproven },
    ),
  }));
}

/** Proofs needed before their 99th percentile says what "overdue" is; before it, the timeouts of the policy do. */
const PROOFS_FOR_PERCENTILE = 20;

/**
 * Suspects by stage (design section 3): at risk, the gateway heard since, and lost, or last try failed, or under way
 * for longer than the 99th percentile of the campaign's proofs.
 */
export async function countSuspects(
  tx: Queryable,
  campaign: Pick<CampaignRow, 'id' | 'policy' | 'nowMs'>,
): Promise<Map<number, number>> {
  const { transferMs, activateMs, proveMs } = campaign.policy.timeouts;
  const rows = await queryRows<{ stage_idx: number; n: number }>(
    tx,
    `with risk as materialized (
       select dep.stage_idx, dep.state, dep.tries, dep.gateway_id, dep.at_risk_at, dep.touched_at from deployments dep
       where dep.campaign_id = $1 and dep.at_risk and dep.state in ('planned', 'granted', 'downloading', 'transferring',
         'activating', 'proving', 'cancelling', 'rescue', 'lost')),
     proofs as (
       select count(*) as n, percentile_cont(0.99) within group (order by duration_ms) as p99 from (
         select duration_ms from attempts where campaign_id = $1 and outcome = 'proven'
           and exists (select 1 from risk where risk.state not in ('planned', 'rescue', 'lost'))
         order by granted_at desc limit 1000) recent),
     late as (select case when n >= ${PROOFS_FOR_PERCENTILE} then p99 else $2::float8 end as ms from proofs)
     select risk.stage_idx, count(*)::int as n from risk cross join late
       left join gateways gw on gw.id = risk.gateway_id
     where greatest(gw.last_seen_at,
         (select max(c.last_at) from report_cursors c where c.gateway_id = risk.gateway_id)) > risk.at_risk_at
       and (risk.state in ('planned', 'rescue', 'lost') or risk.tries > 0
         or risk.touched_at + late.ms * interval '1 millisecond' < to_timestamp($3::float8 / 1000))
     group by risk.stage_idx`,
    [campaign.id, transferMs + activateMs + proveMs, campaign.nowMs],
  );
  return new Map(rows.map((row) => [row.stage_idx, row.n]));
}

/** Everything that `decide` looks at. @param blobPresent whether the artifact's bytes are in the store. */
export async function loadSnapshot(
  tx: Queryable,
  campaign: CampaignRow,
  blobPresent: boolean,
): Promise<Omit<CampaignSnapshot, 'stages'> & { readonly stages: readonly NamedStage[] }> {
  const stages = await loadStages(tx, campaign);
  const holding = stages.reduce(
    (sum, stage) => sum + HOLDING_DEPLOYMENT_STATES.reduce((n, state) => n + (stage.counts[state] ?? 0), 0),
    0,
  );
  const [extra] = await queryRows<{
    starts: number;
    oldest: number | null;
    next_end: number | null;
    next_retry: number | null;
    settling: number | null;
  }>(
    tx,
    `select rate.n::int as starts, ${msOf('rate.oldest')} as oldest,
       (select ${msOf('min(finish_by)')} from deployments where campaign_id = $1 and state = any($3)) as next_end,
       (select ${msOf('min(not_before)')} from deployments where campaign_id = $1 and state in ('planned', 'rescue')
          and not_before > to_timestamp($2::float8 / 1000)) as next_retry,
       (select ${msOf('settling_until')} from installation) as settling
     from (select count(*) as n, min(granted_at) as oldest from attempts
       where campaign_id = $1 and granted_at > to_timestamp(($2::float8 - ${RATE_WINDOW_MS}) / 1000)) rate`,
    [campaign.id, campaign.nowMs, LIVE_DEPLOYMENT_STATES],
  );
  const due = [extra!.next_end === null ? null : extra!.next_end + CLOCK_MARGIN_MS, extra!.next_retry].filter(
    (ms): ms is number => ms !== null,
  );
  return {
    state: campaign.state,
    policy: campaign.policy,
    deadlineAtMs: campaign.deadlineAtMs,
    stages,
    holding,
    startsInWindow: extra!.starts,
    oldestStartMs: extra!.oldest,
    settlingUntilMs: extra!.settling,
    blobPresent,
    nextDueMs: due.length === 0 ? null : Math.min(...due),
  };
}
