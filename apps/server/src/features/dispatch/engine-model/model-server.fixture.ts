/**
 * For the engine's model test: one server process whose loops stand still. The test says when it looks, what reaches
 * it, and before which statement it dies.
 */
import type { Pool, PoolClient } from 'pg';
import { PG_POOL } from '../../../adapters/database/database.js';
import { BROKER, type Broker, type InboundMessage } from '../../../adapters/mqtt/broker.port.js';
import type { Queues } from '../../../adapters/queue/queues.js';
import type { AheadClaim } from '../../../domain/fleet/ahead-claim.js';
import { TICKING_STATES } from '../../../domain/campaign/decide.js';
import { startTestServer, type TestServer } from '../../../testing.js';
import { InventoryHandler } from '../../fleet/inventory.handler.js';
import { PresenceHandler } from '../../fleet/presence.handler.js';
import { WhyService } from '../../insight/why.service.js';
import { ReportsHandler } from '../../reports/reports.handler.js';
import { StampClock } from '../../reports/stamp-clock.js';
import { CampaignEngine } from '../campaign-engine.js';
import { CampaignTicker } from '../campaign-ticker.js';
import { DispatchEvents } from '../dispatch-events.js';
import { OrderPublisher } from '../order-publisher.js';
import { RestoreNotice } from '../restore-notice.js';
import type { VirtualDatabase } from './virtual-database.fixture.js';

export type Carry = (gatewayId: string, leaf: 'orders' | 'acks', jws: string) => void;

/** `away`: it refuses every job. `wiped`: it forgets every job before anybody works on it. */
export type LostQueue = 'away' | 'wiped';

class Died extends Error {}

export class ModelServer {
  private statementsLeft: number | undefined;
  private beforeCommit: (() => Promise<void>) | undefined;
  private readonly claims: AheadClaim[] = [];

  private constructor(
    readonly server: TestServer,
    private readonly database: VirtualDatabase,
  ) {}

  /** @param dataDir of a server that runs beside it, on the same database. */
  static async start(database: VirtualDatabase, carry: Carry, dataDir?: string): Promise<ModelServer> {
    const server = await startTestServer({
      ...(dataDir !== undefined && { dataDir }),
      settings: { DATABASE_URL: database.url, DRYDOCK_LOG_LEVEL: process.env.DRYDOCK_TEST_LOG_LEVEL ?? 'fatal' },
    });
    const made = new ModelServer(server, database);
    await server.app.get(CampaignTicker).onModuleDestroy();
    await server.app.get(OrderPublisher).onModuleDestroy();
    const broker = server.app.get<Broker>(BROKER);
    broker.publish = ({ gatewayId, leaf }, jws) => {
      carry(gatewayId, leaf as 'orders' | 'acks', jws.toString());
      return Promise.resolve();
    };
    // It would look after a pause in real time.
    server.app.get(RestoreNotice).noticed = (claim) => void made.claims.push(claim);
    made.makeMortal();
    return made;
  }

