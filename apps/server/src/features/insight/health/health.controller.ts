/** For machines that watch: is it alive, is it ready, how much of everything. No secrets, no names of the fleet. */
import { timingSafeEqual } from 'node:crypto';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import type { Pool } from 'pg';
import { z } from 'zod';
import { BLOB_STORE, type BlobStore } from '../../../adapters/blob-store/blob-store.port.js';
import { PG_POOL } from '../../../adapters/database/database.js';
import { BROKER, type Broker } from '../../../adapters/mqtt/broker.port.js';
import { QUEUES, type Queues } from '../../../adapters/queue/queues.js';
import { ProblemError } from '../../../http/problem-error.js';
import { ZodResponse } from '../../../http/zod-params.js';
import { SETTINGS, type Settings } from '../../../settings/settings.js';
import { Public } from '../../access/actor.js';
import { Metrics } from './metrics.js';

const Part = z.object({ ok: z.boolean(), kind: z.string().optional() });
const Health = z.object({
  status: z.enum(['ok', 'degraded']),
  parts: z.object({ database: Part, broker: Part, queue: Part, blobStore: Part }),
});
type Health = z.infer<typeof Health>;

const CHECK_TIMEOUT_MS = 2_000;

@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    @Inject(PG_POOL) private readonly pool: Pool,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(QUEUES) private readonly queues: Queues,
    @Inject(BLOB_STORE) private readonly blobStore: BlobStore,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  /** Public: load balancers and container engines have no token, and it tells nothing but yes or no. */
  @Get('health/live')
  @Public()
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Public, as above: yes or no per part. 503 when the server cannot do its work. */
  @Get(['health', 'health/ready'])
  @Public()
  @ZodResponse(Health)
  async ready(@Res({ passthrough: true }) response: Response): Promise<Health> {
    const [database, queue, blobStore] = await Promise.all([
      this.succeeds('database', () => this.pool.query('select 1')),
      this.succeeds('queue', async () => {
        if (!this.queues.status().running) throw new Error('stopped');
      }),
      this.succeeds('blob-store', () => this.blobStore.check()),
    ]);
    const broker = this.broker.status();
    const health: Health = {
      status: database && queue && blobStore && broker.connected ? 'ok' : 'degraded',
      parts: {
        database: { ok: database, kind: this.settings.databaseUrl ? 'outside' : 'embedded' },
        broker: { ok: broker.connected, kind: broker.kind },
        queue: { ok: queue, kind: this.queues.status().kind },
        blobStore: { ok: blobStore, kind: this.settings.s3Bucket ? 's3' : 'folder' },
      },
    };
    if (health.status !== 'ok') response.status(503);
    return health;
  }

  /** Public in the sense of people: open to this machine itself, to others with the metrics token. */
  @Get('metrics')
  @Public()
  @ApiExcludeEndpoint()
  async scrape(@Req() request: Request, @Res() response: Response): Promise<void> {
    if (!this.mayScrape(request)) throw new ProblemError('request.unauthenticated');
    const broker = this.broker.status();
    this.metrics.brokerConnected.set(broker.connected ? 1 : 0);
    if (broker.clients !== undefined) this.metrics.brokerClients.set(broker.clients);
    this.metrics.poolConnections.set({ state: 'total' }, this.pool.totalCount);
    this.metrics.poolConnections.set({ state: 'idle' }, this.pool.idleCount);
    this.metrics.poolConnections.set({ state: 'waiting' }, this.pool.waitingCount);
    const counts = await within(this.queues.counts()).catch(() => ({}));
    for (const [queue, states] of Object.entries(counts)) {
      for (const [state, n] of Object.entries(states)) this.metrics.queueJobs.set({ queue, state }, n);
    }
    response.type(this.metrics.registry.contentType).send(await this.metrics.registry.metrics());
  }

  private mayScrape(request: Request): boolean {
    const token = this.settings.metricsToken;
    // A proxy on this machine makes every caller look local: with one, only the token counts.
    const forwarded = request.header('x-forwarded-for') !== undefined || request.header('forwarded') !== undefined;
    if (!forwarded && isLoopback(request.socket.remoteAddress)) return true;
    const given = /^Bearer (\S{1,200})$/i.exec(request.header('authorization') ?? '')?.[1];
    if (token === undefined || given === undefined) return false;
    const [a, b] = [Buffer.from(token), Buffer.from(given)];
    return a.length === b.length && timingSafeEqual(a, b);
  }

  private async succeeds(part: string, check: () => Promise<unknown>): Promise<boolean> {
    try {
      await within(check());
      return true;
    } catch {
      this.metrics.checkFailures.inc({ part });
      return false;
    }
  }
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || (address ?? '').replace('::ffff:', '').startsWith('127.');
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
