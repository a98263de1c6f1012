/**
 * The outbox at work: builds, signs and publishes orders, and publishes them again until presence shows that they are
 * held. What the broker holds can be wiped at any time; the row in `orders` says what is still due.
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
import type { AgentUpgrade, Grant, OrdersBody } from '@drydock/contracts';
import { AGENT_MODEL } from '@drydock/dfu-core';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import { BROKER, type Broker } from '../../adapters/mqtt/broker.port.js';
import { queryRows } from '../../adapters/database/rows.js';
import { inTransaction } from '../../adapters/database/transaction.js';
import { composeOrder } from '../../domain/order/compose-order.js';
import { msOf } from '../campaigns/deployment-rows.js';
import { FleetEvents } from '../fleet/fleet-events.js';
import { signEnvelopeFast } from '../reports/envelope-verifier.js';
import { nowOf } from './campaign-row.js';
import { DispatchEvents } from './dispatch-events.js';
import { BETWEEN_ORDERS_MS, bumpOrders } from './order-book.js';
import { readLive, readPrefetch } from './order-reader.js';

/** An order that presence does not show yet is sent again after this. */
const AGAIN_AFTER_MS = 5_000;
const POLL_MS = 200;
const SWEEP_MS = 2_000;
const BATCH = 250;
/** Batches that are built at the same time while much is due. */
const LANES = 2;

interface DueRow {
  gateway_id: string;
  org_id: string;
  epoch: string | null;
  state: string;
  hold_note: string | null;
  reign: string;
  revision: string;
  held_reign: string;
  held_revision: string;
  jws: string | null;
  built_epoch: string | null;
  log_level: NonNullable<NonNullable<OrdersBody['settings']>['logLevel']>['level'] | null;
  /** Null once it is over. */
  log_level_until: number | null;
}

interface Outgoing {
  readonly orgId: string;
  readonly gatewayId: string;
  readonly jws: string;
}

