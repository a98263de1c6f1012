/**
 * A message knows a higher revision, attempt or reign than the database: the database was restored from a backup.
 * The reign is raised, every campaign is paused, and nothing is granted until grants that the backup does not know
 * have run out (design, section 3, "After a restore").
 */
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { BROKER, type Broker } from '../../adapters/mqtt/broker.port.js';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { believable, type AheadClaim } from '../../domain/fleet/ahead-claim.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { moveCampaign, recordDecision, withdrawUnstarted } from '../campaigns/campaign-moves.js';
import { recordEvent, recordGatewayEvent } from '../webhooks/record-event.js';
import { FleetEvents } from '../fleet/fleet-events.js';
import { timeOf } from '../campaigns/deployment-rows.js';
import { loadCampaign, nowOf } from './campaign-row.js';
import { DispatchEvents } from './dispatch-events.js';
import { bumpOrders } from './order-book.js';

/** Messages of a restored fleet come by the thousand; one look in a while is enough. */
const LOOK_EVERY_MS = 5_000;
/** Claims that wait for the next look; those of a restored fleet all say much the same. */
const MAX_WAITING_CLAIMS = 1_000;
/** A gateway whose word has raised the reign is not believed again so soon: it was given orders of the new reign. */
const BELIEVED_ONCE_IN = "interval '1 day'";
/** Longest lease that may stand in an order the backup does not know, where no policy says. */
const DEFAULT_HORIZON_MS = 2 * 3_600_000;
const RAISED = 'installation.reign-raised';

interface Distrusted {
  readonly orgId: string;
  readonly siteId: string;
  readonly gatewayId: string;
}

