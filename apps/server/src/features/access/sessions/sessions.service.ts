/** Sessions of browsers: opened, listed, ended. Each opening and ending has its audit entry in the same transaction. */
import { Inject, Injectable } from '@nestjs/common';
import type { OwnSession, SessionMethod, SessionRow, SessionRows } from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { queryRows } from '../../../adapters/database/rows.js';
import { inTransaction } from '../../../adapters/database/transaction.js';
import { ProblemError } from '../../../http/problem-error.js';
import { AUDIT, type Audit } from '../../audit/audit.port.js';
import { AccessService } from '../access.service.js';
import type { Actor } from '../actor.js';
import { ENDED_SESSIONS_KEPT_DAYS, IDLE_HOURS, LIFE_DAYS, LIVE_SESSION } from './session-life.js';
import { csrfTokenOf, hashSessionSecret, makeSecret } from './session-secret.js';

/** Most open sessions of one person; the oldest ends when one more is opened. */
const MOST_SESSIONS = 20;

export interface Opener {
  readonly orgId: string;
  readonly personId: string;
  readonly name: string;
  readonly method: SessionMethod;
  readonly apiTokenId?: string;
  /** The person proved just now who they are; an OpenID provider may only have remembered them. */
  readonly confirmed: boolean;
}

/** Where a browser comes from, as far as it says. */
export interface BrowserFacts {
  readonly ip: string;
  readonly requestId: string;
  readonly userAgent: string;
}

interface SessionDbRow {
  id: string;
  method: SessionMethod;
  created_at: Date;
  seen_at: Date;
  ends_at: Date;
  address: string;
  user_agent: string;
}

