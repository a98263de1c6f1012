import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { ApprovalList, FleetVersions, FleetVersionsQuery, Overview } from '@drydock/contracts';
import { ZodQuery, ZodResponse } from '../../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../../access/actor.js';
import { PlansService } from '../campaign/plans.service.js';
import { FleetVersionsService } from '../fleet/fleet-versions.service.js';
import { OverviewService } from './overview.service.js';

@ApiTags('insight')
@Controller('api/v1')
export class OverviewController {
  constructor(
    private readonly overviews: OverviewService,
    private readonly plans: PlansService,
    private readonly versions: FleetVersionsService,
  ) {}

  @Get('overview')
  @Roles('viewer')
  @ZodResponse(Overview)
  overview(@CurrentActor() actor: Actor): Promise<Overview> {
    return this.overviews.overview(actor.orgId);
  }

  @Get('approvals')
  @Roles('viewer')
  @ZodResponse(ApprovalList)
  approvals(@CurrentActor() actor: Actor): Promise<ApprovalList> {
    return this.plans.approvals(actor);
  }

  @Get('fleet/versions')
  @Roles('viewer')
  @ZodResponse(FleetVersions)
  fleetVersions(
    @CurrentActor() actor: Actor,
    @ZodQuery(FleetVersionsQuery) query: FleetVersionsQuery,
  ): Promise<FleetVersions> {
    return this.versions.versions(actor.orgId, query);
  }
}
