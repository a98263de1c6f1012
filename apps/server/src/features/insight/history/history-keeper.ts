/** Ticks that keep what pages show over time; on one of the servers, and safe to run twice. */
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { QUEUES, type Queues } from '../../../adapters/queue/queues.js';
import { keepCampaignPoints, thinHistory } from './campaign-points.js';
import { keepFailurePoints, keepFleetVersions } from './fleet-points.js';

const CAMPAIGNS_EVERY_MS = 10_000;
const FLEET_EVERY_MS = 5 * 60_000;

@Injectable()
export class HistoryKeeper implements OnModuleInit {
  constructor(
    private readonly source: DataSource,
    @Inject(QUEUES) private readonly queues: Queues,
  ) {}

  onModuleInit(): void {
    this.queues.define({ name: 'campaign-points', everyMs: CAMPAIGNS_EVERY_MS }, async () => {
      await keepCampaignPoints(this.source.manager);
    });
    this.queues.define({ name: 'fleet-points', everyMs: FLEET_EVERY_MS }, () => this.keepFleet());
  }

  async keepFleet(): Promise<void> {
    await keepFailurePoints(this.source.manager);
    await keepFleetVersions(this.source.manager);
    await thinHistory(this.source);
  }
}
