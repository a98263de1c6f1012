/** Lost updates are refused: a thing's `revision` is its ETag, and an update names it in `If-Match` (RFC 9110, 13.1.1). */
import {
  createParamDecorator,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { tap, type Observable } from 'rxjs';
import { ProblemError } from './problem-error.js';

/**
 * @returns the revision that the client saw; undefined for `*` (whatever it is).
 * @throws ProblemError 428 when the header is missing, 422 when it is no revision of ours.
 */
export function parseIfMatch(header: string | undefined): number | undefined {
  if (header === undefined) {
    const detail = 'send If-Match with the revision you saw, or * to overwrite';
    throw new ProblemError('request.invalid', { detail }, undefined, { status: 428 });
  }
  if (header.trim() === '*') return undefined;
  const match = /^(?:W\/)?"?(\d{1,15})"?$/.exec(header.trim());
  if (!match) throw new ProblemError('request.invalid', { detail: `If-Match ${header.slice(0, 50)} is no revision` });
  return Number(match[1]);
}

const IfMatchParam = createParamDecorator((_: unknown, context: ExecutionContext): number | undefined =>
  parseIfMatch(context.switchToHttp().getRequest<Request>().headers['if-match']),
);

/** Parameter decorator: the expected revision, or undefined for `*`. */
export function IfMatch(): ParameterDecorator {
  return (target, key, index) => {
    IfMatchParam()(target, key, index);
    if (key === undefined) return;
    const header = ApiHeader({ name: 'If-Match', required: true, description: 'The revision you saw, or *.' });
    (header as MethodDecorator)(target, key, Object.getOwnPropertyDescriptor(target, key)!);
  };
}

/** @throws ProblemError `request.stale` when somebody changed it meanwhile. */
export function expectRevision(actual: number, expected: number | undefined): void {
  if (expected !== undefined && actual !== expected) throw new ProblemError('request.stale', { actual, expected });
}

/** Puts the `revision` of an answer into its ETag. */
@Injectable()
export class RevisionEtag implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      tap((body: unknown) => {
        const revision = (body as { revision?: unknown } | null | undefined)?.revision;
        if (typeof revision !== 'number') return;
        const response = context.switchToHttp().getResponse<Response>();
        if (!response.headersSent) response.setHeader('ETag', `"${revision}"`);
      }),
    );
  }
}
