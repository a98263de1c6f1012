/** The stages of a campaign with their counts; never devices, so that reading costs the same at any size. */
import type { DeploymentState, StageState } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { StageSnapshot } from '../../domain/campaign/decide.js';
import { sumsOf } from '../../domain/sums/sums.js';
import { msOf } from '../campaigns/deployment-rows.js';
import type { CampaignRow } from './campaign-row.js';
import { readSessionTimes } from './session-times.js';

export interface NamedStage extends StageSnapshot {
  readonly name: string;
  readonly note: string | null;
  readonly size: number | null;
  readonly approvedBy: string | null;
  readonly counts: Readonly<Partial<Record<DeploymentState, number>>>;
  readonly openedAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** @param risks `counts-only`: neither suspects nor untried strata are looked for; both read as none. */
export async function loadStages(
  tx: Queryable,
  campaign: Pick<CampaignRow, 'id' | 'policy' | 'nowMs'>,
  risks: 'with-suspects' | 'counts-only' = 'with-suspects',
): Promise<NamedStage[]> {
  const stages = await queryRows<{
    idx: number;
    name: string;
    note: string | null;
    size: number | null;
    state: StageState;
    approved_by: string | null;
    deadline_at: number | null;
    soak_until: number | null;
    opened_at: number | null;
    ended_at: number | null;
    forgiven: number;
    counts: Partial<Record<DeploymentState, number>> | null;
  }>(
    tx,
    `select s.idx, s.name, s.state_note as note, s.size, s.approved_by, s.state, ${msOf('s.deadline_at')} as deadline_at,
       ${msOf('s.soak_until')} as soak_until, ${msOf('s.opened_at')} as opened_at, ${msOf('s.ended_at')} as ended_at,
       s.forgiven,
       (select jsonb_object_agg(c.state, c.n) from campaign_counters c
        where c.campaign_id = s.campaign_id and c.stage_idx = s.idx and c.n <> 0) as counts
     from campaign_stages s where s.campaign_id = $1 order by s.idx`,
    [campaign.id],
  );
  const whole = risks === 'with-suspects';
  const suspects = whole ? await countSuspects(tx, campaign) : new Map<number, number>();
  const untried = whole ? await untriedStrata(tx, campaign) : [];
  return stages.map((stage) => ({
    index: stage.idx,
    name: stage.name,
    note: stage.note,
    size: stage.size,
    approvedBy: stage.approved_by,
    approved: stage.approved_by !== null,
    untriedStrata: wantedStrata(campaign.policy.stages[stage.idx]?.gate.strata, untried),
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

function wantedStrata(wanted: 'all' | readonly string[] | undefined, untried: readonly string[]): string[] {
  if (wanted === undefined) return [];
  return untried.filter((version) => wanted === 'all' || wanted.includes(version));
}

/** Running versions of which no result is known yet; looked at only where a gate asks. */
async function untriedStrata(tx: Queryable, campaign: Pick<CampaignRow, 'id' | 'policy'>): Promise<string[]> {
  if (campaign.policy.stages.every((stage) => stage.gate.strata === undefined)) return [];
  const known = ['proven', 'failed', 'reverted', ...(campaign.policy.acceptUnproven ? ['unproven'] : [])];
  const rows = await queryRows<{ version: string }>(
    tx,
    `select s.version from campaign_strata s where s.campaign_id = $1 and not exists (
       select 1 from deployments d where d.campaign_id = s.campaign_id and d.stratum_idx = s.idx
         and d.stratum_ordinal is not null and d.state = any($2))`,
    [campaign.id, known],
  );
  return rows.map((row) => row.version);
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
  const { n, p99 } = await readSessionTimes(tx, campaign);
  const lateMs = n >= PROOFS_FOR_PERCENTILE && p99 !== null ? p99 : transferMs + activateMs + proveMs;
  const rows = await queryRows<{ stage_idx: number; n: number }>(
    tx,
    `with risk as materialized (
       select dep.stage_idx, dep.state, dep.tries, dep.gateway_id, dep.at_risk_at, dep.touched_at from deployments dep
       where dep.campaign_id = $1 and dep.at_risk and dep.state in ('planned', 'granted', 'downloading', 'transferring',
         'activating', 'proving', 'cancelling', 'rescue', 'lost')),
     -- asked once for each gateway, not for each of its devices
     heard as materialized (
       select gw.id, greatest(gw.last_seen_at, (select max(c.last_at) from report_cursors c where c.gateway_id = gw.id)) as at
       from (select distinct gateway_id from risk) few join gateways gw on gw.id = few.gateway_id)
     select risk.stage_idx, count(*)::int as n from risk join heard on heard.id = risk.gateway_id
     where heard.at > risk.at_risk_at
       and (risk.state in ('planned', 'rescue', 'lost') or risk.tries > 0
         or risk.touched_at + $2::float8 * interval '1 millisecond' < to_timestamp($3::float8 / 1000))
     group by risk.stage_idx`,
    [campaign.id, lateMs, campaign.nowMs],
  );
  return new Map(rows.map((row) => [row.stage_idx, row.n]));
}
