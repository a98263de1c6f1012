import { Module } from '@nestjs/common';
import { AdvisoriesModule } from '../advisories/advisories.module.js';
import { CampaignsModule } from '../campaigns/campaigns.module.js';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { ReportsModule } from '../reports/reports.module.js';
import { CampaignInsightController } from './campaign/campaign-insight.controller.js';
import { ComparisonService } from './campaign/comparison.service.js';
import { FailureGroupsService } from './campaign/failure-groups.service.js';
import { ForecastService } from './campaign/forecast.service.js';
import { MembersService } from './campaign/members.service.js';
import { PlanHistoryService } from './campaign/plan-history.service.js';
import { PlansService } from './campaign/plans.service.js';
import { SeriesService } from './campaign/series.service.js';
import { EventsController } from './events.controller.js';
import { ExportController } from './export/export.controller.js';
import { ExportService } from './export/export.service.js';
import { ConversationService } from './fleet/conversation.service.js';
import { DeviceStoryService } from './fleet/device-story.service.js';
import { FilterHelpService } from './fleet/filter-help.service.js';
import { FleetInsightController } from './fleet/fleet-insight.controller.js';
import { FleetVersionsService } from './fleet/fleet-versions.service.js';
import { LinkRates } from './fleet/link-rates.js';
import { PlacesService } from './fleet/places.service.js';
import { ProgressKeeper } from './fleet/progress-keeper.js';
import { FleetMetrics } from './fleet-metrics.js';
import { HistoryKeeper } from './history/history-keeper.js';
import { InsightController } from './insight.controller.js';
import { InsightService } from './insight.service.js';
import { LiveEvents } from './live-events.js';
import { OverviewController } from './overview/overview.controller.js';
import { OverviewService } from './overview/overview.service.js';
import { WhyService } from './why.service.js';

/** What people want to know: sums, "why", timelines, forecasts, tables, live events. */
@Module({
  imports: [AdvisoriesModule, CampaignsModule, DispatchModule, FleetModule, ReportsModule],
  controllers: [
    CampaignInsightController,
    EventsController,
    ExportController,
    FleetInsightController,
    InsightController,
    OverviewController,
  ],
  providers: [
    ComparisonService,
    ConversationService,
    DeviceStoryService,
    ExportService,
    FailureGroupsService,
    FilterHelpService,
    FleetMetrics,
    FleetVersionsService,
    ForecastService,
    HistoryKeeper,
    InsightService,
    LinkRates,
    LiveEvents,
    MembersService,
    OverviewService,
    PlacesService,
    PlanHistoryService,
    PlansService,
    ProgressKeeper,
    SeriesService,
    WhyService,
  ],
})
export class InsightModule {}
