/** `/api/v1/campaigns`. */
import { Controller, Get, HttpCode, Post, Put, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  AbortCampaign,
  Approve,
  BrakeBody,
  Campaign,
  CampaignDraft,
  CampaignPage,
  CampaignPreview,
  CampaignQuery,
  CancelDeployment,
  ChangePace,
  CompleteCampaign,
  Decline,
  Deployment,
  DeploymentPage,
  DeploymentQuery,
  LetGoOn,
  PauseAnswer,
  ResumeCampaign,
  RollBack,
  StartCampaign,
  StopCampaign,
} from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { PathNumber, ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { CampaignReader } from './campaign-reader.js';
import { DeploymentReader } from './deployment-reader.js';
import { CampaignControlService } from './campaign-control.service.js';
import { CampaignsService } from './campaigns.service.js';

const LONGEST_START_MS = 600_000;

@ApiTags('campaigns')
@Controller('api/v1/campaigns')
export class CampaignsController {
  constructor(
    private readonly campaigns: CampaignsService,
    private readonly control: CampaignControlService,
    private readonly reader: CampaignReader,
    private readonly members: DeploymentReader,
  ) {}

  @Post()
  @Roles('operator')
  @ZodResponse(Campaign, { status: 201 })
  create(@CurrentActor() actor: Actor, @ZodBody(CampaignDraft) draft: CampaignDraft): Promise<Campaign> {
    return this.campaigns.create(actor, draft);
  }

  /** Who would be a member now. */
  @Post('preview')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(CampaignPreview)
  preview(@CurrentActor() actor: Actor, @ZodBody(CampaignDraft) draft: CampaignDraft): Promise<CampaignPreview> {
    return this.campaigns.preview(actor, draft);
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

  @Put(':id/pace')
  @Roles('operator')
  @ZodResponse(Campaign)
  changePace(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(ChangePace) body: ChangePace,
  ): Promise<Campaign> {
    return this.control.changePace(actor, id, body, expected);
  }

  /** The body may be left out: a start needs no reason. */
  @Post(':id/start')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  start(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(StartCampaign.prefault({})) body: StartCampaign,
    @Req() request: { setTimeout(ms: number): unknown },
  ): Promise<Campaign> {
    // A million members take a while, and nothing is said meanwhile: the connection must not count as dead.
    request.setTimeout(LONGEST_START_MS);
    return this.campaigns.start(actor, id, body.reason);
  }

  @Post(':id/approve')
  @HttpCode(200)
  @Roles('approver')
  @ZodResponse(Campaign)
  approve(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(Approve.prefault({})) body: Approve,
  ): Promise<Campaign> {
    return this.campaigns.approve(actor, id, body);
  }

  @Post(':id/decline')
  @HttpCode(200)
  @Roles('approver')
  @ZodResponse(Campaign)
  decline(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(Decline) body: Decline,
  ): Promise<Campaign> {
    return this.campaigns.decline(actor, id, body);
  }

  /** A new draft for the devices that this campaign updated, with what they ran before. */
  @Post(':id/rollback')
  @Roles('operator')
  @ZodResponse(Campaign, { status: 201 })
  rollBack(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(RollBack) body: RollBack,
  ): Promise<Campaign> {
    return this.campaigns.rollBack(actor, id, body);
  }

  @Post(':id/withdraw')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  withdraw(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(StopCampaign) body: StopCampaign,
  ): Promise<Campaign> {
    return this.campaigns.withdraw(actor, id, body.reason);
  }

  @Post(':id/stages/:index/approve')
  @HttpCode(200)
  @Roles('approver')
  @ZodResponse(Campaign)
  approveStage(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('index', PathNumber) index: number,
    @ZodBody(Approve.prefault({})) body: Approve,
  ): Promise<Campaign> {
    return this.control.approveStage(actor, id, index, body.reason);
  }

  @Post(':id/quarantines/:quarantine/lift')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  lift(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('quarantine') quarantineId: string,
    @ZodBody(LetGoOn) body: LetGoOn,
  ): Promise<Campaign> {
    return this.control.liftQuarantine(actor, id, quarantineId, body.reason);
  }

  @Post(':id/strata/:index/release')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  release(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('index', PathNumber) index: number,
    @ZodBody(LetGoOn) body: LetGoOn,
  ): Promise<Campaign> {
    return this.control.releaseStratum(actor, id, index, body.reason);
  }

  /** The brake's tests, their evidence, and the staircase at which each would ring. */
  @Get(':id/brake')
  @Roles('viewer')
  @ZodResponse(BrakeBody)
  brake(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<BrakeBody> {
    return this.reader.brake(actor.orgId, id);
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
    return this.control.stop(actor, id, 'paused', body.reason);
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
    return this.control.stop(actor, id, 'halted', body.reason);
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
    return this.control.abort(actor, id, body);
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
    return this.control.resume(actor, id, body);
  }

  /** Ends a campaign of membership `dynamic`, which otherwise stays open for devices that match later. */
  @Post(':id/complete')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Campaign)
  complete(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(CompleteCampaign) body: CompleteCampaign,
  ): Promise<Campaign> {
    return this.control.complete(actor, id, body.reason);
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
    return this.members.deployments(actor.orgId, id, query);
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
    return this.control.cancelDeployment(actor, id, deviceId, body);
  }
}

/** Pages of campaigns are named by their names, which are unique. */
@ApiTags('campaigns')
@Controller('api/v1/campaigns-by-name')
export class CampaignNamesController {
  constructor(private readonly reader: CampaignReader) {}

  @Get(':name')
  @Roles('viewer')
  @ZodResponse(Campaign)
  byName(@CurrentActor() actor: Actor, @ZodParam('name', CampaignDraft.shape.name) name: string): Promise<Campaign> {
    return this.reader.byName(actor.orgId, name);
  }
}
