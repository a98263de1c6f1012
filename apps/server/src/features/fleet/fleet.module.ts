import { Module } from '@nestjs/common';
import { GATEWAY_AUTHORITY } from '../../adapters/mqtt/gateway-authority.port.js';
import { AgentController } from './agent.controller.js';
import { BrokerAccessService } from './broker-access.js';
import { CampaignMarker } from './campaign-marker.js';
import { DecommissionController } from './decommission.controller.js';
import { DecommissionService } from './decommission.service.js';
import { DeviceSightings } from './device-sightings.js';
import { DevicesController } from './devices.controller.js';
import { DevicesService } from './devices.service.js';
import { EnrolmentService } from './enrolment.service.js';
import { FilterPreviewService } from './filter-preview.service.js';
import { FleetEvents } from './fleet-events.js';
import { GatewayKeys } from './gateway-keys.js';
import { GatewayLives } from './gateway-lives.js';
import { GatewayQueue } from './gateway-queue.js';
import { GatewaysController } from './gateways.controller.js';
import { GatewaysService } from './gateways.service.js';
import { InventoryHandler } from './inventory.handler.js';
import { LoginService } from './login.service.js';
import { MessageCheck } from './message-check.js';
import { ModelsService } from './models.service.js';
import { PresenceHandler } from './presence.handler.js';
import { RedundancyGroupsController } from './redundancy-groups.controller.js';
import { RedundancyGroupsService } from './redundancy-groups.service.js';
import { SitesController } from './sites.controller.js';
import { SitesService } from './sites.service.js';
import { StraySightings } from './stray-sightings.js';

/** Gateways, sites, models, devices: who is there, who may speak for what, and what runs. */
@Module({
  controllers: [
    AgentController,
    DecommissionController,
    DevicesController,
    GatewaysController,
    RedundancyGroupsController,
    SitesController,
  ],
  providers: [
    BrokerAccessService,
    CampaignMarker,
    DecommissionService,
    DeviceSightings,
    DevicesService,
    EnrolmentService,
    FilterPreviewService,
    FleetEvents,
    GatewayKeys,
    GatewayLives,
    GatewayQueue,
    GatewaysService,
    InventoryHandler,
    LoginService,
    MessageCheck,
    ModelsService,
    PresenceHandler,
    RedundancyGroupsService,
    SitesService,
    StraySightings,
    { provide: GATEWAY_AUTHORITY, useExisting: LoginService },
  ],
  exports: [CampaignMarker, DevicesService, FleetEvents, GATEWAY_AUTHORITY, GatewayKeys, LoginService, MessageCheck],
})
export class FleetModule {}
