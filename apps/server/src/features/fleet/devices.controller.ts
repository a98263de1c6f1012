import { Controller, Get, HttpCode, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Device,
  DeviceApproval,
  DeviceDetail,
  DevicePatch,
  DeviceQuery,
  FilterPreview,
  FilterPreviewRequest,
  pageOf,
  StrayQuery,
  StraySighting,
} from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { DevicesService } from './devices.service.js';
import { FilterPreviewService } from './filter-preview.service.js';

@ApiTags('fleet')
@Controller('api/v1')
export class DevicesController {
  constructor(
    private readonly devices: DevicesService,
    private readonly previews: FilterPreviewService,
  ) {}

  @Get('devices')
  @Roles('viewer')
  @ZodResponse(pageOf(Device))
  list(@CurrentActor() actor: Actor, @ZodQuery(DeviceQuery) query: DeviceQuery) {
    return this.devices.list(actor, query);
  }

  @Post('devices/filter-preview')
  @Roles('viewer')
  @HttpCode(200)
  @ZodResponse(FilterPreview)
  preview(@CurrentActor() actor: Actor, @ZodBody(FilterPreviewRequest) body: FilterPreviewRequest) {
    return this.previews.preview(actor, body.filter);
  }

  @Get('devices/:id')
  @Roles('viewer')
  @ZodResponse(DeviceDetail)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.devices.get(actor, id);
  }

  @Patch('devices/:id')
  @Roles('operator')
  @ZodResponse(Device)
  patch(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(DevicePatch) body: DevicePatch,
  ) {
    return this.devices.patch(actor, id, expected, body);
  }

  @Post('devices/:id/approve')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(DeviceDetail)
  approve(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(DeviceApproval) body: DeviceApproval,
  ) {
    return this.devices.approve(actor, id, expected, body.site);
  }

  @Get('strays')
  @Roles('viewer')
  @ZodResponse(pageOf(StraySighting))
  strays(@CurrentActor() actor: Actor, @ZodQuery(StrayQuery) query: StrayQuery) {
    return this.devices.strays(actor, query);
  }
}
