/** What the queue has to do, on Postgres in `npm test` and on Redis in the scaled lane. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Queues, type QueueJob } from './queues.js';

export interface QueueBackend {
  readonly options: { databaseUrl: string; redisUrl?: string };
  /** Loses everything the queue holds, while it runs. */
  wipe(): Promise<void>;
  close(): Promise<void>;
}

/** @param open makes an empty backend and what undoes it. */
export function queuesConformance(name: string, open: () => Promise<QueueBackend>): void {
  describe(`queues on ${name}`, () => {
    let backend: QueueBackend;
    const started: Queues[] = [];
    beforeAll(async () => {
      backend = await open();
    }, 60_000);
    afterEach(async () => {
      for (const queues of started.splice(0)) await queues.stop();
      await backend.wipe();
    });
    afterAll(async () => backend?.close());

    /** Counts what happens and lets a test wait for the nth time. */
    class Happenings {
      readonly jobs: QueueJob[] = [];
      private waiting: { n: number; resolve: () => void }[] = [];
      readonly handle = async (job: QueueJob) => {
        this.jobs.push(job);
        for (const waiter of this.waiting.filter((candidate) => this.jobs.length >= candidate.n)) waiter.resolve();
      };
      times(n: number): Promise<void> {
        if (this.jobs.length >= n) return Promise.resolve();
        return new Promise((resolve) => this.waiting.push({ n, resolve }));
      }
    }

    const make = () => {
      const queues = new Queues({ ...backend.options, warn: () => undefined, ensureEveryMs: 3_600_000 });
      started.push(queues);
      return queues;
    };

    it('hands ids to their handler, tries again after a failure, and counts', async () => {
      const queues = make();
      const good = new Happenings();
      let failures = 0;
      queues.define({ name: 'plan' }, async (job) => {
        if (job.ids.campaign === 'c2' && failures++ === 0) throw new Error('once');
        await good.handle(job);
      });
      await expect(queues.add('plan', { campaign: 'c1' })).rejects.toThrow('not running');
      await queues.start();
      await queues.add('plan', { campaign: 'c1' });
      await queues.add('plan', { campaign: 'c2' });
      await good.times(2);
      expect(good.jobs.map((job) => job.ids.campaign).sort()).toEqual(['c1', 'c2']);
      expect(failures).toBe(2);
      expect(Object.keys(await queues.counts())).toEqual(['plan']);
      expect(queues.status().running).toBe(true);
      await expect(queues.add('nothing', {})).rejects.toThrow('no queue nothing');
    }, 30_000);

    it('takes a job id once while it waits', async () => {
      const queues = make();
      const happened = new Happenings();
      queues.define({ name: 'once' }, happened.handle);
      await queues.start();
      await queues.add('once', { n: 1 }, { jobId: 'a', delayMs: 300 });
      await queues.add('once', { n: 2 }, { jobId: 'a', delayMs: 300 });
      await queues.add('once', { n: 3 }, { jobId: 'b', delayMs: 600 });
      await happened.times(2);
      expect(happened.jobs.map((job) => job.ids.n)).toEqual([1, 3]);
    }, 30_000);

    it('takes a job id again after its job failed for good (P5)', async () => {
      const queues = make();
      const happened = new Happenings();
      queues.define({ name: 'again', attempts: 1 }, async (job) => {
        await happened.handle(job);
        if (happened.jobs.length === 1) throw new Error('the database was away');
      });
      await queues.start();
      await queues.add('again', { n: 1 }, { jobId: 'campaign' });
      await happened.times(1);
      // As whoever polls does; the first adds may still meet the job that is about to fail.
      const adding = setInterval(() => void queues.add('again', { n: 2 }, { jobId: 'campaign' }), 100);
      try {
        await happened.times(2);
      } finally {
        clearInterval(adding);
      }
      expect(happened.jobs[1]!.ids.n).toBe(2);
    }, 30_000);

    it('ticks, and ticks on after everything was wiped', async () => {
      const queues = make();
      const ticks = new Happenings();
      queues.define({ name: 'tick', everyMs: 100 }, ticks.handle);
      await queues.start();
      await ticks.times(3);
      await backend.wipe();
      // What the timer does every few seconds.
      await queues.ensureSchedules();
      await ticks.times(ticks.jobs.length + 3);
      expect(queues.status().running).toBe(true);
    }, 30_000);

    it('keeps ticking when a tick fails', async () => {
      const queues = make();
      const ticks = new Happenings();
      queues.define({ name: 'shaky', everyMs: 100 }, async (job) => {
        await ticks.handle(job);
        throw new Error('always');
      });
      await queues.start();
      await ticks.times(3);
    }, 30_000);

    it('ticks once for two servers beside each other', async () => {
      const both = new Happenings();
      const [a, b] = [make(), make()];
      for (const queues of [a, b]) queues.define({ name: 'shared', everyMs: 200 }, both.handle);
      await a.start();
      await b.start();
      const begun = Date.now();
      await both.times(6);
      // Two independent tickers would need half of it.
      expect(Date.now() - begun).toBeGreaterThan(600);
    }, 30_000);
  });
}
