/** `/api/v1`: sums, "why", timelines. */
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { DataSource } from 'typeorm';
import {
  DecisionPage,
  DecisionQuery,
  DeploymentWhy,
  DeviceWhy,
  FailureCounts,
  PageQuery,
  Recount,
  WhyPage,
} from '@drydock/contracts';
import { ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { InsightService } from './insight.service.js';
import { recount } from './recount.js';
import { WhyService } from './why.service.js';

@ApiTags('insight')
@Controller('api/v1')
export class InsightController {
  constructor(
    private readonly source: DataSource,
    private readonly insight: InsightService,
    private readonly why: WhyService,
  ) {}

  @Get('devices/:id/why')
  @Roles('viewer')
  @ZodResponse(DeviceWhy)
  deviceWhy(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<DeviceWhy> {
    return this.why.device(actor.orgId, id);
  }

  @Get('campaigns/:id/why')
  @Roles('viewer')
  @ZodResponse(WhyPage)
  async campaignWhy(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(PageQuery) query: PageQuery,
  ): Promise<WhyPage> {
    await this.insight.expectCampaign(actor.orgId, id);
    return this.why.campaign(actor.orgId, id, query);
  }

  @Get('campaigns/:id/devices/:device/why')
  @Roles('viewer')
  @ZodResponse(DeploymentWhy)
  memberWhy(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('device') deviceId: string,
  ): Promise<DeploymentWhy> {
    return this.why.member(actor.orgId, id, deviceId);
  }

  @Get('campaigns/:id/decisions')
  @Roles('viewer')
  @ZodResponse(DecisionPage)
  decisions(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(DecisionQuery) query: DecisionQuery,
  ): Promise<DecisionPage> {
    return this.insight.decisions(actor.orgId, id, query);
  }

  @Get('campaigns/:id/failures')
  @Roles('viewer')
  @ZodResponse(FailureCounts)
  failures(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<FailureCounts> {
    return this.insight.failures(actor.orgId, id);
  }

  @Get('campaigns/:id/recount')
  @Roles('admin')
  @ZodResponse(Recount)
  async recount(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<Recount> {
    await this.insight.expectCampaign(actor.orgId, id);
    return recount(this.source.manager, id);
  }
}
