/** The one guard in front of every route. It fails closed: a route that states neither role nor `@Public()` is denied. */
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { FAILURE_LIMITER, type FailureLimiter } from '../../http/failure-limiter.js';
import { ProblemError } from '../../http/problem-error.js';
import type { RequestWithId } from '../../http/request-context.js';
import { PUBLIC_KEY, ROLES_KEY, type Actor, type Role } from './actor.js';
import { apiTokenFrom, hashApiToken } from './api-token.js';

@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(FAILURE_LIMITER) private readonly limiter: FailureLimiter,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    const needed = this.reflector.getAllAndOverride<readonly Role[] | undefined>(ROLES_KEY, places);
    if (!needed && this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC_KEY, places)) return true;
    if (!needed || needed.length === 0)
      throw new ProblemError('request.forbidden', { role: 'that this route does not state' });

    const request = context.switchToHttp().getRequest<RequestWithId & { actor?: Actor }>();
    const actor = await this.authenticate(request);
    if (!mayAct(actor.roles, needed)) throw new ProblemError('request.forbidden', { role: needed.join(' or ') });
    request.actor = actor;
    return true;
  }

  private async authenticate(request: RequestWithId): Promise<Actor> {
    const ip = request.ip ?? '';
    const header = request.header('authorization');
    if (header === undefined) throw new ProblemError('request.unauthenticated');
    const token = apiTokenFrom(header);
    const found = token === undefined ? undefined : await this.lookUp(token);
    if (!found) {
      // A good token is never refused for the guesses of others behind the same address.
      this.limiter.check(ip);
      this.limiter.failed(ip);
      throw new ProblemError('request.unauthenticated');
    }
    return {
      kind: 'person',
      orgId: found.org_id,
      personId: found.person_id,
      tokenId: found.id,
      name: found.name,
      roles: found.roles,
      ip,
      requestId: request.requestId,
    };
  }

  private async lookUp(
    token: string,
  ): Promise<{ id: string; org_id: string; person_id: string; name: string; roles: Role[] } | undefined> {
    const rows = (await this.dataSource.query(
      `select t.id, t.org_id, t.person_id, p.name, p.roles,
              (t.last_used_at is null or t.last_used_at < now() - interval '1 minute') as stale
       from api_tokens t join people p on p.id = t.person_id
       where t.token_hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
         and p.disabled_at is null`,
      [hashApiToken(token)],
    )) as { id: string; org_id: string; person_id: string; name: string; roles: Role[]; stale: boolean }[];
    const row = rows[0];
    // Once a minute is enough to see which tokens live; a write for each request is not.
    if (row?.stale) await this.dataSource.query('update api_tokens set last_used_at = now() where id = $1', [row.id]);
    return row;
  }
}

/** For what outlives its request: whether the token still signs its person in. */
export async function isTokenLive(source: DataSource, tokenId: string): Promise<boolean> {
  const rows = (await source.query(
    `select 1 from api_tokens t join people p on p.id = t.person_id
     where t.id = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and p.disabled_at is null`,
    [tokenId],
  )) as unknown[];
  return rows.length > 0;
}

/** Admin implies all; every role implies viewer. */
export function mayAct(held: readonly Role[], needed: readonly Role[]): boolean {
  if (held.includes('admin')) return true;
  if (needed.includes('viewer') && held.length > 0) return true;
  return needed.some((role) => held.includes(role));
}
