/**
 * Versions of a campaign's plan. What one person types into one draft is one version, written over until it is used: started,
 * put up for approval, or in force in a running campaign. So their number grows with what was decided, not with what was typed.
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

export interface PlanWriter {
  readonly personId: string;
  readonly name: string;
}

/**
 * Keeps the plan as it stands in `campaigns`. The caller holds the campaign's lock.
 * @param inForce the campaign works by it from now on; else it is a draft.
 */
export async function keepPlan(tx: Queryable, campaignId: string, by: PlanWriter, inForce = false): Promise<void> {
  await queryRows(
    tx,
    `insert into campaign_plans (campaign_id, version, by_id, by_name, used_at, name, note, artifact_id, selector, policy)
     select c.id, coalesce((select case when p.used_at is null and p.by_id = $2::uuid and not $4::boolean then p.version else p.version + 1 end
         from campaign_plans p where p.campaign_id = c.id order by p.version desc limit 1), 1),
       $2, $3, case when $4 then clock_timestamp() end, c.name, c.note, c.artifact_id, c.selector, c.policy
     from campaigns c where c.id = $1
     on conflict (campaign_id, version) do update set at = clock_timestamp(), name = excluded.name, note = excluded.note,
       artifact_id = excluded.artifact_id, selector = excluded.selector, policy = excluded.policy`,
    [campaignId, by.personId, by.name, inForce],
  );
}

const NEWEST = 'version = (select max(n.version) from campaign_plans n where n.campaign_id = $1)';

/** The newest version was started or put up for approval: from now on it stays. */
export async function markPlanUsed(tx: Queryable, campaignId: string): Promise<void> {
  await queryRows(tx, `update campaign_plans set used_at = clock_timestamp() where campaign_id = $1 and ${NEWEST}`, [
    campaignId,
  ]);
}

/** Nobody's approval of the newest version is missing. */
export async function markPlanApproved(tx: Queryable, campaignId: string): Promise<void> {
  await queryRows(
    tx,
    `update campaign_plans set approved_at = clock_timestamp() where campaign_id = $1 and ${NEWEST}`,
    [campaignId],
  );
}

/** What was approved last, and who wrote it; undefined where nothing was. */
export async function approvedPolicy(tx: Queryable, campaignId: string): Promise<unknown> {
  const [row] = await queryRows<{ policy: unknown }>(
    tx,
    'select policy from campaign_plans where campaign_id = $1 and approved_at is not null order by version desc limit 1',
    [campaignId],
  );
  return row?.policy;
}
