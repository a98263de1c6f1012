/** `/api/v1/redundancy-groups`. Members are set at the devices (`PATCH devices/{id}`, field `redundancyGroup`). */
import { Controller, Delete, Get, HttpCode, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { PageQuery, pageOf, RedundancyGroup, RedundancyGroupCreate, RedundancyGroupPatch } from '@drydock/contracts';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { RedundancyGroupsService } from './redundancy-groups.service.js';

@ApiTags('fleet')
@Controller('api/v1/redundancy-groups')
export class RedundancyGroupsController {
  constructor(private readonly groups: RedundancyGroupsService) {}

  @Get()
  @Roles('viewer')
  @ZodResponse(pageOf(RedundancyGroup))
  list(@CurrentActor() actor: Actor, @ZodQuery(PageQuery) query: PageQuery) {
    return this.groups.list(actor, query);
  }

  @Post()
  @Roles('operator')
  @ZodResponse(RedundancyGroup, { status: 201 })
  create(@CurrentActor() actor: Actor, @ZodBody(RedundancyGroupCreate) body: RedundancyGroupCreate) {
    return this.groups.create(actor, body);
  }

  @Get(':id')
  @Roles('viewer')
  @ZodResponse(RedundancyGroup)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string) {
    return this.groups.get(actor, id);
  }

  @Patch(':id')
  @Roles('operator')
  @ZodResponse(RedundancyGroup)
  patch(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(RedundancyGroupPatch) body: RedundancyGroupPatch,
  ) {
    return this.groups.patch(actor, id, expected, body);
  }

  @Delete(':id')
  @Roles('operator')
  @HttpCode(204)
  remove(@CurrentActor() actor: Actor, @ZodParam('id') id: string, @IfMatch() expected: number | undefined) {
    return this.groups.remove(actor, id, expected);
  }
}
