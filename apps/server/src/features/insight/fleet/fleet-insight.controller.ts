/** What the pages of the fleet show beside the things themselves. */
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  ArtifactsRunning,
  ArtifactsRunningQuery,
  ArtifactUse,
  DeviceConversation,
  DeviceConversationQuery,
  DeviceHistory,
  DeviceNow,
  FilterFields,
  FilterFieldsQuery,
  FilterValues,
  FilterValuesQuery,
  GatewayHealth,
  PageQuery,
  Sha256,
} from '@drydock/contracts';
import { ZodParam, ZodQuery, ZodResponse } from '../../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../../access/actor.js';
import { ConversationService } from './conversation.service.js';
import { DeviceStoryService } from './device-story.service.js';
import { FilterHelpService } from './filter-help.service.js';
import { PlacesService } from './places.service.js';

@ApiTags('insight')
@Controller('api/v1')
export class FleetInsightController {
  constructor(
    private readonly conversations: ConversationService,
    private readonly stories: DeviceStoryService,
    private readonly places: PlacesService,
    private readonly help: FilterHelpService,
  ) {}

  @Get('devices/:id/history')
  @Roles('viewer')
  @ZodResponse(DeviceHistory)
  deviceHistory(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(PageQuery) query: PageQuery,
  ): Promise<DeviceHistory> {
    return this.stories.history(actor.orgId, id, query);
  }

  @Get('devices/:id/now')
  @Roles('viewer')
  @ZodResponse(DeviceNow)
  deviceNow(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<DeviceNow> {
    return this.stories.now(actor.orgId, id);
  }

  @Get('devices/:id/conversation')
  @Roles('viewer')
  @ZodResponse(DeviceConversation)
  deviceConversation(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(DeviceConversationQuery) query: PageQuery,
  ): Promise<DeviceConversation> {
    return this.conversations.page(actor.orgId, id, query);
  }

  @Get('gateways/:id/health')
  @Roles('viewer')
  @ZodResponse(GatewayHealth)
  gatewayHealth(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<GatewayHealth> {
    return this.places.gateway(actor.orgId, id);
  }

  @Get('artifacts/:sha256/use')
  @Roles('viewer')
  @ZodResponse(ArtifactUse)
  artifactUse(@CurrentActor() actor: Actor, @ZodParam('sha256', Sha256) sha256: string): Promise<ArtifactUse> {
    return this.places.artifact(actor.orgId, sha256);
  }

  /** How many devices run each of these artifacts now; ids that are not known are left out. */
  @Get('artifacts-running')
  @Roles('viewer')
  @ZodResponse(ArtifactsRunning)
  async artifactsRunning(
    @CurrentActor() actor: Actor,
    @ZodQuery(ArtifactsRunningQuery) query: ArtifactsRunningQuery,
  ): Promise<ArtifactsRunning> {
    return { items: await this.places.running(actor.orgId, query.ids) };
  }

  @Get('filter/fields')
  @Roles('viewer')
  @ZodResponse(FilterFields)
  filterFields(@ZodQuery(FilterFieldsQuery) query: FilterFieldsQuery): FilterFields {
    return this.help.fields(query.scope);
  }

  @Get('filter/values')
  @Roles('viewer')
  @ZodResponse(FilterValues)
  filterValues(
    @CurrentActor() actor: Actor,
    @ZodQuery(FilterValuesQuery) query: FilterValuesQuery,
  ): Promise<FilterValues> {
    return this.help.values(actor.orgId, query);
  }
}
