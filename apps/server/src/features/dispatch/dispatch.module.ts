import { Module } from '@nestjs/common';
import { FleetModule } from '../fleet/fleet.module.js';
import { CampaignEngine } from './campaign-engine.js';
import { CampaignTicker } from './campaign-ticker.js';
import { DispatchEvents } from './dispatch-events.js';
import { DispatchMetrics } from './dispatch-metrics.js';
import { OrderPublisher } from './order-publisher.js';
import { RestoreNotice } from './restore-notice.js';

/** What gateways shall do: the engine's ticks, grants, and orders until they are held. */
@Module({
  imports: [FleetModule],
  providers: [CampaignEngine, CampaignTicker, DispatchEvents, DispatchMetrics, OrderPublisher, RestoreNotice],
  exports: [CampaignEngine, DispatchEvents, RestoreNotice],
})
export class DispatchModule {}
