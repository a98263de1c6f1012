import { Controller, Delete, Get, HttpCode, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  Advisory,
  AdvisoryDraft,
  AdvisoryQuery,
  Exposure,
  ExposedDevice,
  ExposureDeviceQuery,
  ExposureHistoryQuery,
  ExposureQuery,
  ExposureSample,
  pageOf,
} from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { AdvisoriesService } from './advisories.service.js';
import { ExposureService } from './exposure.service.js';

@ApiTags('advisories')
@Controller('api/v1/advisories')
export class AdvisoriesController {
  constructor(private readonly advisories: AdvisoriesService) {}

  @Get()
  @Roles('viewer')
  @ZodResponse(pageOf(Advisory))
  list(@CurrentActor() actor: Actor, @ZodQuery(AdvisoryQuery) query: AdvisoryQuery) {
    return this.advisories.list(actor, query);
  }

  @Post()
  @Roles('approver')
  @ZodResponse(Advisory, { status: 201 })
  create(@CurrentActor() actor: Actor, @ZodBody(AdvisoryDraft) body: AdvisoryDraft) {
    return this.advisories.create(actor, body);
  }

  @Get(':id')
  @Roles('viewer')
  @ZodResponse(Advisory)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.advisories.get(actor, id);
  }

  @Put(':id')
  @Roles('approver')
  @ZodResponse(Advisory)
  replace(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(AdvisoryDraft) body: AdvisoryDraft,
  ) {
    return this.advisories.replace(actor, id, expected, body);
  }

  @Post(':id/close')
  @Roles('approver')
  @HttpCode(200)
  @ZodResponse(Advisory, { description: 'No longer counted over time.' })
  close(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.advisories.move(actor, id, expected, 'closed');
  }

  @Post(':id/reopen')
  @Roles('approver')
  @HttpCode(200)
  @ZodResponse(Advisory)
  reopen(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.advisories.move(actor, id, expected, 'open');
  }

  @Delete(':id')
  @Roles('admin')
  @HttpCode(204)
  remove(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.advisories.remove(actor, id, expected);
  }
}

@ApiTags('advisories')
@Controller('api/v1/exposure')
export class ExposureController {
  constructor(private readonly exposures: ExposureService) {}

  @Get()
  @Roles('viewer')
  @ZodResponse(Exposure, { description: 'Unknown versions are counted apart, never as safe.' })
  now(@CurrentActor() actor: Actor, @ZodQuery(ExposureQuery) query: ExposureQuery) {
    return this.exposures.exposure(actor, query.advisory);
  }

  @Get('devices')
  @Roles('viewer')
  @ZodResponse(pageOf(ExposedDevice))
  devices(@CurrentActor() actor: Actor, @ZodQuery(ExposureDeviceQuery) query: ExposureDeviceQuery) {
    return this.exposures.devices(actor, query);
  }

  @Get('history')
  @Roles('viewer')
  @ZodResponse(pageOf(ExposureSample))
  history(@CurrentActor() actor: Actor, @ZodQuery(ExposureHistoryQuery) query: ExposureHistoryQuery) {
    return this.exposures.history(actor, query);
  }
}
