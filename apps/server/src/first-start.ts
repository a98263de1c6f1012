/** Ties keys and database together, and makes what a first start needs: installation, organization, admin, token. */
import { importVerifyingKey, RootStatement, type ServerId, type VerifyingKey } from '@drydock/contracts';
import type { DataSource, EntityManager } from 'typeorm';
import { makeApiToken } from './features/access/api-token.js';
import { PostgresAudit } from './features/audit/postgres-audit.js';
import { openKeyFiles } from './adapters/keys/key-files.js';
import type { ServerKeys } from './adapters/keys/server-keys.port.js';

/** Name of the organization and of the person that the first start makes. */
export const FIRST_ORG = 'default';
export const FIRST_ADMIN = 'admin';
const FIRST_START_LOCK = 0x44524446;

/** What the terminal shows once and nobody can read again. */
export interface FirstStartSecrets {
  readonly adminToken: string;
  readonly rootKeyFile?: string;
}

/**
 * @throws Error when the keys in the folder are not those of the installation in the database.
 */
export async function establishInstallation(
  dataSource: DataSource,
  keysDir: string,
): Promise<{ keys: ServerKeys; secrets?: FirstStartSecrets }> {
  return dataSource.transaction(async (tx) => {
    // Two servers started at once on an empty database: one makes the installation, the other finds it.
    await tx.query('select pg_advisory_xact_lock($1)', [FIRST_START_LOCK]);
    const rows = (await tx.query('select server_id from installation')) as { server_id: string }[];
    const known = rows[0]?.server_id;
    const files = await openKeyFiles(keysDir, known === undefined);
    if (known !== undefined && known !== files.serverId) {
      throw new Error(
        `The keys in ${keysDir} belong to installation ${files.serverId}, the database to ${known}: ` +
          'they must come from the same installation (DRYDOCK_KEYS_DIR, DATABASE_URL).',
      );
    }
    if (known === undefined) {
      await tx.query('insert into installation (server_id) values ($1)', [files.serverId]);
      await tx.query('insert into root_statements (version, jws) values (1, $1)', [files.statement]);
    }
    const adminToken = await ensureFirstAdmin(tx);
    const verifying = await orderKeys(tx, files.serverId);
    if (!verifying.has(files.orderKey.kid)) {
      throw new Error(`No root statement of this installation names the order key in ${keysDir}.`);
    }
    const keys: ServerKeys = {
      serverId: files.serverId as ServerId,
      orderKey: files.orderKey,
      resolveOrderKey: (kid) => verifying.get(kid),
      rootStatements: () => statements(dataSource.manager),
    };
    if (adminToken === undefined) return { keys };
    return { keys, secrets: { adminToken, ...(files.rootKeyFile ? { rootKeyFile: files.rootKeyFile } : {}) } };
  });
}

async function ensureFirstAdmin(tx: EntityManager): Promise<string | undefined> {
  const found = (await tx.query('select 1 from people limit 1')) as unknown[];
  if (found.length > 0) return undefined;
  const orgs = (await tx.query(
    'insert into orgs (slug) values ($1) on conflict (slug) do update set slug = excluded.slug returning id',
    [FIRST_ORG],
  )) as { id: string }[];
  const people = (await tx.query('insert into people (org_id, name, roles) values ($1, $2, $3) returning id', [
    orgs[0]!.id,
    FIRST_ADMIN,
    ['admin'],
  ])) as { id: string }[];
  const token = makeApiToken();
  await new PostgresAudit().record(tx, {
    orgId: orgs[0]!.id,
    actor: { kind: 'system', name: 'first start' },
    action: 'installation.created',
    target: { kind: 'person', id: people[0]!.id },
    params: { person: FIRST_ADMIN, hint: token.hint },
  });
  await tx.query('insert into api_tokens (org_id, person_id, name, token_hash, hint) values ($1, $2, $3, $4, $5)', [
    orgs[0]!.id,
    people[0]!.id,
    'first start',
    token.hash,
    token.hint,
  ]);
  return token.text;
}

async function statements(tx: Pick<EntityManager, 'query'>): Promise<string[]> {
  const rows = (await tx.query('select jws from root_statements order by version')) as { jws: string }[];
  return rows.map((row) => row.jws);
}

/** Keys of the newest statement; its signature was checked when it was stored, so only its payload is read here. */
async function orderKeys(tx: Pick<EntityManager, 'query'>, serverId: string): Promise<Map<string, VerifyingKey>> {
  const found = new Map<string, VerifyingKey>();
  const newest = (await statements(tx)).at(-1);
  const payload = newest?.split('.')[1];
  if (!payload) return found;
  const statement = RootStatement.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  if (statement.server !== serverId) return found;
  for (const jwk of statement.orderKeys) {
    const key = await importVerifyingKey(jwk);
    found.set(key.kid, key);
  }
  return found;
}
