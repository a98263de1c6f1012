/**
 * A browser's way to the OpenID provider and back. The browser itself opens these two, so they are pages and no part of the
 * API: they lead on to the provider, to the page asked for, or to the sign-in page with the reason.
 */
import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { ProblemError } from '../../../http/problem-error.js';
import type { RequestWithId } from '../../../http/request-context.js';
import { Public } from '../actor.js';
import { browserOf } from './browser-facts.js';
import { OidcService } from './oidc.service.js';
import { SessionCookies } from './session-cookies.js';

@ApiExcludeController()
@Controller('api/v1/session/oidc')
export class OidcController {
  constructor(
    @Inject(OidcService) private readonly oidc: OidcService,
    @Inject(SessionCookies) private readonly cookies: SessionCookies,
  ) {}

  /** For anybody: the sign-in page's button. */
  @Get()
  @Public()
  async begin(
    @Query('returnTo') returnTo: unknown,
    @Query('again') again: unknown,
    @Res() response: Response,
  ): Promise<void> {
    await this.leading(response, async () => {
      const path = typeof returnTo === 'string' ? returnTo : '/';
      const { url, browserSecret } = await this.oidc.begin(path, again === '1');
      this.cookies.giveOidc(response, browserSecret);
      return url;
    });
  }

  /** For anybody: the provider sends the browser here; state, nonce, PKCE and the cookie are compared. */
  @Get('callback')
  @Public()
  async callback(@Req() request: RequestWithId, @Res() response: Response): Promise<void> {
    await this.leading(response, async () => {
      const at = request.originalUrl.indexOf('?');
      const search = at < 0 ? '' : request.originalUrl.slice(at);
      const browserSecret = this.cookies.oidcOf(request);
      this.cookies.takeOidc(response);
      const { secret, returnTo } = await this.oidc.finish(search, browserSecret, browserOf(request));
      this.cookies.give(response, secret);
      return returnTo;
    });
  }

  private async leading(response: Response, where: () => Promise<string>): Promise<void> {
    try {
      response.redirect(303, await where());
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      response.redirect(
        303,
        `/sign-in?${new URLSearchParams({ error: error.code, detail: error.message }).toString()}`,
      );
    }
  }
}
