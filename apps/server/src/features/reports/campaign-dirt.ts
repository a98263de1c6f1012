/**
 * Marks campaigns dirty after a commit: the tick looks at marked ones. Never inside the transaction of the reports,
 * since a tick holds the campaign's row while it waits for deployments. A mark that is lost in a crash is made good by
 * the campaign's own wake.
 */
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { DispatchEvents } from '../dispatch/dispatch-events.js';

/** Marks of one moment are written together. */
const GATHER_MS = 50;

@Injectable()
export class CampaignDirt implements OnModuleDestroy {
  private readonly log = new Logger('CampaignDirt');
  private readonly waiting = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly source: DataSource,
    private readonly events: DispatchEvents,
  ) {}

  mark(campaignIds: readonly string[]): void {
    if (this.stopped) return;
    for (const id of campaignIds) this.waiting.add(id);
    if (this.waiting.size > 0) this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.flushing;
  }

  private flush(): void {
    this.timer = undefined;
    if (this.flushing) {
      this.timer = setTimeout(() => this.flush(), GATHER_MS);
      return;
    }
    const ids = [...this.waiting].sort();
    this.waiting.clear();
    this.flushing = queryRows(
      this.source.manager,
      `update campaigns set dirty = true where id in (
         select id from campaigns where id = any($1::uuid[]) and not dirty order by id for no key update)`,
      [ids],
    )
      .then(() => this.events.campaignDue())
      .catch((error: unknown) => {
        this.log.warn(`campaigns could not be marked: ${String(error)}`);
        if (!this.stopped) this.mark(ids);
      })
      .finally(() => {
        this.flushing = undefined;
      });
  }
}