@Injectable()
export class RestoreNotice implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('RestoreNotice');
  private readonly waiting = new Map<string, AheadClaim>();
  private lookedAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly source: DataSource,
    private readonly fleet: FleetEvents,
    private readonly events: DispatchEvents,
    @Inject(BROKER) private readonly broker: Broker,
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
      if (ahead) this.noticed({ gatewayId, reign, by: 'presence' });
    });
  }

  /** The restore command leaves a mark; until the reign is raised nothing is granted. */
  async onApplicationBootstrap(): Promise<void> {
    const [row] = await queryRows<{ reign: string; restore_pending: boolean }>(
      this.source.manager,
      'select reign, restore_pending from installation',
    );
    if (row?.restore_pending) await this.raise(Number(row.reign), 'restore command');
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  /** Returns at once; what follows is logged and audited. */
  noticed(claim: AheadClaim): void {
    if (this.stopped) return;
    const before = this.waiting.get(claim.gatewayId);
    if (before ? before.reign < claim.reign : this.waiting.size < MAX_WAITING_CLAIMS) {
      this.waiting.set(claim.gatewayId, claim);
    }
    const delayMs = Math.max(0, this.lookedAt + LOOK_EVERY_MS - performance.now());
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.looking = this.look().catch((error: unknown) =>
        this.log.error(`the reign could not be raised: ${String(error)}`),
      );
    }, delayMs);
  }

  private async look(): Promise<void> {
    this.lookedAt = performance.now();
    const claims = [...this.waiting.values()];
    this.waiting.clear();
    await this.weigh(claims);
  }

  /**
   * Believes each gateway once: the reign is raised above what was claimed. Who claims what this installation cannot
   * have said is quarantined instead, so that one gateway cannot stop every campaign again and again.
   * @returns the reign that holds now.
   */
  async weigh(claims: readonly AheadClaim[]): Promise<number> {
    const done = await inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<{ reign: string }>(tx, 'select reign from installation for update');
      const present = Number(row!.reign);
      const before = await queryRows<{ target_id: string }>(
        tx,
        `select distinct target_id from audit where target_kind = 'gateway' and target_id = any($1) and action = '${RAISED}'
           and at > clock_timestamp() - ${BELIEVED_ONCE_IN}`,
        [claims.map(({ gatewayId }) => gatewayId)],
      );
      const { credible, doubtful } = believable(claims, present, new Set(before.map((entry) => entry.target_id)));
      const distrusted: Distrusted[] = [];
      for (const claim of doubtful) distrusted.push(...(await this.quarantine(tx, claim, present)));
      const raised = credible
        ? await this.raiseIn(tx, present, credible.reign, credible.by, credible.gatewayId)
        : present;
      return { present, raised, distrusted };
    });
    for (const gateway of done.distrusted) {
      await this.broker.disconnect(gateway.gatewayId);
      this.fleet.emit('gatewayChanged', { ...gateway, state: 'quarantined' });
    }
    if (done.raised !== done.present) this.tell(done.raised);
    return done.raised;
  }

  /**
   * Says that the database was restored.
   * @param seenReign the newest reign that is known to have been; older news than the present reign changes nothing.
   * @returns the reign that holds now.
   */
  async raise(seenReign: number, by: string): Promise<number> {
    const done = await inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<{ reign: string }>(tx, 'select reign from installation for update');
      const present = Number(row!.reign);
      return { present, raised: seenReign < present ? present : await this.raiseIn(tx, present, seenReign, by) };
    });
    if (done.raised !== done.present) this.tell(done.raised);
    return done.raised;
  }

  private async raiseIn(
    tx: EntityManager,
    present: number,
    seenReign: number,
    by: string,
    gatewayId?: string,
  ): Promise<number> {
    const raised = seenReign + 1;
    const endMs = (await nowOf(tx)) + (await this.horizon(tx)) + CLOCK_MARGIN_MS;
    await queryRows(
      tx,
      `update installation set reign = $1, settling_until = ${timeOf('$2::float8')}, restore_pending = false`,
      [raised, endMs],
    );
    await this.pauseAll(tx);
    // Also those without an order: what the backup does not know may have been given to them.
    const gateways = await queryRows<{ id: string }>(tx, `select id from gateways where state <> 'decommissioned'`);
    await bumpOrders(
      tx,
      gateways.map((gateway) => gateway.id),
      true,
    );
    // It concerns everybody, and everybody reads the trail of their own organisation only.
    for (const org of await queryRows<{ id: string }>(tx, 'select id from orgs order by id')) {
      await this.audit.record(tx, {
        orgId: org.id,
        actor: { kind: 'rule', name: 'restore-noticed' },
        action: RAISED,
        ...(gatewayId !== undefined && { target: { kind: 'gateway', id: gatewayId } }),
        params: { from: present, to: raised, by },
      });
      await recordEvent(tx, {
        orgId: org.id,
        kind: 'installation.restored',
        subject: { kind: 'installation', id: org.id },
        payload: { reign: raised, by },
      });
    }
    return raised;
  }

  private tell(reign: number): void {
    this.log.warn(`the database was restored: reign ${reign}, all campaigns are paused`);
    this.events.ordersDue();
  }

  private async quarantine(tx: EntityManager, claim: AheadClaim, present: number): Promise<Distrusted[]> {
    const note =
      `It claims orders of reign ${claim.reign}, which this server (reign ${present}) cannot have given it. ` +
      'If the database was restored, look at its devices before you release it.';
    const rows = await queryRows<{ org_id: string; site_id: string; name: string }>(
      tx,
      `with moved as (update gateways set state = 'quarantined', state_note = $2, revision = revision + 1
         where id = $1 and state = 'active' returning org_id, site_id, name) select * from moved`,
      [claim.gatewayId, note],
    );
    for (const row of rows) {
      await recordGatewayEvent(tx, claim.gatewayId, 'gateway.quarantined', note);
      await this.audit.record(tx, {
        orgId: row.org_id,
        actor: { kind: 'rule', name: 'restore-noticed' },
        action: 'gateway.quarantined',
        target: { kind: 'gateway', id: claim.gatewayId },
        params: { claimed: claim.reign, present, by: claim.by },
      });
    }
    return rows.map((row) => ({ orgId: row.org_id, siteId: row.site_id, gatewayId: claim.gatewayId }));
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
