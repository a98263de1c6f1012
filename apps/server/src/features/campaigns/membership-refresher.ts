/**
 * Membership `dynamic`: looks for devices that match by now, at most each minute for a campaign, and soon after a device
 * newly appears. What is due stands in the database (`campaigns.members_at`); the queue only wakes the look.
 */
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Selector } from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { loadCampaign } from '../dispatch/campaign-row.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { FleetEvents } from '../fleet/fleet-events.js';
import { recordDecision } from './campaign-moves.js';
import { findSteps } from './campaign-steps.js';
import { refreshMembers } from './member-refresh.js';

const QUEUE = 'campaign-members';
const LOOK_MS = 5_000;
const REFRESH_MS = 60_000;
/** One look takes as many; the next begins with the oldest. */
const BATCH = 50;

@Injectable()
export class MembershipRefresher implements OnModuleInit {
  private readonly log = new Logger('MembershipRefresher');

  constructor(
    private readonly source: DataSource,
    private readonly fleet: FleetEvents,
    private readonly events: DispatchEvents,
    @Inject(QUEUES) private readonly queues: Queues,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: QUEUE, everyMs: LOOK_MS }, () => this.refreshDue());
    this.fleet.on('inventoryChanged', async ({ orgId, appeared }) => {
      if (appeared) await this.due(orgId);
    });
  }

  /** A device is new: the next look refreshes every dynamic campaign of the organisation, also one that is looked at now. */
  async due(orgId: string): Promise<void> {
    await queryRows(
      this.source.manager,
      `update campaigns set members_at = null where id in (
         select id from campaigns where org_id = $1 and state = 'running' and policy->>'membership' = 'dynamic'
           and members_at is not null order by id for no key update)`,
      [orgId],
    );
  }

  /** Every campaign that is due, each in a transaction of its own; one that fails does not keep the others waiting. */
  async refreshDue(): Promise<void> {
    const due = await queryRows<{ id: string }>(
      this.source.manager,
      `select id from campaigns where state = 'running' and policy->>'membership' = 'dynamic'
         and (members_at is null or members_at < clock_timestamp() - interval '${REFRESH_MS} milliseconds')
       order by members_at nulls first, id limit ${BATCH}`,
    );
    for (const { id } of due) {
      try {
        await this.refresh(id);
      } catch (error) {
        this.log.error(`members of campaign ${id} could not be refreshed: ${String(error)}`);
      }
    }
  }

  /** @returns undefined when somebody else works on the campaign, or it takes no more members. */
  async refresh(id: string): Promise<{ readonly joined: number; readonly left: number } | undefined> {
    const moved = await inTransaction(this.source, async (tx) => {
      const campaign = await loadCampaign(tx, id, 'skip');
      if (campaign?.state !== 'running' || campaign.policy.membership !== 'dynamic') return undefined;
      const [stored] = await queryRows<{
        selector: unknown;
        version: string;
        requires: { runningVersions?: string[] };
      }>(
        tx,
        `select c.selector, coalesce(a.running_version, a.version) as version, a.requires
         from campaigns c join artifacts a on a.id = c.artifact_id where c.id = $1`,
        [id],
      );
      const { orgId, artifactId, policy, nowMs } = campaign;
      const { allowDowngrade } = policy;
      const found = await refreshMembers(tx, {
        campaignId: id,
        orgId,
        artifactId,
        model: campaign.artifactModel,
        version: stored!.version,
        selector: Selector.parse(stored!.selector),
        policy,
        requires: stored!.requires.runningVersions ?? [],
        steps: await findSteps(tx, { orgId, artifactId, model: campaign.artifactModel, allowDowngrade }),
        nowMs,
      });
      const changed = found.joined + found.left > 0;
      await queryRows(tx, 'update campaigns set members_at = clock_timestamp(), dirty = dirty or $2 where id = $1', [
        id,
        changed,
      ]);
      if (changed) {
        await recordDecision(tx, campaign, 'members.refreshed', found);
        await this.audit.record(tx, {
          orgId,
          actor: { kind: 'rule', name: 'engine' },
          action: 'campaign.members-refreshed',
          target: { kind: 'campaign', id },
          params: found,
        });
      }
      return { ...found, changed };
    });
    if (moved?.changed) this.events.campaignDue();
    return moved && { joined: moved.joined, left: moved.left };
  }
}
