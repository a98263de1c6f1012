import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Decommission,
  DeviceDetail,
  DeviceReplacement,
  GatewayDetail,
  GatewayReplacement,
  Site,
} from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { DecommissionService } from './decommission.service.js';
import { DevicesService } from './devices.service.js';
import { GatewaysService } from './gateways.service.js';
import { SitesService } from './sites.service.js';

/** Units that leave, and units that take their place. */
@ApiTags('fleet')
@Controller('api/v1')
export class DecommissionController {
  constructor(
    private readonly leaving: DecommissionService,
    private readonly devices: DevicesService,
    private readonly gateways: GatewaysService,
    private readonly sites: SitesService,
  ) {}

  @Post('devices/:id/decommission')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(DeviceDetail, { description: 'Never a candidate any more; plans for it end.' })
  async decommissionDevice(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(Decommission) body: Decommission,
  ) {
    await this.leaving.device(actor, id, expected, body.note);
    return this.devices.get(actor, id);
  }

  @Post('devices/:id/recommission')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(DeviceDetail)
  async recommissionDevice(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(Decommission) body: Decommission,
  ) {
    await this.leaving.deviceBack(actor, id, expected, body.note);
    return this.devices.get(actor, id);
  }

  @Post('devices/:id/replace')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(DeviceDetail, { description: 'The device that took the place.' })
  async replaceDevice(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(DeviceReplacement) body: DeviceReplacement,
  ) {
    await this.leaving.replaceDevice(actor, id, expected, body);
    return this.devices.get(actor, body.by);
  }

  @Post('gateways/:id/replace')
  @Roles('admin')
  @HttpCode(200)
  @ZodResponse(GatewayDetail, { description: 'The gateway that took the place; the key of the old one is revoked.' })
  async replaceGateway(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(GatewayReplacement) body: GatewayReplacement,
  ) {
    await this.leaving.replaceGateway(actor, id, expected, body);
    return this.gateways.get(actor, body.by);
  }

  @Post('sites/:id/decommission')
  @Roles('admin')
  @HttpCode(200)
  @ZodResponse(Site, { description: 'Its gateways and devices leave with it.' })
  async decommissionSite(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(Decommission) body: Decommission,
  ) {
    await this.leaving.site(actor, id, expected, body.note);
    return this.sites.get(actor, id);
  }
}
