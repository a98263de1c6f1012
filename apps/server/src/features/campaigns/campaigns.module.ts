import { Module } from '@nestjs/common';
import { DispatchModule } from '../dispatch/dispatch.module.js';
import { FleetModule } from '../fleet/fleet.module.js';
import { ApprovalExpiry } from './approval-expiry.js';
import { CampaignControlService } from './campaign-control.service.js';
import { CampaignReader } from './campaign-reader.js';
import { DeploymentReader } from './deployment-reader.js';
import { CampaignNamesController, CampaignsController } from './campaigns.controller.js';
import { CampaignsService } from './campaigns.service.js';
import { MembershipRefresher } from './membership-refresher.js';
import { RehearsalController } from './rehearsal.controller.js';
import { RehearsalService } from './rehearsal.service.js';

/** The intent: this artifact, these devices, this policy; and what people do with it. */
@Module({
  imports: [DispatchModule, FleetModule],
  controllers: [CampaignNamesController, CampaignsController, RehearsalController],
  providers: [
    CampaignReader,
    CampaignsService,
    ApprovalExpiry,
    CampaignControlService,
    DeploymentReader,
    MembershipRefresher,
    RehearsalService,
  ],
  exports: [ApprovalExpiry, CampaignReader, RehearsalService],
})
export class CampaignsModule {}
