/** Who approved a campaign or the gate of a stage. An approval is of one revision: a changed draft needs new ones. */
import type { Policy } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { planDigest } from '../../domain/campaign/plan-digest.js';

/** Urgent campaigns need two different people, whatever the policy says. */
const URGENT_APPROVALS = 2;

export function neededApprovals(policy: Policy): number {
  return Math.max(policy.approvals, policy.urgent ? URGENT_APPROVALS : 0);
}

/** Approvals that the policy wants, and the people who may give one of a plan that this person asks for. */
export async function readApprovers(
  tx: Queryable,
  asking: { readonly orgId: string; readonly personId: string },
  policy: Policy,
): Promise<{ needed: number; people: number }> {
  const [row] = await queryRows<{ n: number }>(
    tx,
    `select count(*)::int as n from people
     where org_id = $1 and disabled_at is null and roles && '{approver,admin}' and id::text <> $2`,
    [asking.orgId, asking.personId],
  );
  return { needed: neededApprovals(policy), people: row!.n };
}

export interface GivenApproval {
  readonly by: string;
  readonly at: string;
  readonly reason: string | null;
}

interface Approved {
  readonly id: string;
  readonly revision: number;
  readonly policy: Policy;
}

/** Of the newest revision that anybody approved, or of the one that is named. */
export async function givenApprovals(
  tx: Queryable,
  campaign: { readonly id: string; readonly revision?: number },
): Promise<GivenApproval[]> {
  const rows = await queryRows<{ person_name: string; at: Date; reason: string | null }>(
    tx,
    `select person_name, at, reason from campaign_approvals where campaign_id = $1 and stage_idx is null
       and revision = coalesce($2::int, (select max(revision) from campaign_approvals where campaign_id = $1 and stage_idx is null))
     order by at`,
    [campaign.id, campaign.revision ?? null],
  );
  return rows.map((row) => ({ by: row.person_name, at: row.at.toISOString(), reason: row.reason }));
}

export async function missingApprovals(tx: Queryable, campaign: Approved): Promise<number> {
  return Math.max(0, neededApprovals(campaign.policy) - (await givenApprovals(tx, campaign)).length);
}

/** @returns false when the person has approved it already. */
export async function addApproval(
  tx: Queryable,
  campaign: Omit<Approved, 'policy'>,
  person: { readonly personId: string; readonly name: string },
  reason: string | null,
  stage: number | null = null,
): Promise<boolean> {
  const added = await queryRows(
    tx,
    `insert into campaign_approvals (campaign_id, revision, stage_idx, person_id, person_name, reason)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning campaign_id`,
    [campaign.id, campaign.revision, stage, person.personId, person.name, reason],
  );
  return added.length > 0;
}

/** Whether the person wrote the plan, changed it, or asked for its approval: then another one must approve. */
export async function isOwnPlan(tx: Queryable, campaignId: string, personId: string): Promise<boolean> {
  const rows = await queryRows(
    tx,
    `select 1 from campaigns where id = $1::uuid and created_by = $2::uuid
     union all select 1 from audit where target_kind = 'campaign' and target_id = $1::text and actor_id::text = $2::text
       and action in ('campaign.created', 'campaign.updated', 'campaign.started') limit 1`,
    [campaignId, personId],
  );
  return rows.length > 0;
}

/** What an approval of the campaign would be of now. */
export async function storedDigest(tx: Queryable, campaignId: string): Promise<string> {
  const [row] = await queryRows<{ artifactSha256: string; selector: unknown; policy: unknown }>(
    tx,
    `select a.sha256 as "artifactSha256", c.selector, c.policy
     from campaigns c join artifacts a on a.id = c.artifact_id where c.id = $1`,
    [campaignId],
  );
  return planDigest(row!);
}
