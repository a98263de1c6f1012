import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RestoreDeclaration, RestoreDeclared } from '@drydock/contracts';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { ZodBody, ZodResponse } from '../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../access/actor.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import { RestoreNotice } from '../dispatch/restore-notice.js';

@ApiTags('system')
@Controller('api/v1/system')
export class SystemController {
  constructor(
    private readonly source: DataSource,
    private readonly notice: RestoreNotice,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** For a database that was put back by other means than `npm run restore`. */
  @Post('restore-declared')
  @Roles('admin')
  @HttpCode(200)
  @ZodResponse(RestoreDeclared, { description: 'The reign is raised and every campaign is paused.' })
  async declare(
    @CurrentActor() actor: Actor,
    @ZodBody(RestoreDeclaration) body: RestoreDeclaration,
  ): Promise<RestoreDeclared> {
    const [before] = await queryRows<{ reign: string }>(this.source.manager, 'select reign from installation');
    // First, so that the trail names the person even if what follows is cut off.
    await this.audit.record(this.source.manager, {
      orgId: actor.orgId,
      actor,
      action: 'installation.restore-declared',
      params: { reason: body.reason, reign: Number(before!.reign) },
    });
    const reign = await this.notice.raise(Number(before!.reign), `declared by ${actor.name}`);
    const [after] = await queryRows<{ settling_until: Date | null }>(
      this.source.manager,
      'select settling_until from installation',
    );
    return { reign, settlingUntil: after?.settling_until?.toISOString() ?? null };
  }
}
