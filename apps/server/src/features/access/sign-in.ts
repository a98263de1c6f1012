/** Signs a person in by the token that came with a request, whatever kind of request it is. */
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { FAILURE_LIMITER, type FailureLimiter } from '../../http/failure-limiter.js';
import { ProblemError } from '../../http/problem-error.js';
import type { Actor, Role } from './actor.js';
import { apiTokenFrom, hashApiToken } from './api-token.js';

interface TokenOwner {
  readonly id: string;
  readonly org_id: string;
  readonly person_id: string;
  readonly name: string;
  readonly roles: Role[];
  readonly stale: boolean;
}

@Injectable()
export class SignIn {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(FAILURE_LIMITER) private readonly limiter: FailureLimiter,
  ) {}

  /**
   * @param authorization the header as it came.
   * @throws ProblemError `request.unauthenticated`, `request.rate`
   */
  async person(authorization: string | undefined, from: { ip: string; requestId: string }): Promise<Actor> {
    if (authorization === undefined) throw new ProblemError('request.unauthenticated');
    const token = apiTokenFrom(authorization);
    const found = token === undefined ? undefined : await this.lookUp(token);
    if (!found) {
      // A good token is never refused for the guesses of others behind the same address.
      this.limiter.check(from.ip);
      this.limiter.failed(from.ip);
      throw new ProblemError('request.unauthenticated');
    }
    return {
      kind: 'person',
      orgId: found.org_id,
      personId: found.person_id,
      tokenId: found.id,
      name: found.name,
      roles: found.roles,
      ...from,
    };
  }

  private async lookUp(token: string): Promise<TokenOwner | undefined> {
    const rows = (await this.dataSource.query(
      `select t.id, t.org_id, t.person_id, p.name, p.roles,
              (t.last_used_at is null or t.last_used_at < now() - interval '1 minute') as stale
       from api_tokens t join people p on p.id = t.person_id
       where t.token_hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
         and p.disabled_at is null`,
      [hashApiToken(token)],
    )) as TokenOwner[];
    const row = rows[0];
    // Once a minute is enough to see which tokens live; a write for each request is not.
    if (row?.stale) await this.dataSource.query('update api_tokens set last_used_at = now() where id = $1', [row.id]);
    return row;
  }
}
