/**
 * Named queues and ticks over BullMQ: on Postgres by default, on Redis with `REDIS_URL`.
 *
 * Jobs carry ids only and are safe to run twice. Nothing here is the truth: a queue wiped while running loses nothing,
 * because whoever adds a job has its reason in the database, and schedules are looked at and made again every few seconds.
 */
import { createPostgresBackend, Queue, Worker, withBackend, type JobsOptions } from 'bullmq';
import { Redis } from 'ioredis';
import { PatientClient } from '../database/calm-client.js';

/** Injection token of {@link Queues}. */
export const QUEUES = Symbol('Queues');

/** Ids and small numbers; never the thing itself. */
export type JobIds = Readonly<Record<string, string | number>>;

export interface QueueJob {
  readonly name: string;
  readonly ids: JobIds;
}

export interface QueueDefinition {
  /** Lower-case words with dashes. */
  readonly name: string;
  /** Jobs that run at the same time on one server; 1 unless said. */
  readonly concurrency?: number;
  /** Makes it a tick: one job of this name each so many milliseconds, on one of the servers. */
  readonly everyMs?: number;
  /** Tries of a job that throws; 5 unless said, a tick has 1 (the next tick is its second try). */
  readonly attempts?: number;
}

/** Counts for metrics and health. */
export type QueueCounts = Readonly<
  Record<string, { waiting: number; active: number; delayed: number; failed: number }>
>;

export interface QueuesOptions {
  readonly databaseUrl: string;
  readonly redisUrl?: string;
  /** Plain facts for the log. */
  readonly warn: (facts: Record<string, unknown>, sentence: string) => void;
  /** How often schedules are looked at, milliseconds. */
  readonly ensureEveryMs?: number;
}

type QueueLike = Pick<
  Queue,
  'add' | 'close' | 'getJobCounts' | 'upsertJobScheduler' | 'getJobScheduler' | 'on' | 'waitUntilReady'
>;
type WorkerLike = Pick<Worker, 'close' | 'on' | 'waitUntilReady' | 'run'>;

interface Defined extends QueueDefinition {
  readonly handle: (job: QueueJob) => Promise<void>;
  queue?: QueueLike;
  worker?: WorkerLike;
}

const ENSURE_EVERY_MS = 5_000;
/** A worker that is refused says so at every try. */
const TOLD_EVERY_MS = 1_000;

export class Queues {
  private readonly defined = new Map<string, Defined>();
  private redis: Redis | undefined;
  private workerRedis: Redis | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ensuring: Promise<void> | undefined;
  private running = false;
  private lastError: string | undefined;

  constructor(private readonly options: QueuesOptions) {}

  /** Declares a queue and what its jobs do; before the server starts (onModuleInit). */
  define(definition: QueueDefinition, handle: (job: QueueJob) => Promise<void>): void {
    if (this.running) throw new Error(`Queue ${definition.name} is defined too late.`);
    if (this.defined.has(definition.name)) throw new Error(`Two queues named ${definition.name}.`);
    this.defined.set(definition.name, { ...definition, handle });
  }

  /**
   * Adds a job. With `jobId`, a job of that id that is still waiting makes this a no-op (ids must not contain a colon).
   */
  async add(queueName: string, ids: JobIds, options: { jobId?: string; delayMs?: number } = {}): Promise<void> {
    const entry = this.defined.get(queueName);
    if (!entry) throw new Error(`There is no queue ${queueName}.`);
    if (!entry.queue) throw new Error('The queues are not running.');
    const jobOptions: JobsOptions = { ...this.keep(entry) };
    if (options.jobId !== undefined) {
      jobOptions.jobId = options.jobId;
      // A failed job that is kept holds its id, and every later job of that id would be ignored (P5).
      jobOptions.removeOnFail = true;
    }
    if (options.delayMs !== undefined) jobOptions.delay = options.delayMs;
    await entry.queue.add(queueName, ids, jobOptions);
  }

  async start(): Promise<void> {
    this.running = true;
    if (this.options.redisUrl) {
      // Workers block on a connection of their own and wait for ever, as BullMQ asks.
      this.redis = this.redisConnection(this.options.redisUrl, false);
      this.workerRedis = this.redisConnection(this.options.redisUrl, true);
    }
    for (const entry of this.defined.values()) await this.open(entry);
    await this.ensureSchedules();
    this.timer = setInterval(() => void this.ensureSchedules(), this.options.ensureEveryMs ?? ENSURE_EVERY_MS);
  }

  /** Jobs under way are finished first. */
  async stop(): Promise<void> {
    this.running = false;
    clearInterval(this.timer);
    await this.ensuring;
    await Promise.all([...this.defined.values()].map((entry) => this.close(entry)));
    this.redis?.disconnect();
    this.workerRedis?.disconnect();
  }

  async counts(): Promise<QueueCounts> {
    const found: Record<string, QueueCounts[string]> = {};
    for (const entry of this.defined.values()) {
      const counts = (await entry.queue?.getJobCounts('waiting', 'active', 'delayed', 'failed')) ?? {};
      found[entry.name] = {
        waiting: counts.waiting ?? 0,
        active: counts.active ?? 0,
        delayed: counts.delayed ?? 0,
        failed: counts.failed ?? 0,
      };
    }
    return found;
  }

