/** People and their tokens. Each change and its audit entry share one transaction. */
import { Inject, Injectable } from '@nestjs/common';
import type {
  ApiToken,
  ChangePerson,
  CreateApiToken,
  CreatedApiToken,
  CreatePerson,
  Me,
  PeoplePage,
  PageQuery,
  Person,
  PersonRole,
  RoleHolders,
} from '@drydock/contracts';
import { DataSource, type EntityManager } from 'typeorm';
import { z } from 'zod';
import { inTransaction } from '../../adapters/database/transaction.js';
import { decodeCursor, toPage } from '../../http/cursor.js';
import { ProblemError } from '../../http/problem-error.js';
import { expectRevision } from '../../http/revision.js';
import { AUDIT, type Audit } from '../audit/audit.port.js';
import type { Actor } from './actor.js';
import { makeApiToken } from './api-token.js';
import { expectFreshSignIn } from './sessions/fresh-sign-in.js';

interface PersonRow {
  id: string;
  name: string;
  email: string | null;
  roles: Person['roles'];
  created_at: Date;
  disabled_at: Date | null;
  revision: number;
}

interface TokenRow {
  id: string;
  person_id: string;
  name: string;
  hint: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

const MOST_HOLDERS = 5;
const PERSON = 'id, name, email, roles, created_at, disabled_at, revision';
const TOKEN = 'id, person_id, name, hint, created_at, expires_at, last_used_at, revoked_at';

@Injectable()
export class AccessService {
  constructor(
    @Inject(DataSource) private readonly dataSource: DataSource,
    @Inject(AUDIT) private readonly audit: Audit,
  ) {}

  /** Who may do what asks for a role, by the rules of the guard; those who hold it themselves before the admins. */
  async holders(orgId: string, role: PersonRole): Promise<RoleHolders> {
    const rows = (await this.dataSource.query(
      `select name, count(*) over ()::int as of from people
       where org_id = $1 and disabled_at is null and (roles && array[$2, 'admin'] or ($2 = 'viewer' and roles <> '{}'))
       order by $2 = any(roles) desc, name limit ${MOST_HOLDERS}`,
      [orgId, role],
    )) as { name: string; of: number }[];
    return { names: rows.map(({ name }) => name), more: (rows[0]?.of ?? 0) - rows.length };
  }

  async me(actor: Actor): Promise<Me> {
    const person = await this.person(this.dataSource.manager, actor.orgId, actor.personId);
    const orgs = (await this.dataSource.query('select id, slug from orgs where id = $1', [actor.orgId])) as Me['org'][];
    return { person: toPerson(person), org: orgs[0]! };
  }

  async people(actor: Actor, query: PageQuery): Promise<PeoplePage> {
    const [name, id] = query.after ? decodeCursor(query.after, z.tuple([z.string(), z.uuid()])) : [null, null];
    const rows = (await this.dataSource.query(
      `select ${PERSON} from people where org_id = $1 and ($2::text is null or (name, id) > ($2, $3::uuid))
       order by name, id limit $4`,
      [actor.orgId, name, id, query.limit + 1],
    )) as PersonRow[];
    return toPage(rows, query.limit, (row) => [row.name, row.id], toPerson);
  }

  async get(actor: Actor, id: string): Promise<Person> {
    return toPerson(await this.person(this.dataSource.manager, actor.orgId, id));
  }

  async create(actor: Actor, body: CreatePerson): Promise<Person> {
    return inTransaction(this.dataSource, async (tx) => {
      const rows = (await tx.query(
        `insert into people (org_id, name, email, roles) values ($1, $2, $3, $4)
         on conflict (org_id, name) do nothing returning ${PERSON}`,
        [actor.orgId, body.name, body.email ?? null, body.roles],
      )) as PersonRow[];
      const row = rows[0];
      if (!row) throw new ProblemError('request.conflict', { detail: `somebody is already called ${body.name}` });
      await this.record(tx, actor, 'person.created', row.id, { name: row.name, roles: row.roles.join(' ') });
      return toPerson(row);
    });
  }

  async change(actor: Actor, id: string, body: ChangePerson, expected: number | undefined): Promise<Person> {
    return inTransaction(this.dataSource, async (tx) => {
      // One change of rights at a time, so that two cannot remove the last two admins.
      await tx.query(`select 1 from people where org_id = $1 and 'admin' = any(roles) order by id for update`, [
        actor.orgId,
      ]);
      const before = await this.person(tx, actor.orgId, id, 'for update');
      expectRevision(before.revision, expected);
      const taken = (await tx.query('select 1 from people where org_id = $1 and name = $2 and id <> $3', [
        actor.orgId,
        body.name ?? before.name,
        id,
      ])) as unknown[];
      if (taken.length > 0)
        throw new ProblemError('request.conflict', { detail: `somebody is already called ${body.name ?? ''}` });
      const [rows] = (await tx.query(
        `update people set name = $3, email = $4, roles = $5, revision = revision + 1,
           disabled_at = case when $6 then coalesce(disabled_at, now()) end
         where org_id = $1 and id = $2 returning ${PERSON}`,
        [
          actor.orgId,
          id,
          body.name ?? before.name,
          body.email === undefined ? before.email : body.email,
          body.roles ?? before.roles,
          body.disabled ?? before.disabled_at !== null,
        ],
      )) as [PersonRow[], number];
      await this.refuseWithoutAdmin(tx, actor.orgId);
      // Viewers read the audit; an address is nobody's business but the admins'.
      const { email, ...rest } = body;
      await this.record(tx, actor, 'person.changed', id, { ...rest, ...(email !== undefined && { email: 'changed' }) });
      return toPerson(rows[0]!);
    });
  }

