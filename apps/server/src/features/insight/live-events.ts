/**
 * Live events for people who watch: what happened in this server, and the counters of campaigns as they are in the
 * database, so that a watcher of one server sees what another one committed. Nothing depends on them.
 */
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { CampaignState, LiveEvent, StateCounts } from '@drydock/contracts';
import { queryRows } from '../../adapters/database/rows.js';
import { databaseNowMs } from '../../adapters/database/transaction.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';
import { readLiveCampaign } from './live-campaign.js';
import { ProgressHandler } from '../reports/progress.handler.js';

/** A report is shown within a second of its commit; a little room is left for reading and sending. */
const LOOK_EVERY_MS = 900;
/** Watchers tell by it how old what they show is. */
const PULSE_EVERY_MS = 2_000;
/** Kept for watchers that come back with `Last-Event-ID`. */
const KEPT = 500;
const MAX_WATCHERS = 500;

export interface NumberedEvent {
  readonly id: number;
  readonly orgId: string;
  readonly event: LiveEvent;
}

interface Watcher {
  readonly seen: (event: NumberedEvent) => void;
  /** The same for everybody, unnumbered, and gone when it is over. */
  readonly pulse: (event: LiveEvent) => void;
  /** The server stops. */
  readonly end: () => void;
}

@Injectable()
export class LiveEvents implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = new Logger('LiveEvents');
  private readonly watchers = new Set<Watcher>();
  private kept: NumberedEvent[] = [];
  private nextId = 1;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private stopped = false;
  private pulsedAt = 0;
  private readonly orgs = new Map<string, string>();
  private readonly lastSeen = new Map<string, string>();

  constructor(
    private readonly source: DataSource,
    private readonly dispatch: DispatchEvents,
    private readonly progress: ProgressHandler,
  ) {}

  onApplicationBootstrap(): void {
    this.dispatch.onDecided(({ campaignId, kind, params }) => {
      const orgId = this.orgs.get(campaignId);
      if (orgId !== undefined) this.emit(orgId, { type: 'decision', campaignId, kind, params: { ...params } });
    });
    this.progress.on(({ orgId, ...item }) => this.emit(orgId, { type: 'progress', ...item }));
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    for (const watcher of [...this.watchers]) watcher.end();
    await this.looking;
  }

  /**
   * @param afterId the last event the watcher saw; what is kept since is given at once (best effort).
   * @returns a function that ends it, or undefined when too many watch already.
   */
  watch(orgId: string, afterId: number | undefined, watcher: Watcher): (() => void) | undefined {
    if (this.stopped || this.watchers.size >= MAX_WATCHERS) return undefined;
    const seen = (event: NumberedEvent): void => {
      if (event.orgId === orgId) watcher.seen(event);
    };
    const own: Watcher = { seen, pulse: watcher.pulse, end: watcher.end };
    if (afterId !== undefined) for (const event of this.kept) if (event.id > afterId) seen(event);
    this.watchers.add(own);
    return () => this.watchers.delete(own);
  }

  /** Open streams. */
  get watching(): number {
    return this.watchers.size;
  }

  private emit(orgId: string, event: LiveEvent): void {
    const numbered = { id: this.nextId++, orgId, event };
    // Progress is gone when it is over.
    if (event.type === 'campaign' || event.type === 'decision') this.kept = [...this.kept.slice(-(KEPT - 1)), numbered];
    for (const watcher of [...this.watchers]) watcher.seen(numbered);
  }

  private look(): void {
    if (this.stopped || this.looking || this.watchers.size === 0) return;
    this.looking = this.lookOnce()
      .catch((error: unknown) => {
        if (!this.stopped) this.log.warn(`counters could not be read: ${String(error)}`);
      })
      .finally(() => {
        this.looking = undefined;
      });
  }

  private async lookOnce(): Promise<void> {
    const startedAt = performance.now();
    const due = startedAt - this.pulsedAt >= PULSE_EVERY_MS - LOOK_EVERY_MS / 2;
    const countersAtMs = due ? await databaseNowMs(this.source.manager) : 0;
    await this.lookAtCounters();
    if (!due) return;
    this.pulsedAt = startedAt;
    const serverTimeMs = countersAtMs + Math.round(performance.now() - startedAt);
    for (const watcher of [...this.watchers]) watcher.pulse({ type: 'pulse', serverTimeMs, countersAtMs });
  }

  private async lookAtCounters(): Promise<void> {
    const rows = await queryRows<{
      id: string;
      org_id: string;
      state: CampaignState;
      revision: string;
      counts: StateCounts | null;
    }>(
      this.source.manager,
      `select c.id, c.org_id, c.state, c.revision, (select jsonb_object_agg(t.state, t.n) from (
           select n.state, sum(n.n) as n from campaign_counters n where n.campaign_id = c.id group by n.state
           having sum(n.n) <> 0) t) as counts
       from campaigns c
       where c.state not in ('draft', 'aborted', 'completed') or c.state_at > clock_timestamp() - interval '1 minute'
       order by c.state_at desc limit 500`,
    );
    for (const row of rows) {
      this.orgs.set(row.id, row.org_id);
      const counts = row.counts ?? ({} as StateCounts);
      // A pause and its end between two looks leave the state as it was, and somebody may have read what was between.
      const seen = JSON.stringify([row.state, row.revision, counts]);
      if (this.lastSeen.get(row.id) === seen) continue;
      this.lastSeen.set(row.id, seen);
      const more = await readLiveCampaign(this.source.manager, row.id, row.state);
      this.emit(row.org_id, { type: 'campaign', campaignId: row.id, state: row.state, counts, ...more });
    }
    const present = new Set(rows.map((row) => row.id));
    for (const id of this.lastSeen.keys()) {
      if (present.has(id)) continue;
      this.lastSeen.delete(id);
      this.orgs.delete(id);
    }
  }
}
