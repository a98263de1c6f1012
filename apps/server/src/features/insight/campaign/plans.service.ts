/** Plans side by side, and plans that wait for a person's name. */
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import {
  APPROVAL_HOURS,
  Policy,
  PolicyDiff,
  Selector,
  type ApprovalItem,
  type ApprovalList,
  type CampaignDraft,
  type CampaignState,
} from '@drydock/contracts';
import { queryRows } from '../../../adapters/database/rows.js';
import { WAITS_FOR_APPROVAL } from '../../../domain/campaign/decide.js';
import { diffPlans, type Json } from '../../../domain/campaign/plan-diff.js';
import { planDigest } from '../../../domain/campaign/plan-digest.js';
import { ProblemError } from '../../../http/problem-error.js';
import type { Actor } from '../../access/actor.js';
import { ASKED_AT } from '../../campaigns/approval-expiry.js';
import { givenApprovals, isOwnPlan, neededApprovals } from '../../campaigns/approvals.js';

interface PlanRow {
  readonly id: string;
  readonly name: string;
  readonly artifact: string;
  readonly model: string;
  readonly selector: unknown;
  readonly policy: unknown;
}

const PLAN = `select c.id, c.name, a.sha256 as artifact, a.model, c.selector, c.policy
  from campaigns c join artifacts a on a.id = c.artifact_id`;
const MOST_WAITING = 200;

@Injectable()
export class PlansService {
  constructor(private readonly source: DataSource) {}

  /** @throws ProblemError `request.not-found` */
  async diff(orgId: string, id: string, against: string | undefined): Promise<PolicyDiff> {
    const plan = await this.plan(orgId, id);
    return compare(plan, await this.other(orgId, plan.model, id, against));
  }

  /** @throws ProblemError `request.not-found` for the artifact or what it is compared with. */
  async diffDraft(orgId: string, draft: CampaignDraft, against: string | undefined): Promise<PolicyDiff> {
    const [artifact] = await queryRows<{ sha256: string; model: string }>(
      this.source.manager,
      'select sha256, model from artifacts where org_id = $1 and id = $2',
      [orgId, draft.artifactId],
    );
    if (!artifact) throw new ProblemError('request.not-found', { what: 'artifact', id: draft.artifactId });
    const plan = { artifact: artifact.sha256, selector: draft.selector, policy: draft.policy };
    return compare(plan, await this.other(orgId, artifact.model, null, against));
  }

  private async plan(orgId: string, id: string): Promise<PlanRow> {
    const [row] = await queryRows<PlanRow>(this.source.manager, `${PLAN} where c.org_id = $1 and c.id = $2`, [
      orgId,
      id,
    ]);
    if (!row) throw new ProblemError('request.not-found', { what: 'campaign', id });
    return row;
  }

  /** The one that is named, or the last of the model that started before. */
  private async other(
    orgId: string,
    model: string,
    self: string | null,
    against: string | undefined,
  ): Promise<PlanRow | undefined> {
    if (against !== undefined) return this.plan(orgId, against);
    const [row] = await queryRows<PlanRow>(
      this.source.manager,
      `${PLAN} where c.org_id = $1 and a.model = $2 and c.started_at is not null and c.id is distinct from $3::uuid
         and c.created_at < coalesce((select created_at from campaigns where id = $3::uuid), 'infinity')
       order by c.started_at desc limit 1`,
      [orgId, model, self],
    );
    return row;
  }

  /** What waits for approval, the longest first; what nobody here can give is listed all the same, with the reason. */
  async approvals(actor: Actor): Promise<ApprovalList> {
    const rows = await queryRows<
      PlanRow & {
        kind: ApprovalItem['kind'];
        state: CampaignState;
        revision: number;
        stage_idx: number | null;
        stage_name: string | null;
        asked_by: string | null;
        asked_at: Date;
      }
    >(
      this.source.manager,
      `select * from (
         select 'campaign' as kind, c.state, c.revision, null::int as stage_idx, null as stage_name,
           coalesce(p.name, c.state_by) as asked_by, ${ASKED_AT} as asked_at,
           c.id, c.name, a.sha256 as artifact, a.model, c.selector, c.policy
         from campaigns c join artifacts a on a.id = c.artifact_id left join people p on p.id = c.created_by
         where c.org_id = $1 and c.state = 'awaiting-approval'
         union all
         select 'gate', c.state, c.revision, s.idx, s.name, null, coalesce(s.soak_until, c.state_at),
           c.id, c.name, a.sha256, a.model, c.selector, c.policy
         from campaigns c join artifacts a on a.id = c.artifact_id join campaign_stages s on s.campaign_id = c.id
         where c.org_id = $1 and c.state in ('running', 'paused', 'halted') and s.state = 'held' and s.state_note = $2) waiting
       order by asked_at, id limit ${MOST_WAITING}`,
      [actor.orgId, WAITS_FOR_APPROVAL],
    );
    const items: ApprovalItem[] = [];
    for (const row of rows) {
      const policy = Policy.parse(row.policy);
      const gate = row.kind === 'gate';
      const given = gate ? [] : await givenApprovals(this.source.manager, { id: row.id, revision: row.revision });
      items.push({
        kind: row.kind,
        campaign: { id: row.id, name: row.name, state: row.state, revision: row.revision },
        stage: row.stage_idx === null ? null : { index: row.stage_idx, name: row.stage_name ?? '' },
        urgent: policy.urgent !== undefined,
        planDigest: planDigest({ artifactSha256: row.artifact, selector: row.selector, policy: row.policy }),
        askedBy: row.asked_by,
        askedAt: row.asked_at.toISOString(),
        endsAt: gate ? null : new Date(row.asked_at.getTime() + APPROVAL_HOURS * 3_600_000).toISOString(),
        needed: gate ? 1 : neededApprovals(policy),
        given,
        you: mayApprove(
          actor,
          given.map((one) => one.by),
          !gate && (await isOwnPlan(this.source.manager, row.id, actor.personId)),
        ),
      });
    }
    return { items };
  }
}

function compare(plan: Pick<PlanRow, 'artifact' | 'selector' | 'policy'>, other: PlanRow | undefined): PolicyDiff {
  if (!other) return { against: null, lines: [] };
  const lines = diffPlans(plainPlan(other), plainPlan(plan));
  return PolicyDiff.parse({ against: { id: other.id, name: other.name }, lines });
}

function mayApprove(actor: Actor, given: readonly string[], own: boolean): ApprovalItem['you'] {
  if (!actor.roles.some((role) => role === 'approver' || role === 'admin')) {
    return { may: false, because: 'You have no role that approves.' };
  }
  if (own) return { may: false, because: 'It is your own plan; another person must.' };
  if (given.includes(actor.name)) return { may: false, because: 'You have approved it already; another person must.' };
  return { may: true, because: null };
}

/** With every default filled in, so that a plan that says nothing equals one that says the default. */
function plainPlan(plan: Pick<PlanRow, 'artifact' | 'selector' | 'policy'>): Json {
  return JSON.parse(
    JSON.stringify({
      artifact: plan.artifact,
      selector: Selector.parse(plan.selector),
      policy: Policy.parse(plan.policy),
    }),
  ) as Json;
}