  status(): { kind: 'postgres' | 'redis'; running: boolean; error?: string } {
    return {
      kind: this.options.redisUrl ? 'redis' : 'postgres',
      running: this.running && this.lastError === undefined,
      ...(this.lastError === undefined ? {} : { error: this.lastError }),
    };
  }

  /** Makes missing schedules again. Runs by itself every few seconds; never rejects. */
  async ensureSchedules(): Promise<void> {
    this.ensuring ??= this.ensureOnce().finally(() => (this.ensuring = undefined));
    await this.ensuring;
  }

  private async ensureOnce(): Promise<void> {
    for (const entry of this.defined.values()) {
      if (!this.running) return;
      try {
        await this.ensureTick(entry);
        this.lastError = undefined;
      } catch (error) {
        this.lastError = (error as Error).message;
        this.options.warn({ err: error, queue: entry.name }, 'the queue does not work; it is opened again');
        await this.reopen(entry);
      }
    }
  }

  private async ensureTick(entry: Defined): Promise<void> {
    const { queue, everyMs, name } = entry;
    if (!queue) return this.open(entry);
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed');
    if (everyMs === undefined) return;
    const pending = (counts.waiting ?? 0) + (counts.active ?? 0) + (counts.delayed ?? 0);
    const scheduler = await queue.getJobScheduler(name);
    if (scheduler && pending > 0 && Number(scheduler.every) === everyMs) return;
    await queue.upsertJobScheduler(name, { every: everyMs }, { name, data: {}, opts: this.keep(entry) });
  }

  private async reopen(entry: Defined): Promise<void> {
    try {
      await this.close(entry);
      await this.open(entry);
      await this.ensureTick(entry);
      this.lastError = undefined;
    } catch (error) {
      // The next look tries again.
      this.lastError = (error as Error).message;
    }
  }

  private keep(entry: Defined): JobsOptions {
    return {
      attempts: entry.attempts ?? (entry.everyMs === undefined ? 5 : 1),
      backoff: { type: 'exponential', delay: 1_000 },
      removeOnComplete: true,
      removeOnFail: 50,
    };
  }

  private async open(entry: Defined): Promise<void> {
    const run = (job: { name: string; data: unknown }) => entry.handle({ name: job.name, ids: job.data as JobIds });
    // It begins once it is known to be ready: BullMQ keeps a failed look at the database for good, and a worker that runs on
    // it is refused again and again within one turn of the event loop, which then never ends.
    const worker = { concurrency: entry.concurrency ?? 1, maxStalledCount: 10, autorun: false };
    let queueOpened: QueueLike;
    let workerOpened: WorkerLike;
    if (this.redis && this.workerRedis) {
      queueOpened = new Queue(entry.name, { connection: this.redis, prefix: 'drydock' });
      workerOpened = new Worker(entry.name, run, { connection: this.workerRedis, prefix: 'drydock', ...worker });
    } else {
      const { Queue: PgQueue, Worker: PgWorker } = withBackend(createPostgresBackend);
      const connection = {
        connectionString: this.options.databaseUrl,
        migrate: true,
        max: 2,
        application_name: 'drydock-queue',
        Client: PatientClient,
      };
      queueOpened = new PgQueue(entry.name, { connection }) as unknown as QueueLike;
      workerOpened = new PgWorker(entry.name, run, { connection, ...worker }) as unknown as WorkerLike;
    }
    let toldMs = -Infinity;
    let untold = 0;
    const failed = (error: Error) => {
      if (!this.running) return;
      const nowMs = performance.now();
      if (nowMs - toldMs < TOLD_EVERY_MS) {
        untold += 1;
        return;
      }
      toldMs = nowMs;
      this.options.warn({ reason: error.message, queue: entry.name, untold }, 'the queue reports an error');
      untold = 0;
    };
    queueOpened.on('error', failed);
    workerOpened.on('error', failed);
    workerOpened.on('failed', (_job, error) => {
      this.options.warn({ err: error, queue: entry.name }, 'a job failed');
    });
    try {
      await queueOpened.waitUntilReady();
      await workerOpened.waitUntilReady();
    } catch (error) {
      await workerOpened.close().catch(() => undefined);
      await queueOpened.close().catch(() => undefined);
      throw error;
    }
    entry.queue = queueOpened;
    entry.worker = workerOpened;
    workerOpened.run().catch(failed);
  }

  private async close(entry: Defined): Promise<void> {
    const { worker, queue } = entry;
    delete entry.worker;
    delete entry.queue;
    await worker?.close().catch(() => undefined);
    await queue?.close().catch(() => undefined);
  }

  private redisConnection(url: string, forWorkers: boolean): Redis {
    const redis = new Redis(url, { maxRetriesPerRequest: forWorkers ? null : 3, enableReadyCheck: true });
    redis.on('error', (error) => this.options.warn({ reason: error.message }, 'Redis reports an error'));
    return redis;
  }
}
