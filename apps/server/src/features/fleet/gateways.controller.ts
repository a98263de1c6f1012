import { Controller, Get, HttpCode, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Gateway, GatewayDecision, GatewayDetail, GatewayPatch, GatewayQuery, pageOf } from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { GatewaysService } from './gateways.service.js';

@ApiTags('fleet')
@Controller('api/v1/gateways')
export class GatewaysController {
  constructor(private readonly gateways: GatewaysService) {}

  @Get()
  @Roles('viewer')
  @ZodResponse(pageOf(Gateway))
  list(@CurrentActor() actor: Actor, @ZodQuery(GatewayQuery) query: GatewayQuery) {
    return this.gateways.list(actor, query);
  }

  @Get(':id')
  @Roles('viewer')
  @ZodResponse(GatewayDetail)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.gateways.get(actor, id);
  }

  @Patch(':id')
  @Roles('operator')
  @ZodResponse(Gateway)
  patch(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(GatewayPatch) body: GatewayPatch,
  ) {
    return this.gateways.patch(actor, id, expected, body);
  }

  @Post(':id/quarantine')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(Gateway, { description: 'Gets no grants any more; what it reports is still taken.' })
  quarantine(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(GatewayDecision) body: GatewayDecision,
  ) {
    return this.gateways.decide(actor, id, expected, 'quarantine', body.note);
  }

  @Post(':id/release')
  @Roles('operator')
  @HttpCode(200)
  @ZodResponse(Gateway)
  release(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(GatewayDecision) body: GatewayDecision,
  ) {
    return this.gateways.decide(actor, id, expected, 'release', body.note);
  }

  @Post(':id/decommission')
  @Roles('admin')
  @HttpCode(200)
  @ZodResponse(Gateway, { description: 'Its key is revoked for ever; it can only be enrolled again.' })
  decommission(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(GatewayDecision) body: GatewayDecision,
  ) {
    return this.gateways.decide(actor, id, expected, 'decommission', body.note);
  }
}
