import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { AuditPage, AuditQuery } from '@drydock/contracts';
import { ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { AuditReader } from './audit-reader.js';

@ApiTags('audit')
@Controller('api/v1/audit')
export class AuditController {
  constructor(private readonly audits: AuditReader) {}

  @Get()
  @Roles('viewer')
  @ZodResponse(AuditPage)
  list(@CurrentActor() actor: Actor, @ZodQuery(AuditQuery) query: AuditQuery): Promise<AuditPage> {
    return this.audits.page(actor.orgId, query);
  }
}
