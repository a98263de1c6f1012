/** Every error on its way out becomes problem details (RFC 9457), once, here. */
import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Problem } from '@drydock/contracts';
import type { Response } from 'express';
import type { Logger } from 'pino';
import { LOGGER } from '../settings/logger.js';
import { ProblemError } from './problem-error.js';
import type { RequestWithId } from './request-context.js';

/** Connection and resource failures of Postgres: the server's fault, and worth another try. */
const DATABASE_AWAY = /^(?:08|53|57P)/;
/** Text that Postgres cannot hold (NUL, halves of surrogate pairs): it can only have come with the request. */
const UNSTORABLE_TEXT: ReadonlySet<string> = new Set(['22021', '22P05']);

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<RequestWithId>();
    const response = http.getResponse<Response>();
    const problem = toProblemError(error, request);
    if (problem.status >= 500) {
      this.logger.error(
        { err: error, requestId: request.requestId, method: request.method, path: request.path },
        'failed',
      );
    }
    if (response.headersSent) {
      // Part of the answer is out: the only honest end is a broken connection.
      response.destroy();
      return;
    }
    // An upload that is refused half-way would otherwise keep sending into a connection nobody reads.
    if (!request.complete) response.setHeader('Connection', 'close');
    const retryAfterMs = problem.params.retryAfterMs;
    if (typeof retryAfterMs === 'number')
      response.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfterMs / 1000)));
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    response
      .status(problem.status)
      .type('application/problem+json')
      .send(JSON.stringify(toBody(problem, request)));
  }
}

/** The body of a problem; `instance` is the request's id, with which the log can be searched. */
export function toBody(problem: ProblemError, request: Pick<RequestWithId, 'requestId'>): Problem {
  return {
    type: `urn:drydock:error:${problem.code}`,
    title: problem.code,
    status: problem.status,
    detail: problem.message,
    instance: `urn:drydock:request:${request.requestId}`,
    code: problem.code,
    params: { ...problem.params },
    ...(problem.errors ? { errors: problem.errors } : {}),
  };
}

function toProblemError(error: unknown, request: RequestWithId): ProblemError {
  if (error instanceof ProblemError) return error;
  const facts = error as { status?: number; statusCode?: number; type?: string; limit?: number; code?: string };
  const status = error instanceof HttpException ? error.getStatus() : (facts.status ?? facts.statusCode);
  // What body parsers and the router say; their own words may quote the input, so they are not passed on.
  if (facts.type === 'entity.too.large' || status === 413) {
    return new ProblemError('request.too-large', { limit: facts.limit ?? null });
  }
  if (facts.type === 'entity.parse.failed') return invalid('the body is not JSON', 400, error);
  if (status === 404)
    return new ProblemError('request.not-found', { what: 'route', id: request.path }, undefined, { cause: error });
  if (status === 401) return new ProblemError('request.unauthenticated', {}, undefined, { cause: error });
  if (status !== undefined && status >= 400 && status < 500) {
    return invalid(error instanceof HttpException ? error.message : 'the request cannot be read', status, error);
  }
  const database = (error as { driverError?: { code?: string } }).driverError?.code ?? facts.code ?? '';
  if (DATABASE_AWAY.test(database) || database === 'ECONNREFUSED' || database === 'ECONNRESET') {
    return new ProblemError('server.unavailable', { detail: 'the database does not answer' }, undefined, {
      cause: error,
    });
  }
  if (UNSTORABLE_TEXT.has(database)) return invalid('it contains characters that are no text (U+0000)', 400, error);
  const detail = `see the log for request ${request.requestId}`;
  return new ProblemError('internal.invariant', { detail }, undefined, { cause: error });
}

function invalid(detail: string, status: number, cause: unknown): ProblemError {
  return new ProblemError('request.invalid', { detail }, undefined, { status, cause });
}
