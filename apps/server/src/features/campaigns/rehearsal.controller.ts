/** `POST /api/v1/campaigns/{id}/rehearsal`. */
import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Rehearsal, RehearsalRequest } from '@drydock/contracts';
import { ZodBody, ZodParam, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { RehearsalService } from './rehearsal.service.js';

@ApiTags('campaigns')
@Controller('api/v1/campaigns')
export class RehearsalController {
  constructor(private readonly rehearsals: RehearsalService) {}

  @Post(':id/rehearsal')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Rehearsal)
  rehearse(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(RehearsalRequest) body: RehearsalRequest,
  ): Promise<Rehearsal> {
    return this.rehearsals.rehearse(actor, id, body);
  }
}
