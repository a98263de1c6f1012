/** What is known of a model before a campaign of it starts: read for warnings, bounded whatever the fleet. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { LONG_UNSEEN_MS, type PlanFacts } from '../../domain/campaign/plan-warnings.js';

/** Latest campaigns of the model that are looked at, and proven attempts of all of them. */
const CAMPAIGNS = 20;
const PROOFS = 1_000;

export async function readPastOfModel(
  tx: Queryable,
  of: { readonly orgId: string; readonly model: string; readonly campaignId: string },
): Promise<Pick<PlanFacts, 'medianUpdateMs' | 'past'>> {
  const [row] = await queryRows<{ failed: number; known: number; median: number | null }>(
    tx,
    `with recent as (
       select c.id from campaigns c join artifacts a on a.id = c.artifact_id
       where c.org_id = $1 and a.model = $2 and c.started_at is not null and c.id <> $3
       order by c.started_at desc limit ${CAMPAIGNS})
     select
       (select coalesce(sum(n.n) filter (where n.state in ('failed', 'reverted')), 0)::float8 from campaign_counters n
          where n.campaign_id in (select id from recent)) as failed,
       (select coalesce(sum(n.n) filter (where n.state in ('proven', 'failed', 'reverted')), 0)::float8 from campaign_counters n
          where n.campaign_id in (select id from recent)) as known,
       (select percentile_cont(0.5) within group (order by proofs.duration_ms) from (
          select att.duration_ms from recent cross join lateral (
            select duration_ms from attempts where campaign_id = recent.id and outcome = 'proven' and duration_ms is not null
            order by granted_at desc limit ${PROOFS / CAMPAIGNS}) att) proofs) as median`,
    [of.orgId, of.model, of.campaignId],
  );
  return { past: { failed: row!.failed, known: row!.known }, medianUpdateMs: row!.median };
}

/** Of the members in the planner's table, those not seen for long. */
export async function countLongUnseen(tx: Queryable): Promise<number> {
  const [row] = await queryRows<{ n: number }>(
    tx,
    `select count(*)::int as n from planned_members m join devices dev on dev.id = m.id
     where m.skip is null and dev.last_seen_at < clock_timestamp() - $1::float8 * interval '1 millisecond'`,
    [LONG_UNSEEN_MS],
  );
  return row!.n;
}
