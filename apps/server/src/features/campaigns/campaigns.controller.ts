/** `/api/v1/campaigns`. */
import { Body, Controller, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  AbortCampaign,
  Campaign,
  CampaignDraft,
  CampaignPage,
  CampaignQuery,
  CancelDeployment,
  Deployment,
  DeploymentPage,
  DeploymentQuery,
  PauseAnswer,
  ResumeCampaign,
  StartCampaign,
  StopCampaign,
} from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodPipe, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { CampaignReader } from './campaign-reader.js';
import { CampaignsService } from './campaigns.service.js';

@ApiTags('campaigns')
@Controller('api/v1/campaigns')
export class CampaignsController {
  constructor(
    private readonly campaigns: CampaignsService,
    private readonly reader: CampaignReader,
  ) {}

  @Post()
  @Roles('operator')
  @ZodResponse(Campaign, { status: 201 })
  create(@CurrentActor() actor: Actor, @ZodBody(CampaignDraft) draft: CampaignDraft): Promise<Campaign> {
    return this.campaigns.create(actor, draft);
  }

  @Get()
  @Roles('viewer')
  @ZodResponse(CampaignPage)
  page(@CurrentActor() actor: Actor, @ZodQuery(CampaignQuery) query: CampaignQuery): Promise<CampaignPage> {
    return this.reader.page(actor.orgId, query);
  }

  @Get(':id')
  @Roles('viewer')
  @ZodResponse(Campaign)
  one(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<Campaign> {
    return this.reader.one(actor.orgId, id);
  }

  @Put(':id')
  @Roles('operator')
  @ZodResponse(Campaign)
  update(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(CampaignDraft) draft: CampaignDraft,
  ): Promise<Campaign> {
    return this.campaigns.update(actor, id, draft, expected);
  }

  /** The body may be left out: a start needs no reason. */
  @Post(':id/start')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  start(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @Body(new ZodPipe(StartCampaign.prefault({}), 'body')) body: StartCampaign,
  ): Promise<Campaign> {
    return this.campaigns.start(actor, id, body.reason);
  }

  @Post(':id/pause')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(PauseAnswer)
  pause(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(StopCampaign) body: StopCampaign,
  ): Promise<PauseAnswer> {
    return this.campaigns.stop(actor, id, 'paused', body.reason);
  }

  @Post(':id/halt')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(PauseAnswer)
  halt(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(StopCampaign) body: StopCampaign,
  ): Promise<PauseAnswer> {
    return this.campaigns.stop(actor, id, 'halted', body.reason);
  }

  @Post(':id/abort')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(PauseAnswer)
  abort(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(AbortCampaign) body: AbortCampaign,
  ): Promise<PauseAnswer> {
    return this.campaigns.abort(actor, id, body);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  resume(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(ResumeCampaign) body: ResumeCampaign,
  ): Promise<Campaign> {
    return this.campaigns.resume(actor, id, body.reason);
  }

  @Get(':id/exposure')
  @Roles('viewer')
  @ZodResponse(PauseAnswer)
  exposure(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<PauseAnswer> {
    return this.reader.exposure(actor.orgId, id);
  }

  @Get(':id/deployments')
  @Roles('viewer')
  @ZodResponse(DeploymentPage)
  deployments(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(DeploymentQuery) query: DeploymentQuery,
  ): Promise<DeploymentPage> {
    return this.reader.deployments(actor.orgId, id, query);
  }

  @Post(':id/devices/:device/cancel')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Deployment)
  cancel(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('device') deviceId: string,
    @ZodBody(CancelDeployment) body: CancelDeployment,
  ): Promise<Deployment> {
    return this.campaigns.cancelDeployment(actor, id, deviceId, body);
  }
}