  async tokens(actor: Actor, personId: string): Promise<{ items: ApiToken[] }> {
    this.ownOrAdmin(actor, personId);
    await this.person(this.dataSource.manager, actor.orgId, personId);
    const rows = (await this.dataSource.query(
      `select ${TOKEN} from api_tokens where org_id = $1 and person_id = $2 order by created_at desc, id limit 500`,
      [actor.orgId, personId],
    )) as TokenRow[];
    return { items: rows.map(toToken) };
  }

  /** @throws ProblemError `sign-in.again`: a token made by a browser that was left open would be a proof of nobody. */
  async createToken(actor: Actor, personId: string, body: CreateApiToken): Promise<CreatedApiToken> {
    this.ownOrAdmin(actor, personId);
    return inTransaction(this.dataSource, async (tx) => {
      await expectFreshSignIn(tx, actor);
      await this.person(tx, actor.orgId, personId);
      const token = makeApiToken();
      const rows = (await tx.query(
        `insert into api_tokens (org_id, person_id, name, token_hash, hint, expires_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(days => $6)) returning ${TOKEN}`,
        [actor.orgId, personId, body.name, token.hash, token.hint, body.expiresInDays],
      )) as TokenRow[];
      const row = rows[0]!;
      await this.audit.record(tx, {
        orgId: actor.orgId,
        actor,
        action: 'token.created',
        target: { kind: 'token', id: row.id },
        params: { name: row.name, person: personId, hint: row.hint },
      });
      return { ...toToken(row), token: token.text };
    });
  }

  async revokeToken(actor: Actor, id: string): Promise<void> {
    await inTransaction(this.dataSource, async (tx) => {
      const rows = (await tx.query(`select ${TOKEN} from api_tokens where org_id = $1 and id = $2 for update`, [
        actor.orgId,
        id,
      ])) as TokenRow[];
      const row = rows[0];
      // Somebody else's token is no different from none at all.
      if (!row || (row.person_id !== actor.personId && !actor.roles.includes('admin'))) {
        throw new ProblemError('request.not-found', { what: 'token', id });
      }
      if (row.revoked_at) return;
      await tx.query('update api_tokens set revoked_at = now() where id = $1', [id]);
      await this.audit.record(tx, {
        orgId: actor.orgId,
        actor,
        action: 'token.revoked',
        target: { kind: 'token', id },
        params: { name: row.name, person: row.person_id },
      });
    });
  }

  private ownOrAdmin(actor: Actor, personId: string): void {
    if (actor.personId === personId || actor.roles.includes('admin')) return;
    throw new ProblemError('request.forbidden', { role: 'admin' });
  }

  private async person(tx: Pick<EntityManager, 'query'>, orgId: string, id: string, lock = ''): Promise<PersonRow> {
    const rows = (await tx.query(`select ${PERSON} from people where org_id = $1 and id = $2 ${lock}`, [
      orgId,
      id,
    ])) as PersonRow[];
    const row = rows[0];
    if (!row) throw new ProblemError('request.not-found', { what: 'person', id });
    return row;
  }

  private async refuseWithoutAdmin(tx: EntityManager, orgId: string): Promise<void> {
    const left = (await tx.query(
      `select 1 from people where org_id = $1 and 'admin' = any(roles) and disabled_at is null limit 1`,
      [orgId],
    )) as unknown[];
    if (left.length === 0) throw new ProblemError('request.conflict', { detail: 'nobody would be admin any more' });
  }

  private record(
    tx: EntityManager,
    actor: Actor,
    action: string,
    id: string,
    params: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, { orgId: actor.orgId, actor, action, target: { kind: 'person', id }, params });
  }
}

function toPerson(row: PersonRow): Person {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    roles: row.roles,
    createdAt: row.created_at.toISOString(),
    disabledAt: row.disabled_at?.toISOString() ?? null,
    revision: row.revision,
  };
}

function toToken(row: TokenRow): ApiToken {
  return {
    id: row.id,
    personId: row.person_id,
    name: row.name,
    hint: row.hint,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at?.toISOString() ?? null,
    lastUsedAt: row.last_used_at?.toISOString() ?? null,
    revokedAt: row.revoked_at?.toISOString() ?? null,
  };
}