@Injectable()
export class OrderPublisher implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('OrderPublisher');
  private timers: NodeJS.Timeout[] = [];
  private running: Promise<void> | undefined;
  private sending: Promise<void> = Promise.resolve();
  private again = false;
  private stopped = false;

  constructor(
    private readonly source: DataSource,
    private readonly events: DispatchEvents,
    private readonly fleet: FleetEvents,
    @Inject(SERVER_KEYS) private readonly keys: ServerKeys,
    @Inject(BROKER) private readonly broker: Broker,
  ) {}

  onModuleInit(): void {
    this.events.onOrdersDue(() => this.kick());
    this.fleet.on('gatewayOnline', (event) => this.wake([event.gatewayId]));
    this.fleet.on('gatewayChanged', async (event) => {
      // Quarantined or on hold: what has not started is taken back.
      await inTransaction(this.source, (tx) => this.bumpKnown(tx, event.gatewayId));
      this.kick();
    });
    this.broker.onClientConnected((gateway) => this.publishStored(gateway));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.overtakeOtherKeys();
    this.timers = [
      setInterval(() => this.kick(), POLL_MS),
      setInterval(() => void this.sweep().catch((error: unknown) => this.complain(error)), SWEEP_MS),
    ];
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    await this.running;
  }

  /**
   * Orders that another key signed are issued anew: a gateway that meets a key it does not know asks for the root's
   * statement, so it learns of a change also where its connection to the broker outlives this server.
   */
  private async overtakeOtherKeys(): Promise<void> {
    const rows = await queryRows<{ gateway_id: string; header: string }>(
      this.source.manager,
      `select gateway_id, split_part(jws, '.', 1) as header from orders where jws is not null`,
    );
    const others = rows.filter(({ header }) => kidOf(header) !== this.keys.orderKey.kid).map((row) => row.gateway_id);
    if (others.length > 0) await inTransaction(this.source, (tx) => bumpOrders(tx, others, true));
  }

  /** Looks now instead of at the next poll. */
  kick(): void {
    if (this.stopped) return;
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = this.drain()
      .catch((error: unknown) => this.complain(error))
      .finally(() => {
        this.running = undefined;
        if (this.again) {
          this.again = false;
          this.kick();
        }
      });
  }

  /** Publishes everything that is due. @returns how many orders went out. */
  async publishDue(): Promise<number> {
    const outgoing = await inTransaction(this.source, (tx) => this.prepare(tx));
    await this.send(outgoing);
    return outgoing.length;
  }

  private async send(outgoing: readonly Outgoing[]): Promise<void> {
    const results = await Promise.allSettled(
      outgoing.map(({ orgId, gatewayId, jws }) => this.broker.publish({ orgId, gatewayId, leaf: 'orders' }, jws)),
    );
    const failed = results.find((result) => result.status === 'rejected');
    // The rows stay dirty, so what the broker did not take is sent again.
    if (failed) this.complain(failed.reason);
  }

  /** No lane rejects while another one runs: nobody would be there to hear it. What failed is told once all have ended. */
  private async drain(): Promise<void> {
    let left = LANES;
    const failures: unknown[] = [];
    const lane = async (): Promise<void> => {
      left -= 1;
      let more = true;
      let others: Promise<void> = Promise.resolve();
      try {
        while (!this.stopped && more && failures.length === 0) {
          const outgoing = await inTransaction(this.source, (tx) => this.prepare(tx));
          more = outgoing.length >= BATCH;
          if (more && left > 0) others = lane();
          await this.sending;
          // The next batch is built and signed while this one goes out: one after the other, as they were committed.
          this.sending = this.sending.then(() => this.send(outgoing));
        }
      } catch (error) {
        failures.push(error);
      }
      await others;
    };
    await lane();
    await this.sending;
    if (failures.length > 0) throw failures[0];
  }

  /** What takes something back goes first, then whoever has nothing yet, then whoever has waited longest. */
  private async prepare(tx: EntityManager): Promise<Outgoing[]> {
    const due = await queryRows<DueRow>(
      tx,
      `select o.gateway_id, g.org_id, g.epoch, g.state, g.hold_note, o.reign, o.revision, g.held_reign, g.held_revision,
         o.jws, o.built_epoch, g.log_level,
         case when g.log_level_until > clock_timestamp() then ${msOf('g.log_level_until')} end as log_level_until
       from orders o join gateways g on g.id = o.gateway_id
       where o.dirty and coalesce(o.publish_after, clock_timestamp()) <= clock_timestamp() and (g.online or o.withdraws)
       order by o.withdraws desc, o.published_at nulls first limit ${BATCH} for update of o skip locked`,
    );
    const held = due.filter((row) => this.isHeld(row)).map((row) => row.gateway_id);
    if (held.length > 0) {
      await queryRows(tx, 'update orders set dirty = false, withdraws = false where gateway_id = any($1::uuid[])', [
        held,
      ]);
    }
    const left = due.filter((row) => !this.isHeld(row));
    const stale = left.filter((row) => row.jws === null || row.built_epoch !== row.epoch);
    const built = await this.build(tx, stale);
    const outgoing = left.map((row) => ({
      orgId: row.org_id,
      gatewayId: row.gateway_id,
      jws: built.get(row.gateway_id) ?? row.jws!,
    }));
    const again = left.filter((row) => !built.has(row.gateway_id)).map((row) => row.gateway_id);
    if (again.length > 0) {
      await queryRows(
        tx,
        `update orders set published_at = clock_timestamp(), withdraws = false,
           publish_after = clock_timestamp() + $2::int * interval '1 millisecond'
         where gateway_id = any($1::uuid[])`,
        [again, AGAIN_AFTER_MS],
      );
    }
    return outgoing;
  }

  private isHeld(row: DueRow): boolean {
    return (
      row.jws !== null &&
      row.built_epoch === row.epoch &&
      row.held_reign === row.reign &&
      row.held_revision === row.revision
    );
  }

  /**
   * Under the lock of the rows in `orders`: whoever gives a reason waits there, so a revision has one content. The rows
   * are stamped as published in the same statement: with its order in it, each is some thousand bytes to write.
   */
  private async build(tx: EntityManager, rows: readonly DueRow[]): Promise<Map<string, string>> {
    const built = new Map<string, string>();
    if (rows.length === 0) return built;
    const ids = rows.map((row) => row.gateway_id);
    // One connection, one statement at a time.
    const live = await readLive(tx, ids);
    const prefetch = await readPrefetch(tx, ids);
    const nowMs = await nowOf(tx);
    const updates: { id: string; revision: number; jws: string; epoch: string | null; artifacts: string[] }[] = [];
    for (const row of rows) {
      // An order that was built for another epoch keeps its number for ever; the new one has a new number.
      const revision = Number(row.revision) + (row.jws === null ? 0 : 1);
      const order = composeOrder(
        { epoch: row.epoch, usable: row.state === 'active' && row.hold_note === null },
        live.get(row.gateway_id) ?? [],
        prefetch.get(row.gateway_id) ?? [],
        nowMs,
      );
      const body: OrdersBody = {
        reign: Number(row.reign),
        revision,
        issuedAtMs: nowMs,
        grants: order.grants,
        ...(order.settle.length > 0 && { settle: order.settle }),
        prefetch: order.prefetch,
        ...(row.log_level !== null &&
          row.log_level_until !== null && {
            settings: { logLevel: { level: row.log_level, untilMs: Math.round(row.log_level_until) } },
          }),
      };
      const jws = signEnvelopeFast(
        {
          v: 1,
          purpose: 'orders',
          server: this.keys.serverId,
          gateway: row.gateway_id,
          epoch: row.epoch,
          // An agent that knows nothing of it would run a session of its own.
          must: order.grants.some((grant) => grant.rawPort) ? ['grants.rawPort'] : [],
          bodyVersion: 1,
          cancellations: order.cancellations,
          ...upgradeOf(order.grants),
          body,
        },
        this.keys.orderKey,
      );
      built.set(row.gateway_id, jws);
      const artifacts = [...order.grants.map((grant) => grant.artifact), ...order.prefetch];
      updates.push({
        id: row.gateway_id,
        revision,
        jws,
        epoch: row.epoch,
        artifacts: [...new Set(artifacts.map((artifact) => artifact.sha256 as string))],
      });
    }
    await queryRows(
      tx,
      `update orders o set revision = x.revision, jws = x.jws, built_epoch = x.epoch, built_at = clock_timestamp(),
         artifacts = array(select jsonb_array_elements_text(x.artifacts)), published_at = clock_timestamp(), withdraws = false,
         publish_after = clock_timestamp() + $2::int * interval '1 millisecond'
       from jsonb_to_recordset($1::jsonb) as x(id uuid, revision bigint, jws text, epoch text, artifacts jsonb)
       where o.gateway_id = x.id`,
      [JSON.stringify(updates), BETWEEN_ORDERS_MS],
    );
    return built;
  }

  /** The embedded broker forgot what was retained, or the gateway is new to it: give it what is built at once. */
  private async publishStored(gateway: { orgId: string; gatewayId: string }): Promise<void> {
    const [row] = await queryRows<{ jws: string | null }>(
      this.source.manager,
      'select jws from orders where gateway_id = $1',
      [gateway.gatewayId],
    );
    if (row?.jws) await this.broker.publish({ ...gateway, leaf: 'orders' }, row.jws);
  }

  private async wake(gatewayIds: readonly string[]): Promise<void> {
    await queryRows(
      this.source.manager,
      `update orders o set dirty = true, publish_after = least(coalesce(o.publish_after, clock_timestamp()), clock_timestamp())
       from gateways g where g.id = o.gateway_id and g.id = any($1::uuid[])
         and (g.epoch is distinct from o.built_epoch or (g.held_reign, g.held_revision) is distinct from (o.reign, o.revision))`,
      [gatewayIds],
    );
    this.kick();
  }

  /** Gateways that are online and hold another order than the current one, found whatever was forgotten. */
  private async sweep(): Promise<void> {
    const woken = await queryRows(
      this.source.manager,
      `update orders o set dirty = true from gateways g
       where g.id = o.gateway_id and g.online and not o.dirty
         and (g.epoch is distinct from o.built_epoch or (g.held_reign, g.held_revision) is distinct from (o.reign, o.revision))
       returning o.gateway_id`,
    );
    if (woken.length > 0) this.kick();
  }

  private async bumpKnown(tx: EntityManager, gatewayId: string): Promise<void> {
    const known = await queryRows(tx, 'select 1 from orders where gateway_id = $1', [gatewayId]);
    if (known.length > 0) await bumpOrders(tx, [gatewayId], true);
  }

  private complain(error: unknown): void {
    if (!this.stopped) this.log.error(`orders could not be published: ${String(error)}`);
  }
}

/** An agent too old to read the body still learns which agent it shall become: that form never changes. */
function upgradeOf(grants: readonly Grant[]): { upgrade?: AgentUpgrade } {
  const own = grants.find((grant) => grant.protocol === AGENT_MODEL);
  if (!own) return {};
  const { sha256, sizeBytes } = own.artifact;
  return { upgrade: { version: (own.expect.version ?? '').slice(0, 64), sha256, sizeBytes } };
}

/** Key that signed, from the first part of a JWS. */
function kidOf(header: string): unknown {
  return (JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as { kid?: unknown }).kid;
}
