/**
 * Finds campaigns that are due and lets the engine look at them, one job per campaign with its id only. The queue may
 * be wiped at any moment: what is due stands in the database and is found again by the next poll.
 */
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { TICKING_STATES } from '../../domain/campaign/decide.js';
import { CampaignEngine } from './campaign-engine.js';
import { DispatchEvents } from './dispatch-events.js';

const QUEUE = 'campaign-tick';
const POLL_MS = 250;
const BATCH = 200;
/** Looks that follow one another at once where thousands may start; then another campaign has its turn. */
const LOOKS_OF_JOB = 16;
/**
 * Due for so long although it is in the queue: the worker that took the job is gone, or the queue lost it. A stalled
 * job is found by the queue itself only after a minute.
 */
const OVERDUE_MS = 10_000;

@Injectable()
export class CampaignTicker implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('CampaignTicker');
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly source: DataSource,
    private readonly engine: CampaignEngine,
    private readonly events: DispatchEvents,
    @Inject(QUEUES) private readonly queues: Queues,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: QUEUE, concurrency: 2, attempts: 1 }, async (job) => {
      if (this.stopped) return;
      const campaignId = String(job.ids['campaignId']);
      for (let look = 1; (await this.engine.tick(campaignId)) === 'more' && look < LOOKS_OF_JOB && !this.stopped;)
        look++;
    });
    this.events.onCampaignDue(() => this.poll());
  }

  async onApplicationBootstrap(): Promise<void> {
    // A crash between the commit of a late report and its mark must not leave a plan in a campaign that is over.
    await queryRows(
      this.source.manager,
      `update campaigns c set dirty = true where c.state in ('aborted', 'completed') and exists (
         select 1 from campaign_counters n where n.campaign_id = c.id and n.state = 'planned' and n.n > 0)`,
    );
    this.timer = setInterval(() => this.poll(), POLL_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.polling;
  }

  /** Looks for campaigns that are due. */
  poll(): void {
    if (this.stopped || this.polling) return;
    this.polling = this.enqueueDue()
      .catch((error: unknown) => {
        if (!this.stopped) this.log.error(`campaigns that are due could not be looked up: ${String(error)}`);
      })
      .finally(() => {
        this.polling = undefined;
      });
  }

  private async enqueueDue(): Promise<void> {
    const due = await queryRows<{ id: string; overdue: boolean }>(
      this.source.manager,
      `select id, coalesce(wake_at < clock_timestamp() - interval '${OVERDUE_MS} milliseconds', false) as overdue
       from campaigns
       where (state = any($1) and (dirty or wake_at is null or wake_at <= clock_timestamp()))
         or (state in ('aborted', 'completed') and dirty)
       order by wake_at nulls first limit ${BATCH}`,
      [TICKING_STATES],
    );
    for (const { id, overdue } of due) {
      if (this.stopped) return;
      const queued = await this.queues.add(QUEUE, { campaignId: id }, { jobId: id }).then(
        () => true,
        () => false,
      );
      // The queue is away, or has forgotten it. The campaign is not: it is looked at without one. Looking twice, or
      // while another server looks, is harmless: one campaign, one lock.
      if (!queued || overdue) await this.lookAt(id);
    }
  }

  /** What fails here must not keep the campaigns behind it waiting. */
  private async lookAt(id: string): Promise<void> {
    try {
      await this.engine.tick(id);
    } catch (error) {
      if (!this.stopped) this.log.error(`campaign ${id} could not be looked at: ${String(error)}`);
    }
  }
}
