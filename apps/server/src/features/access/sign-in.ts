/** Signs a person in by what came with a request: the token in its header, or the cookie of a browser's session. */
import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { queryRows } from '../../adapters/database/rows.js';
import { FAILURE_LIMITER, type FailureLimiter } from '../../http/failure-limiter.js';
import { ProblemError } from '../../http/problem-error.js';
import type { RequestWithId } from '../../http/request-context.js';
import type { Actor, Credential, Role } from './actor.js';
import { apiTokenFrom, hashApiToken } from './api-token.js';
import { SameOrigin } from './sessions/same-origin.js';
import { SessionCookies } from './sessions/session-cookies.js';
import { hashSessionSecret } from './sessions/session-secret.js';
import { LIVE_SESSION } from './sessions/session-life.js';

interface Owner {
  readonly id: string;
  readonly org_id: string;
  readonly person_id: string;
  readonly name: string;
  readonly roles: Role[];
  readonly stale: boolean;
}

const LIVE_TOKEN = `t.revoked_at is null and (t.expires_at is null or t.expires_at > now()) and p.disabled_at is null`;

@Injectable()
export class SignIn {
  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    @Inject(FAILURE_LIMITER) private readonly limiter: FailureLimiter,
    @Inject(SessionCookies) private readonly cookies: SessionCookies,
    @Inject(SameOrigin) private readonly sameOrigin: SameOrigin,
  ) {}

  /**
   * Whoever sent the request. A header counts before a cookie: a script says who it is.
   * @throws ProblemError `request.unauthenticated`, `request.rate`, `request.csrf`
   */
  async caller(request: RequestWithId): Promise<Actor> {
    const from = { ip: request.ip ?? '', requestId: request.requestId };
    const secret = this.cookies.secretOf(request);
    if (request.header('authorization') !== undefined || secret === undefined) {
      return this.person(request.header('authorization'), from);
    }
    const actor = await this.ofSession(secret, from);
    this.sameOrigin.check(request, secret);
    return actor;
  }

  /** @throws ProblemError `request.unauthenticated`, `request.rate` */
  async ofSession(secret: string, from: { ip: string; requestId: string }): Promise<Actor> {
    const owner = await this.sessionOwner(secret);
    if (!owner) throw this.refused(from.ip);
    return actorOf(owner, 'session', from);
  }

  /**
   * @param authorization the header as it came.
   * @throws ProblemError `request.unauthenticated`, `request.rate`
   */
  async person(authorization: string | undefined, from: { ip: string; requestId: string }): Promise<Actor> {
    if (authorization === undefined) throw new ProblemError('request.unauthenticated');
    const token = apiTokenFrom(authorization);
    const owner = token === undefined ? undefined : await this.tokenOwner(token);
    if (!owner) throw this.refused(from.ip);
    return actorOf(owner, 'token', from);
  }

  /** A good token is never refused for the guesses of others behind the same address: this is asked after it was looked up. */
  private refused(ip: string): ProblemError {
    this.limiter.check(ip);
    this.limiter.failed(ip);
    return new ProblemError('request.unauthenticated');
  }

  private async tokenOwner(token: string): Promise<Owner | undefined> {
    const [owner] = await queryRows<Owner>(
      this.source.manager,
      `select t.id, t.org_id, t.person_id, p.name, p.roles,
              (t.last_used_at is null or t.last_used_at < now() - interval '1 minute') as stale
       from api_tokens t join people p on p.id = t.person_id where t.token_hash = $1 and ${LIVE_TOKEN}`,
      [hashApiToken(token)],
    );
    // Once a minute is enough to see which tokens live; a write for each request is not.
    if (owner?.stale) await this.source.query('update api_tokens set last_used_at = now() where id = $1', [owner.id]);
    return owner;
  }

  private async sessionOwner(secret: string): Promise<Owner | undefined> {
    const [owner] = await queryRows<Owner>(
      this.source.manager,
      `select s.id, s.org_id, s.person_id, p.name, p.roles, s.seen_at < now() - interval '1 minute' as stale
       from sessions s join people p on p.id = s.person_id left join api_tokens t on t.id = s.api_token_id
       where s.token_hash = $1 and ${LIVE_SESSION}`,
      [hashSessionSecret(secret)],
    );
    if (owner?.stale) await this.source.query('update sessions set seen_at = now() where id = $1', [owner.id]);
    return owner;
  }
}

/** For what outlives its request: whether token or session still signs its person in. */
export async function isCredentialLive(source: DataSource, { kind, id }: Credential): Promise<boolean> {
  const rows = await queryRows(
    source.manager,
    kind === 'token'
      ? `select 1 from api_tokens t join people p on p.id = t.person_id where t.id = $1 and ${LIVE_TOKEN}`
      : `select 1 from sessions s join people p on p.id = s.person_id left join api_tokens t on t.id = s.api_token_id
         where s.id = $1 and ${LIVE_SESSION}`,
    [id],
  );
  return rows.length > 0;
}

function actorOf(owner: Owner, kind: Credential['kind'], from: { ip: string; requestId: string }): Actor {
  return {
    kind: 'person',
    orgId: owner.org_id,
    personId: owner.person_id,
    credential: { kind, id: owner.id },
    name: owner.name,
    roles: owner.roles,
    ip: from.ip,
    requestId: from.requestId,
  };
}