  private makeMortal(): void {
    const source = this.server.dataSource;
    const make = source.createQueryRunner.bind(source);
    source.createQueryRunner = (mode) => {
      const runner = make(mode);
      const query = runner.query.bind(runner) as (...args: unknown[]) => Promise<unknown>;
      runner.query = (async (...args: unknown[]) => {
        const isEnd = args[0] === 'ROLLBACK';
        if (args[0] === 'COMMIT') await this.beforeCommit?.();
        if (this.statementsLeft === undefined || isEnd) return query(...args);
        this.statementsLeft -= 1;
        if (this.statementsLeft > 0) return query(...args);
        // Half of the deaths come after the statement was carried out: a commit that nobody heard of.
        if (args[0] === 'COMMIT') await query(...args);
        throw new Died('the process died here');
      }) as typeof runner.query;
      return runner;
    };
    const pool = this.server.app.get<Pool>(PG_POOL);
    const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
    const mortal = new WeakSet<PoolClient>();
    const take = async (): Promise<PoolClient> => {
      const client = await connect();
      if (mortal.has(client)) return client;
      mortal.add(client);
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        if (this.statementsLeft === undefined || args[0] === 'rollback') return query(...args);
        this.statementsLeft -= 1;
        if (this.statementsLeft > 0) return query(...args);
        const told = args.at(-1);
        const ended = Promise.resolve(args[0] === 'commit' ? query(...args) : undefined).then(() => {
          throw new Died('the process died here');
        });
        // `pool.query` asks for its answer by a function.
        return typeof told === 'function' ? void ended.catch(told as (error: unknown) => void) : ended;
      }) as typeof client.query;
      return client;
    };
    pool.connect = ((answer?: (error?: unknown, client?: PoolClient, release?: () => void) => void) => {
      const taken = take();
      if (!answer) return taken;
      taken.then((client) => answer(undefined, client, () => client.release()), answer);
      return undefined;
    }) as typeof pool.connect;
  }

  /** Runs `work`; with a number, the process dies at that statement and what it knew is lost. @returns whether it lived. */
  async whileAlive(statements: number | undefined, work: () => Promise<void>): Promise<boolean> {
    this.statementsLeft = statements;
    try {
      await work();
      await this.idle();
      return true;
    } catch (error) {
      if (statements === undefined) throw error;
      return false;
    } finally {
      this.statementsLeft = undefined;
      await this.idle();
      await this.notice();
    }
  }

  /** Handlers of events go on after what told them: the pool says when they are through. */
  async idle(): Promise<void> {
    const pool = (
      this.server.dataSource.driver as unknown as {
        master: { totalCount: number; idleCount: number; waitingCount: number };
      }
    ).master;
    let quiet = 0;
    for (let turn = 0; quiet < 4 && turn < 20_000; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = pool.totalCount === pool.idleCount && pool.waitingCount === 0 ? quiet + 1 : 0;
    }
  }

  private async notice(): Promise<void> {
    const claims = this.claims.splice(0);
    if (claims.length > 0) await this.server.app.get(RestoreNotice).weigh(claims);
    await this.idle();
  }

  /** What the ticker finds due, looked at at once. */
  async tickDue(statements?: number): Promise<string[]> {
    const due = await this.database.query<{ id: string }>(
      `select id from campaigns where (state = any($1) and (dirty or wake_at is null or wake_at <= clock_timestamp()))
         or (state in ('aborted', 'completed') and dirty) order by wake_at nulls first`,
      [TICKING_STATES],
    );
    const done: string[] = [];
    await this.whileAlive(statements, async () => {
      for (const { id } of due) {
        if ((await this.server.app.get(CampaignEngine).tick(id)) !== 'busy') done.push(id);
      }
    });
    return done;
  }

  /** What the ticker itself does while its queue takes nothing, or takes every job and forgets it. */
  async poll(queue: LostQueue): Promise<void> {
    const { app, dataSource } = this.server;
    const add = (): Promise<void> => (queue === 'away' ? Promise.reject(new Error('no queue')) : Promise.resolve());
    const queues = { add } as unknown as Queues;
    const ticker = new CampaignTicker(dataSource, app.get(CampaignEngine), app.get(DispatchEvents), queues);
    await (ticker as unknown as { enqueueDue(): Promise<void> }).enqueueDue();
    await this.idle();
  }

  async tickOne(campaign: string): Promise<void> {
    await this.server.app.get(CampaignEngine).tick(campaign);
    await this.idle();
  }

  /** Looks at a campaign; before the first commit another does what it does, until it is through or waits for a lock. */
  async tickSlowly(campaign: string, meanwhile: () => Promise<void>): Promise<void> {
    let other: Promise<void> | undefined;
    this.beforeCommit = async () => {
      if (other) return;
      let isThrough = false;
      other = meanwhile().finally(() => (isThrough = true));
      for (let turn = 0; turn < 5_000 && !isThrough; turn++) {
        const [row] = await this.database.query<{ n: number }>(
          `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        if (row!.n > 0) break;
      }
    };
    await this.server.app.get(CampaignEngine).tick(campaign);
    this.beforeCommit = undefined;
    await other;
    await this.idle();
  }

  async publish(statements?: number): Promise<void> {
    await this.whileAlive(statements, async () => {
      await (this.server.app.get(OrderPublisher) as unknown as { sweep(): Promise<void> }).sweep();
      await this.server.app.get(OrderPublisher).publishDue();
    });
  }

  /** @returns whether the process lived through it. */
  async receive(message: InboundMessage, statements?: number): Promise<boolean> {
    return this.whileAlive(statements, async () => {
      if (message.leaf === 'presence') await this.server.app.get(PresenceHandler).handle(message);
      else if (message.leaf === 'inventory') await this.server.app.get(InventoryHandler).handle(message);
      else {
        await this.server.app.get(StampClock).refresh();
        const handler = this.server.app.get(ReportsHandler);
        (handler as unknown as { reign: undefined }).reign = undefined;
        await handler.handle(message);
      }
    });
  }

  /** As at a start after the restore command. */
  async declareRestored(): Promise<void> {
    await this.database.query('update installation set restore_pending = true');
    await this.server.app.get(RestoreNotice).onApplicationBootstrap();
    await this.idle();
  }

  async whys(orgId: string, campaignId: string): Promise<{ deploymentId: string; code: string }[]> {
    const { items } = await this.server.app.get(WhyService).campaign(orgId, campaignId, { limit: 500 });
    return items.map((item) => ({ deploymentId: item.deploymentId, code: item.reason.code }));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}
