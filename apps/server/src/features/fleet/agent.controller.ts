import { Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { EnrolRequest, EnrolResponse, LoginRequest, LoginResponse, RootStatements } from '@drydock/contracts';
import type { Request } from 'express';
import { z } from 'zod';
import { SERVER_KEYS, type ServerKeys } from '../../adapters/keys/server-keys.port.js';
import { FAILURE_LIMITER, type FailureLimiter } from '../../http/failure-limiter.js';
import { ProblemError } from '../../http/problem-error.js';
import { ZodBody, ZodQuery, ZodResponse } from '../../http/zod-params.js';
import { Public } from '../access/actor.js';
import { EnrolmentService } from './enrolment.service.js';
import { LoginGate } from './login-gate.js';
import { LoginService } from './login.service.js';

const RootQuery = z.object({ after: z.coerce.number().int().min(0).default(0) });
type RootQuery = z.infer<typeof RootQuery>;

/** What gateways use over HTTP. None of it signs in a person: token and signature are the authority. */
@ApiTags('agent')
@Controller('agent/v1')
export class AgentController {
  private readonly gate = new LoginGate();

  constructor(
    private readonly enrolment: EnrolmentService,
    private readonly logins: LoginService,
    @Inject(SERVER_KEYS) private readonly serverKeys: ServerKeys,
    @Inject(FAILURE_LIMITER) private readonly limiter: FailureLimiter,
  ) {}

  /** Public: the enrolment token in the body is the authority. */
  @Post('enrol')
  @Public()
  @HttpCode(200)
  @ZodResponse(EnrolResponse)
  enrol(@ZodBody(EnrolRequest) body: EnrolRequest, @Req() request: Request): Promise<EnrolResponse> {
    return this.limited(request, 'enrol', 'enrolment.token', () => this.enrolment.enrol(body, request.ip ?? ''));
  }

  /** Public: the signature of the gateway's key is the authority. */
  @Post('login')
  @Public()
  @HttpCode(200)
  @ZodResponse(LoginResponse)
  login(@ZodBody(LoginRequest) body: LoginRequest, @Req() request: Request): Promise<LoginResponse> {
    return this.limited(request, 'login', 'request.unauthenticated', () =>
      this.gate.run(() => this.logins.login(body.envelope)),
    );
  }

  /** Public: the statements are signed, and an agent believes the root it pinned and nobody else. */
  @Get('root')
  @Public()
  @ZodResponse(RootStatements)
  async root(@ZodQuery(RootQuery) query: RootQuery): Promise<RootStatements> {
    const all = await this.serverKeys.rootStatements();
    return { rootStatements: all.filter((jws) => statementVersion(jws) > query.after).slice(0, 64) };
  }

  /** Guessing is slowed down; a whole site behind one address is not, as only failures of this kind count. */
  private async limited<T>(request: Request, kind: string, failure: string, work: () => Promise<T>): Promise<T> {
    const place = `${kind}:${request.ip ?? ''}`;
    this.limiter.check(place);
    try {
      return await work();
    } catch (error) {
      if (error instanceof ProblemError && error.code === failure) this.limiter.failed(place);
      throw error;
    }
  }
}

/** Our own statements: their form is known, and signatures are for the agents to check. */
function statementVersion(jws: string): number {
  const payload: unknown = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return z.object({ version: z.number() }).parse(payload).version;
}
