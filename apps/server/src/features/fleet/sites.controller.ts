import { Controller, Delete, Get, HttpCode, Patch, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  EnrolmentToken,
  EnrolmentTokenCreate,
  EnrolmentTokenCreated,
  EnrolmentTokenQuery,
  Model,
  ModelCreate,
  ModelName,
  ModelPatch,
  PageQuery,
  pageOf,
  Site,
  SiteCreate,
  SiteDeviceList,
  SitePatch,
} from '@drydock/contracts';
import { SecretAnswer } from '../../http/idempotency.js';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { EnrolmentService } from './enrolment.service.js';
import { ModelsService } from './models.service.js';
import { SitesService } from './sites.service.js';

/** What has to be there before gateways and devices come: sites, models, enrolment tokens. */
@ApiTags('fleet')
@Controller('api/v1')
export class SitesController {
  constructor(
    private readonly sites: SitesService,
    private readonly models: ModelsService,
    private readonly enrolment: EnrolmentService,
  ) {}

  @Get('sites')
  @Roles('viewer')
  @ZodResponse(pageOf(Site))
  listSites(@CurrentActor() actor: Actor, @ZodQuery(PageQuery) query: PageQuery) {
    return this.sites.list(actor, query);
  }

  @Post('sites')
  @Roles('operator')
  @ZodResponse(Site, { status: 201 })
  createSite(@CurrentActor() actor: Actor, @ZodBody(SiteCreate) body: SiteCreate) {
    return this.sites.create(actor, body);
  }

  @Get('sites/:id')
  @Roles('viewer')
  @ZodResponse(Site)
  getSite(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.sites.get(actor, id);
  }

  @Patch('sites/:id')
  @Roles('operator')
  @ZodResponse(Site)
  patchSite(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(SitePatch) body: SitePatch,
  ) {
    return this.sites.patch(actor, id, expected, body);
  }

  @Get('sites/:id/devices')
  @Roles('viewer')
  @ZodResponse(SiteDeviceList, { description: 'The device list of the site (claim mode `list`).' })
  getSiteDevices(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.sites.devices(actor, id);
  }

  @Put('sites/:id/devices')
  @Roles('operator')
  @ZodResponse(SiteDeviceList)
  setSiteDevices(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(SiteDeviceList) body: SiteDeviceList,
  ) {
    return this.sites.setDevices(actor, id, expected, body);
  }

  @Get('models')
  @Roles('viewer')
  @ZodResponse(pageOf(Model))
  listModels(@CurrentActor() actor: Actor, @ZodQuery(PageQuery) query: PageQuery) {
    return this.models.list(actor, query);
  }

  /** Admins only, as release keys decide what may ever run on the hardware. */
  @Post('models')
  @Roles('admin')
  @ZodResponse(Model, { status: 201 })
  createModel(@CurrentActor() actor: Actor, @ZodBody(ModelCreate) body: ModelCreate) {
    return this.models.create(actor, body);
  }

  @Get('models/:name')
  @Roles('viewer')
  @ZodResponse(Model)
  getModel(@CurrentActor() actor: Actor, @ZodParam('name', ModelName) name: string) {
    return this.models.get(actor, name);
  }

  @Patch('models/:name')
  @Roles('admin')
  @ZodResponse(Model)
  patchModel(
    @CurrentActor() actor: Actor,
    @ZodParam('name', ModelName) name: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(ModelPatch) body: ModelPatch,
  ) {
    return this.models.patch(actor, name, expected, body);
  }

  @Get('enrolment-tokens')
  @Roles('operator')
  @ZodResponse(pageOf(EnrolmentToken))
  listTokens(@CurrentActor() actor: Actor, @ZodQuery(EnrolmentTokenQuery) query: EnrolmentTokenQuery) {
    return this.enrolment.listTokens(actor, query);
  }

  @Post('enrolment-tokens')
  @Roles('operator')
  @SecretAnswer()
  @ZodResponse(EnrolmentTokenCreated, { status: 201 })
  createToken(@CurrentActor() actor: Actor, @ZodBody(EnrolmentTokenCreate) body: EnrolmentTokenCreate) {
    return this.enrolment.createToken(actor, body.site, body.validForSeconds);
  }

  @Delete('enrolment-tokens/:id')
  @Roles('operator')
  @HttpCode(204)
  revokeToken(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<void> {
    return this.enrolment.revokeToken(actor, id);
  }
}
