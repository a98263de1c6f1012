import { Module } from '@nestjs/common';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { DEPLOYMENT_EVIDENCE } from '../fleet/deployment-evidence.port.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { CampaignDirt } from './campaign-dirt.js';
import { DeploymentEvidenceService } from './deployment-evidence.service.js';
import { ProgressHandler } from './progress.handler.js';
import { ReportCommitter } from './report-committer.js';
import { ReportMetrics } from './report-metrics.js';
import { ReportQueue } from './report-queue.js';
import { ReportsHandler } from './reports.handler.js';
import { StampClock } from './stamp-clock.js';

/** What agents say happened: verified, committed once, acknowledged; results, and what later overturns them. */
@Module({
  imports: [FleetModule, DispatchModule],
  providers: [
    CampaignDirt,
    DeploymentEvidenceService,
    ProgressHandler,
    ReportCommitter,
    ReportMetrics,
    ReportQueue,
    ReportsHandler,
    StampClock,
    { provide: DEPLOYMENT_EVIDENCE, useExisting: DeploymentEvidenceService },
  ],
  exports: [DEPLOYMENT_EVIDENCE, ProgressHandler, ReportMetrics],
})
export class ReportsModule {}
