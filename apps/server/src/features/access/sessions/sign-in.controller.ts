/** Sessions of browsers: sign in, look, sign out. */
import { Controller, Delete, Get, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { OwnSession, SessionRows, SignInMethods, SignInWith } from '@drydock/contracts';
import type { Response } from 'express';
import { ProblemError } from '../../../http/problem-error.js';
import type { RequestWithId } from '../../../http/request-context.js';
import { ZodBody, ZodParam, ZodResponse } from '../../../http/zod-params.js';
import { CurrentActor, Public, Roles, type Actor } from '../actor.js';
import { SignIn } from '../sign-in.js';
import { BrowserSignIn } from './browser-sign-in.service.js';
import { browserOf } from './browser-facts.js';
import { SameOrigin } from './same-origin.js';
import { SessionCookies } from './session-cookies.js';
import { SessionsService } from './sessions.service.js';

@ApiTags('access')
@Controller('api/v1')
export class SignInController {
  constructor(
    @Inject(BrowserSignIn) private readonly browserSignIn: BrowserSignIn,
    @Inject(SessionsService) private readonly sessions: SessionsService,
    @Inject(SessionCookies) private readonly cookies: SessionCookies,
    @Inject(SameOrigin) private readonly sameOrigin: SameOrigin,
    @Inject(SignIn) private readonly signIn: SignIn,
  ) {}

  /** For anybody: the sign-in page asks before there is somebody. */
  @Get('session/methods')
  @Public()
  @ZodResponse(SignInMethods)
  methods(): SignInMethods {
    return this.browserSignIn.methods();
  }

  /** For anybody: this is where one becomes somebody. */
  @Post('session')
  @Public()
  @ZodResponse(OwnSession, { status: 201 })
  async open(
    @ZodBody(SignInWith) body: SignInWith,
    @Req() request: RequestWithId,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OwnSession> {
    this.sameOrigin.checkOrigin(request);
    const secret = await this.browserSignIn.open(body, browserOf(request));
    const actor = await this.signIn.ofSession(secret, browserOf(request));
    this.cookies.give(response, secret);
    return this.sessions.own(actor, secret);
  }

  @Get('session')
  @Roles('viewer')
  @ZodResponse(OwnSession)
  own(@CurrentActor() actor: Actor, @Req() request: RequestWithId): Promise<OwnSession> {
    return this.sessions.own(actor, this.cookies.secretOf(request));
  }

  /** For what asks for a fresh sign-in: the same session goes on. */
  @Post('session/confirm')
  @Roles('viewer')
  @HttpCode(200)
  @ZodResponse(OwnSession)
  async confirm(
    @CurrentActor() actor: Actor,
    @ZodBody(SignInWith) body: SignInWith,
    @Req() request: RequestWithId,
  ): Promise<OwnSession> {
    await this.browserSignIn.confirm(actor, body, browserOf(request));
    return this.sessions.own(actor, this.cookies.secretOf(request));
  }

  @Delete('session')
  @Roles('viewer')
  @HttpCode(204)
  async end(@CurrentActor() actor: Actor, @Res({ passthrough: true }) response: Response): Promise<void> {
    if (actor.credential.kind !== 'session') {
      throw new ProblemError('request.conflict', { detail: 'an API token signed this request, no session did' });
    }
    await this.sessions.end(actor, actor.credential.id);
    this.cookies.take(response);
  }

  /** One's own, or anybody's for an admin: the service looks. */
  @Get('people/:id/sessions')
  @Roles('viewer')
  @ZodResponse(SessionRows)
  list(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<SessionRows> {
    return this.sessions.list(actor, id);
  }

  /** One's own, or anybody's for an admin: the service looks. */
  @Delete('sessions/:id')
  @Roles('viewer')
  @HttpCode(204)
  endOther(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<void> {
    return this.sessions.end(actor, id);
  }
}
