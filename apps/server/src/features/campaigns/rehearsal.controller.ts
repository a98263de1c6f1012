/** `POST /api/v1/campaigns/{id}/rehearsal`. */
import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { DraftRehearsalRequest, Rehearsal, RehearsalRequest } from '@drydock/contracts';
import { ZodBody, ZodParam, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { RehearsalService } from './rehearsal.service.js';

/** A large campaign on a machine that is busy. */
const LONGEST_MS = 600_000;

@ApiTags('campaigns')
@Controller('api/v1/campaigns')
export class RehearsalController {
  constructor(private readonly rehearsals: RehearsalService) {}

  /** Of a draft that is not kept. */
  @Post('rehearsal')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(Rehearsal)
  rehearseDraft(
    @CurrentActor() actor: Actor,
    @ZodBody(DraftRehearsalRequest) body: DraftRehearsalRequest,
    @Req() request: { setTimeout(ms: number): unknown },
  ): Promise<Rehearsal> {
    request.setTimeout(LONGEST_MS);
    const { draft, ...rest } = body;
    return this.rehearsals.rehearse(actor, draft, rest);
  }

  @Post(':id/rehearsal')
  @HttpCode(200)
  @Roles('operator', 'approver')
  @ZodResponse(Rehearsal)
  rehearse(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(RehearsalRequest) body: RehearsalRequest,
    @Req() request: { setTimeout(ms: number): unknown },
  ): Promise<Rehearsal> {
    // Nothing is said while it is played: the connection must not count as dead.
    request.setTimeout(LONGEST_MS);
    return this.rehearsals.rehearse(actor, id, body);
  }
}
