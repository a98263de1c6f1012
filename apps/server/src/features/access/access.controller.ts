import { Controller, Delete, Get, HttpCode, Inject, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  ApiTokens,
  ChangePerson,
  CreateApiToken,
  CreatedApiToken,
  CreatePerson,
  Me,
  PeoplePage,
  PeopleQuery,
  Person,
  PersonRole,
  RoleHolders,
} from '@drydock/contracts';
import { SecretAnswer } from '../../http/idempotency.js';
import { IfMatch } from '../../http/revision.js';
import { ZodBody, ZodParam, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { AccessService } from './access.service.js';
import { CurrentActor, Roles, type Actor } from './actor.js';

@ApiTags('access')
@Controller('api/v1')
export class AccessController {
  constructor(@Inject(AccessService) private readonly access: AccessService) {}

  @Get('me')
  @Roles('viewer')
  @ZodResponse(Me)
  me(@CurrentActor() actor: Actor): Promise<Me> {
    return this.access.me(actor);
  }

  @Get('roles/:role/people')
  @Roles('viewer')
  @ZodResponse(RoleHolders)
  holders(@CurrentActor() actor: Actor, @ZodParam('role', PersonRole) role: PersonRole): Promise<RoleHolders> {
    return this.access.holders(actor.orgId, role);
  }

  @Get('people')
  @Roles('admin')
  @ZodResponse(PeoplePage)
  list(@CurrentActor() actor: Actor, @ZodQuery(PeopleQuery) query: PeopleQuery): Promise<PeoplePage> {
    return this.access.people(actor, query);
  }

  @Post('people')
  @Roles('admin')
  @ZodResponse(Person, { status: 201 })
  create(@CurrentActor() actor: Actor, @ZodBody(CreatePerson) body: CreatePerson): Promise<Person> {
    return this.access.create(actor, body);
  }

  @Get('people/:id')
  @Roles('admin')
  @ZodResponse(Person)
  get(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<Person> {
    return this.access.get(actor, id);
  }

  @Patch('people/:id')
  @Roles('admin')
  @ZodResponse(Person)
  change(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @IfMatch() expected: number | undefined,
    @ZodBody(ChangePerson) body: ChangePerson,
  ): Promise<Person> {
    return this.access.change(actor, id, body, expected);
  }

  /** One's own, or anybody's for an admin: the service looks. */
  @Get('people/:id/tokens')
  @Roles('viewer')
  @ZodResponse(ApiTokens)
  tokens(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<ApiTokens> {
    return this.access.tokens(actor, id);
  }

  @Post('people/:id/tokens')
  @Roles('viewer')
  @SecretAnswer()
  @ZodResponse(CreatedApiToken, { status: 201 })
  createToken(
    @CurrentActor() actor: Actor,
    @ZodParam('id') id: string,
    @ZodBody(CreateApiToken) body: CreateApiToken,
  ): Promise<CreatedApiToken> {
    return this.access.createToken(actor, id, body);
  }

  @Delete('tokens/:id')
  @Roles('viewer')
  @HttpCode(204)
  revoke(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<void> {
    return this.access.revokeToken(actor, id);
  }
}
