import { Module } from '@nestjs/common';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { ReportsModule } from '../reports/reports.module.js';
import { EventsController } from './events.controller.js';
import { InsightController } from './insight.controller.js';
import { InsightService } from './insight.service.js';
import { LiveEvents } from './live-events.js';
import { WhyService } from './why.service.js';

/** What people want to know: sums, "why", timelines, live events. */
@Module({
  imports: [DispatchModule, ReportsModule],
  controllers: [EventsController, InsightController],
  providers: [InsightService, LiveEvents, WhyService],
})
export class InsightModule {}
