/**
 * A plan that nobody approves does not wait for ever: after its time it goes back to a draft, so that what is approved is what
 * somebody wants now. It is put up again by pressing start.
 */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { APPROVAL_HOURS } from '@drydock/contracts';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { lockedCampaign, moveCampaign, recordDecision } from './campaign-moves.js';
import { dropPlan } from './member-planner.js';

const LOOK_EVERY_MS = 60_000;
const MOST_AT_ONCE = 100;
const RULE = 'approval.expired';

@Injectable()
export class ApprovalExpiry implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    @Inject(QUEUES) private readonly queues: Queues,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: 'approval-expiry', everyMs: LOOK_EVERY_MS }, () => this.endOverdue());
  }

  /** Sends back every plan whose time is over. */
  async endOverdue(): Promise<void> {
    const overdue = await queryRows<{ id: string; org_id: string }>(
      this.source.manager,
      `select c.id, c.org_id from campaigns c where c.state = 'awaiting-approval' and ${EXPIRED} limit ${MOST_AT_ONCE}`,
    );
    for (const { id, org_id } of overdue) await this.end(org_id, id);
  }

  private async end(orgId: string, id: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const campaign = await lockedCampaign(tx, orgId, id);
      // Somebody approved, declined or changed it meanwhile.
      const still = await queryRows(
        tx,
        `select 1 from campaigns c where c.id = $1 and c.state = 'awaiting-approval' and ${EXPIRED}`,
        [id],
      );
      if (still.length === 0) return;
      const reason = `not approved within ${APPROVAL_HOURS} hours`;
      await moveCampaign(tx, campaign, 'draft', `rule ${RULE}`, reason);
      await dropPlan(tx, id);
      await this.audit.record(tx, {
        orgId,
        actor: { kind: 'rule', name: RULE },
        action: 'campaign.approval-expired',
        target: { kind: 'campaign', id },
        params: { hours: APPROVAL_HOURS },
      });
      await recordDecision(tx, campaign, 'campaign.approval-expired', { hours: APPROVAL_HOURS });
    });
  }
}

/** SQL: when the campaign `c` was put up for approval. A first approval does not lengthen the time. */
export const ASKED_AT = `coalesce((select p.used_at from campaign_plans p where p.campaign_id = c.id order by p.version desc limit 1), c.state_at)`;
const EXPIRED = `${ASKED_AT} < clock_timestamp() - interval '${APPROVAL_HOURS} hours'`;