@Injectable()
export class SessionsService {
  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
    @Inject(AccessService) private readonly access: AccessService,
  ) {}

  /** @returns the secret for the cookie; it is nowhere else. */
  async open(tx: EntityManager, who: Opener, browser: BrowserFacts): Promise<string> {
    const secret = makeSecret();
    const [session] = await queryRows<{ id: string }>(
      tx,
      `insert into sessions (org_id, person_id, token_hash, method, api_token_id, ends_at, address, user_agent, confirmed_at)
       select $1, $2, $3, $4, $5::uuid, least(now() + interval '${LIFE_DAYS} days', (select expires_at from api_tokens where id = $5::uuid)),
         $6, $7, case when $8 then now() end returning id`,
      [
        who.orgId,
        who.personId,
        hashSessionSecret(secret),
        who.method,
        who.apiTokenId ?? null,
        browser.ip,
        browser.userAgent.slice(0, 200),
        who.confirmed,
      ],
    );
    const tooMany = await queryRows<{ id: string }>(
      tx,
      `update sessions set ended_at = now() where id in (
         select id from sessions where person_id = $1 and ended_at is null and ends_at > now()
         order by seen_at desc, id offset ${MOST_SESSIONS}) returning id`,
      [who.personId],
    );
    await this.audit.record(tx, {
      orgId: who.orgId,
      actor: {
        kind: 'person',
        orgId: who.orgId,
        personId: who.personId,
        credential: { kind: 'session', id: session!.id },
        name: who.name,
        roles: [],
        ip: browser.ip,
        requestId: browser.requestId,
      },
      action: 'session.opened',
      target: { kind: 'session', id: session!.id },
      params: { method: who.method, ...(tooMany.length > 0 && { ended: tooMany.length }) },
    });
    return secret;
  }

  /** The person of the session proved again who they are. */
  async confirm(actor: Actor, method: SessionMethod): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      await queryRows(tx, 'update sessions set confirmed_at = now() where id = $1', [actor.credential.id]);
      await this.audit.record(tx, {
        orgId: actor.orgId,
        actor,
        action: 'session.confirmed',
        target: { kind: 'session', id: actor.credential.id },
        params: { method },
      });
    });
  }

  /** @throws ProblemError `request.conflict` for a caller without a session. */
  async own(actor: Actor, secret: string | undefined): Promise<OwnSession> {
    if (actor.credential.kind !== 'session' || secret === undefined) {
      throw new ProblemError('request.conflict', { detail: 'an API token signed this request, no session did' });
    }
    const [row] = await queryRows<SessionDbRow & { has_password: boolean; confirmed_at: Date | null }>(
      this.source.manager,
      `select s.id, s.method, s.seen_at, s.ends_at, s.confirmed_at, p.password_hash is not null as has_password
       from sessions s join people p on p.id = s.person_id where s.id = $1`,
      [actor.credential.id],
    );
    const idleEndsAtMs = Math.min(row!.seen_at.getTime() + IDLE_HOURS * 3_600_000, row!.ends_at.getTime());
    return {
      ...(await this.access.me(actor)),
      id: row!.id,
      csrfToken: csrfTokenOf(secret),
      idleEndsAt: new Date(idleEndsAtMs).toISOString(),
      endsAt: row!.ends_at.toISOString(),
      confirmedAt: row!.confirmed_at?.toISOString() ?? null,
      method: row!.method,
      hasPassword: row!.has_password,
    };
  }

  /** The live sessions of a person, newest first. */
  async list(actor: Actor, personId: string): Promise<SessionRows> {
    if (actor.personId !== personId && !actor.roles.includes('admin')) {
      throw new ProblemError('request.forbidden', { role: 'admin' });
    }
    await this.access.get(actor, personId);
    const rows = await queryRows<SessionDbRow>(
      this.source.manager,
      `select s.id, s.method, s.created_at, s.seen_at, s.ends_at, s.address, s.user_agent
       from sessions s join people p on p.id = s.person_id left join api_tokens t on t.id = s.api_token_id
       where s.org_id = $1 and s.person_id = $2 and ${LIVE_SESSION} order by s.seen_at desc, s.id limit ${MOST_SESSIONS}`,
      [actor.orgId, personId],
    );
    return {
      items: rows.map((row): SessionRow => ({
        id: row.id,
        method: row.method,
        createdAt: row.created_at.toISOString(),
        seenAt: row.seen_at.toISOString(),
        endsAt: row.ends_at.toISOString(),
        address: row.address,
        userAgent: row.user_agent,
        own: actor.credential.kind === 'session' && actor.credential.id === row.id,
      })),
    };
  }

  /** @throws ProblemError `request.not-found` also for a session of somebody else. */
  async end(actor: Actor, id: string): Promise<void> {
    await inTransaction(this.source, async (tx) => {
      const [row] = await queryRows<{ person_id: string; ended_at: Date | null }>(
        tx,
        'select person_id, ended_at from sessions where org_id = $1 and id = $2 for update',
        [actor.orgId, id],
      );
      if (!row || (row.person_id !== actor.personId && !actor.roles.includes('admin'))) {
        throw new ProblemError('request.not-found', { what: 'session', id });
      }
      if (row.ended_at) return;
      await queryRows(tx, 'update sessions set ended_at = now() where id = $1', [id]);
      await this.audit.record(tx, {
        orgId: actor.orgId,
        actor,
        action: 'session.ended',
        target: { kind: 'session', id },
        params: { person: row.person_id },
      });
    });
  }

  /** All of a person but one, because their password changed. */
  async endOthers(tx: EntityManager, personId: string, keep: string | undefined): Promise<number> {
    const rows = await queryRows(
      tx,
      `update sessions set ended_at = now() where person_id = $1 and ended_at is null and id is distinct from $2::uuid returning id`,
      [personId, keep ?? null],
    );
    return rows.length;
  }
}

/** What nobody can use any more is removed. */
export async function removeOldSignIns(source: DataSource): Promise<void> {
  await source.query(`delete from sessions where ends_at < now() - interval '${ENDED_SESSIONS_KEPT_DAYS} days'`);
  await source.query('delete from password_links where expires_at < now()');
  await source.query('delete from oidc_attempts where expires_at < now()');
}
