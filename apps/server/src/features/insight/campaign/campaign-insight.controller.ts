/** `/api/v1/campaigns/{id}`: what the page of a campaign shows beside the campaign itself. */
import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  CampaignForecast,
  CampaignSeries,
  CompareQuery,
  DiffQuery,
  DiffRequest,
  FailureGroupQuery,
  FailureGroups,
  GroupComparison,
  MemberPage,
  MemberQuery,
  PlanChanges,
  PlanVersions,
  PolicyDiff,
  SeriesQuery,
  StoredPlan,
  WaitingReasons,
} from '@drydock/contracts';
import { PathNumber, ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../../http/zod-params.js';
import { CurrentActor, Roles, type Actor } from '../../access/actor.js';
import { ComparisonService } from './comparison.service.js';
import { FailureGroupsService } from './failure-groups.service.js';
import { ForecastService } from './forecast.service.js';
import { MembersService } from './members.service.js';
import { PlanHistoryService } from './plan-history.service.js';
import { PlansService } from './plans.service.js';
import { SeriesService } from './series.service.js';

@ApiTags('insight')
@Controller('api/v1/campaigns')
export class CampaignInsightController {
  constructor(
    private readonly memberPages: MembersService,
    private readonly seriesOf: SeriesService,
    private readonly failureGroups: FailureGroupsService,
    private readonly forecasts: ForecastService,
    private readonly plans: PlansService,
    private readonly history: PlanHistoryService,
    private readonly comparisons: ComparisonService,
  ) {}

  @Get(':id/members')
  @Roles('viewer')
  @ZodResponse(MemberPage)
  members(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(MemberQuery) query: MemberQuery,
  ): Promise<MemberPage> {
    return this.memberPages.page(actor.orgId, id, query);
  }

  @Get(':id/waiting')
  @Roles('viewer')
  @ZodResponse(WaitingReasons)
  waiting(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<WaitingReasons> {
    return this.memberPages.waiting(actor.orgId, id);
  }

  @Get(':id/series')
  @Roles('viewer')
  @ZodResponse(CampaignSeries)
  series(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(SeriesQuery) query: SeriesQuery,
  ): Promise<CampaignSeries> {
    return this.seriesOf.series(actor.orgId, id, query.points);
  }

  @Get(':id/failures/groups')
  @Roles('viewer')
  @ZodResponse(FailureGroups)
  groups(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(FailureGroupQuery) query: FailureGroupQuery,
  ): Promise<FailureGroups> {
    return this.failureGroups.groups(actor.orgId, id, query);
  }

  /** Any two groups: known, failed, and whether they credibly differ. */
  @Get(':id/compare')
  @Roles('viewer')
  @ZodResponse(GroupComparison)
  compare(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(CompareQuery) query: CompareQuery,
  ): Promise<GroupComparison> {
    return this.comparisons.compare(actor.orgId, id, query);
  }

  @Get(':id/plans')
  @Roles('viewer')
  @ZodResponse(PlanVersions)
  versions(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<PlanVersions> {
    return this.history.versions(actor.orgId, id);
  }

  @Get(':id/plans/:version')
  @Roles('viewer')
  @ZodResponse(StoredPlan)
  version(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('version', PathNumber) version: number,
  ): Promise<StoredPlan> {
    return this.history.version(actor.orgId, id, version);
  }

  /** What differs now from that version. */
  @Get(':id/plans/:version/changes')
  @Roles('viewer')
  @ZodResponse(PlanChanges)
  changes(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodParam('version', PathNumber) version: number,
  ): Promise<PlanChanges> {
    return this.history.changes(actor.orgId, id, version);
  }

  @Get(':id/forecast')
  @Roles('viewer')
  @ZodResponse(CampaignForecast)
  forecast(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<CampaignForecast> {
    return this.forecasts.forecast(actor.orgId, id);
  }

  @Get(':id/diff')
  @Roles('viewer')
  @ZodResponse(PolicyDiff)
  diff(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodQuery(DiffQuery) query: DiffQuery,
  ): Promise<PolicyDiff> {
    return this.plans.diff(actor.orgId, id, query.against);
  }

  /** Of a draft that is not stored. */
  @Post('diff')
  @HttpCode(200)
  @Roles('operator')
  @ZodResponse(PolicyDiff)
  diffDraft(@CurrentActor() actor: Actor, @ZodBody(DiffRequest) body: DiffRequest): Promise<PolicyDiff> {
    return this.plans.diffDraft(actor.orgId, body.draft, body.against);
  }
}
