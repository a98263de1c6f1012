/**
 * A message knows a higher revision, attempt or reign than the database: the database was restored from a backup.
 * The reign is raised, every campaign is paused, and nothing is granted until grants that the backup does not know
 * have run out (design, section 3, "After a restore").
 */
import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { moveCampaign, recordDecision, withdrawUnstarted } from '../campaigns/campaign-moves.js';
import { FleetEvents } from '../fleet/fleet-events.js';
import { timeOf } from '../campaigns/deployment-rows.js';
import { loadCampaign, nowOf } from './campaign-snapshot.js';
import { DispatchEvents } from './dispatch-events.js';
import { bumpOrders } from './order-book.js';

/** Messages of a restored fleet come by the thousand; one look in a while is enough. */
const LOOK_EVERY_MS = 5_000;
/** Longest lease that may stand in an order the backup does not know, where no policy says. */
const DEFAULT_HORIZON_MS = 2 * 3_600_000;

@Injectable()
export class RestoreNotice implements OnModuleInit {
  private readonly log = new Logger('RestoreNotice');
  private lookedAt = -Infinity;

  constructor(
    private readonly source: DataSource,
    private readonly fleet: FleetEvents,
    private readonly events: DispatchEvents,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  onModuleInit(): void {
    this.fleet.on('presenceHeld', async ({ gatewayId, reign, revision }) => {
      if (revision === 0) return;
      const [ahead] = await queryRows(
        this.source.manager,
        `select 1 from gateways g left join orders o on o.gateway_id = g.id
         where g.id = $1 and ($2::bigint, $3::bigint) > (coalesce(o.reign, 0), coalesce(o.revision, 0))`,
        [gatewayId, reign, revision],
      );
      if (ahead) this.noticed(reign, 'presence');
    });
  }

  /** @param seenReign the reign that the message knows. Returns at once; what follows is logged and audited. */
  noticed(seenReign: number, by: 'report' | 'presence'): void {
    if (performance.now() - this.lookedAt < LOOK_EVERY_MS) return;
    this.lookedAt = performance.now();
    this.raise(seenReign, by).catch((error: unknown) =>
      this.log.error(`the reign could not be raised: ${String(error)}`),
    );
  }

  /** @returns the reign that holds now. */
  async raise(seenReign: number, by: string): Promise<number> {
    const reign = await inTransaction(this.source, async (tx) => {
      const nowMs = await nowOf(tx);
      const [row] = await queryRows<{ reign: string; settling: boolean }>(
        tx,
        `select reign, coalesce(settling_until > clock_timestamp(), false) as settling from installation for update`,
      );
      const present = Number(row!.reign);
      // While it settles, the same fleet brings the same news again.
      if (row!.settling && seenReign < present) return present;
      const raised = Math.max(present, seenReign) + 1;
      const horizonMs = await this.horizon(tx);
      await queryRows(tx, `update installation set reign = $1, settling_until = ${timeOf('$2::float8')}`, [
        raised,
        nowMs + horizonMs + CLOCK_MARGIN_MS,
      ]);
      await this.pauseAll(tx);
      const gateways = await queryRows<{ gateway_id: string }>(tx, 'select gateway_id from orders');
      await bumpOrders(
        tx,
        gateways.map((gateway) => gateway.gateway_id),
        true,
      );
      await this.audit.record(tx, {
        orgId: null,
        actor: { kind: 'rule', name: 'restore-noticed' },
        action: 'installation.reign-raised',
        params: { from: present, to: raised, by },
      });
      return raised;
    });
    this.log.warn(`the database was restored: reign ${reign}, all campaigns are paused`);
    this.events.ordersDue();
    return reign;
  }

  private async pauseAll(tx: EntityManager): Promise<void> {
    const live = await queryRows<{ id: string }>(
      tx,
      `select id from campaigns where state in ('running', 'scheduled') order by id`,
    );
    for (const { id } of live) {
      const campaign = await loadCampaign(tx, id, 'wait');
      if (campaign?.state !== 'running' && campaign?.state !== 'scheduled') continue;
      const reason = 'The database was restored from a backup.';
      await moveCampaign(tx, campaign, 'paused', 'engine', reason);
      await withdrawUnstarted(tx, id);
      await recordDecision(tx, campaign, 'campaign.paused', { reason });
    }
  }

  /** From a grant that was given just before now until the end of it. */
  private async horizon(tx: EntityManager): Promise<number> {
    const [row] = await queryRows<{ ms: number | null }>(
      tx,
      `select max((t->>'startMs')::float8 + (t->>'transferMs')::float8 + (t->>'activateMs')::float8
         + (t->>'proveMs')::float8) as ms
       from campaigns, lateral (select policy->'timeouts' as t) x where state not in ('draft')`,
    );
    return row?.ms ?? DEFAULT_HORIZON_MS;
  }
}
