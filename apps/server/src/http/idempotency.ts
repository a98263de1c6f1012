/**
 * `Idempotency-Key` on POST: the second request with the same key does nothing and gets the first one's answer. Keys
 * belong to a person and are kept for a day.
 */
import { createHash } from 'node:crypto';
import {
  Inject,
  Injectable,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { catchError, from, mergeMap, of, type Observable } from 'rxjs';
import { DataSource } from 'typeorm';
import type { Actor } from '../features/access/actor.js';
import { ProblemError } from './problem-error.js';
import type { RequestWithId } from './request-context.js';

export const IDEMPOTENCY_KEPT = "interval '1 day'";

const SECRET_ANSWER_KEY = 'drydock:secret-answer';
/** For routes whose answer shows a secret once: it is never stored, so a repeated request gets a conflict instead. */
export const SecretAnswer = () => SetMetadata(SECRET_ANSWER_KEY, true);

interface KeyRow {
  request_hash: Buffer;
  status: number | null;
  response: unknown;
}

@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<RequestWithId & { actor?: Actor }>();
    const key = request.header('idempotency-key');
    const actor = request.actor;
    // Uploads are left out: they are content-addressed, which makes them safe to repeat by nature.
    const streamed = request.header('content-type') !== undefined && !request.is('application/json');
    if (request.method !== 'POST' || key === undefined || !actor || streamed) return next.handle();
    if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
      throw new ProblemError('request.invalid', { detail: 'Idempotency-Key has 1 to 200 visible ASCII characters' });
    }
    const response = context.switchToHttp().getResponse<Response>();
    const secret = this.reflector.get<boolean | undefined>(SECRET_ANSWER_KEY, context.getHandler()) ?? false;
    const hash = createHash('sha256').update(textOf(request)).digest();

    return from(this.reserve(actor, key, hash)).pipe(
      mergeMap((earlier) => {
        if (earlier) return of(replay(earlier, hash, response));
        return next.handle().pipe(
          mergeMap((body: unknown) =>
            from(this.keep(actor, key, response.statusCode, secret ? null : body)).pipe(mergeMap(() => of(body))),
          ),
          catchError((error: unknown) =>
            // Nothing happened (services hold one transaction), so the key may be used again.
            from(this.release(actor, key)).pipe(
              mergeMap(() => {
                throw error;
              }),
            ),
          ),
        );
      }),
    );
  }

  private async reserve(actor: Actor, key: string, hash: Buffer): Promise<KeyRow | undefined> {
    const inserted = (await this.dataSource.query(
      `insert into idempotency_keys (org_id, person_id, key, request_hash) values ($1, $2, $3, $4)
       on conflict (org_id, person_id, key) do update
         set request_hash = excluded.request_hash, status = null, response = null, created_at = now()
         where idempotency_keys.created_at < now() - ${IDEMPOTENCY_KEPT}
       returning 1`,
      [actor.orgId, actor.personId, key, hash],
    )) as unknown[];
    if (inserted.length > 0) return undefined;
    const rows = (await this.dataSource.query(
      'select request_hash, status, response from idempotency_keys where org_id = $1 and person_id = $2 and key = $3',
      [actor.orgId, actor.personId, key],
    )) as KeyRow[];
    // Released between the two statements: the first one failed, and the client may repeat.
    return rows[0] ?? { request_hash: hash, status: null, response: null };
  }

  private async keep(actor: Actor, key: string, status: number, body: unknown): Promise<void> {
    await this.dataSource.query(
      'update idempotency_keys set status = $4, response = $5 where org_id = $1 and person_id = $2 and key = $3',
      [actor.orgId, actor.personId, key, status, body === undefined || body === null ? null : JSON.stringify({ body })],
    );
  }

  private async release(actor: Actor, key: string): Promise<void> {
    await this.dataSource.query(
      'delete from idempotency_keys where org_id = $1 and person_id = $2 and key = $3 and status is null',
      [actor.orgId, actor.personId, key],
    );
  }
}

/** @throws ProblemError for a body that is nested deeper than it could be written again. */
function textOf(request: RequestWithId): string {
  try {
    return JSON.stringify([request.originalUrl, request.body ?? null]);
  } catch {
    throw new ProblemError('request.invalid', { detail: 'the body is nested too deeply' });
  }
}

function replay(earlier: KeyRow, hash: Buffer, response: Response): unknown {
  if (!earlier.request_hash.equals(hash)) {
    throw new ProblemError('request.invalid', { detail: 'this Idempotency-Key was used for another request' });
  }
  if (earlier.status === null) {
    // Under way, or the server was killed in the middle: what happened is for the client to look up.
    throw new ProblemError('request.conflict', {
      detail: 'the first request with this key has not ended; look what it did',
    });
  }
  const kept = earlier.response as { body: unknown } | null;
  if (kept === null && earlier.status !== 204) {
    throw new ProblemError('request.conflict', { detail: 'this was done before, and its answer was shown once' });
  }
  response.status(earlier.status);
  response.setHeader('Idempotency-Replayed', 'true');
  return kept?.body;
}
