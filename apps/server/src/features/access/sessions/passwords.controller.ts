/** Passwords: the link from an admin, and one's own change. */
import { Controller, HttpCode, Inject, Post, Put, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { ChangePassword, PasswordLink, SetPassword } from '@drydock/contracts';
import { FAILURE_LIMITER, type FailureLimiter } from '../../../http/failure-limiter.js';
import { SecretAnswer } from '../../../http/idempotency.js';
import { ProblemError } from '../../../http/problem-error.js';
import type { RequestWithId } from '../../../http/request-context.js';
import { ZodBody, ZodParam, ZodResponse } from '../../../http/zod-params.js';
import { CurrentActor, Public, Roles, type Actor } from '../actor.js';
import { PasswordsService } from './passwords.service.js';
import { SameOrigin } from './same-origin.js';

@ApiTags('access')
@Controller('api/v1')
export class PasswordsController {
  constructor(
    @Inject(PasswordsService) private readonly passwords: PasswordsService,
    @Inject(SameOrigin) private readonly sameOrigin: SameOrigin,
    @Inject(FAILURE_LIMITER) private readonly limiter: FailureLimiter,
  ) {}

  @Post('people/:id/password-link')
  @Roles('admin')
  @SecretAnswer()
  @ZodResponse(PasswordLink, { status: 201 })
  makeLink(@CurrentActor() actor: Actor, @ZodParam('id') id: string): Promise<PasswordLink> {
    return this.passwords.makeLink(actor, id);
  }

  /** For whoever holds a link: its person cannot sign in yet. */
  @Post('password')
  @Public()
  @HttpCode(204)
  async set(@ZodBody(SetPassword) body: SetPassword, @Req() request: RequestWithId): Promise<void> {
    this.sameOrigin.checkOrigin(request);
    await this.guessing(request, () => this.passwords.setByLink(body));
  }

  @Put('me/password')
  @Roles('viewer')
  @HttpCode(204)
  async change(
    @CurrentActor() actor: Actor,
    @ZodBody(ChangePassword) body: ChangePassword,
    @Req() request: RequestWithId,
  ): Promise<void> {
    await this.guessing(request, () => this.passwords.change(actor, body));
  }

  private async guessing(request: RequestWithId, attempt: () => Promise<void>): Promise<void> {
    const ip = request.ip ?? '';
    this.limiter.check(ip);
    this.limiter.failed(ip);
    try {
      await attempt();
      this.limiter.succeeded(ip);
    } catch (error) {
      const guess = error instanceof ProblemError && ['password.link', 'sign-in.refused'].includes(error.code);
      if (!guess) this.limiter.succeeded(ip);
      throw error;
    }
  }
}
