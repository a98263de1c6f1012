/** Ties keys and database together, and makes what a first start needs: installation, organization, admin, token. */
import type { ServerId } from '@drydock/contracts';
import type { DataSource, EntityManager } from 'typeorm';
import { makeApiToken } from './features/access/api-token.js';
import { PostgresAudit } from './features/audit/postgres-audit.js';
import { openKeyFiles } from './adapters/keys/key-files.js';
import { adoptStatements, orderKeysThatHold, statementsThatHold } from './adapters/keys/root-statements.js';
import type { ServerKeys } from './adapters/keys/server-keys.port.js';

/** Name of the organization and of the person that the first start makes. */
export const FIRST_ORG = 'default';
export const FIRST_ADMIN = 'admin';
const FIRST_START_LOCK = 0x44524446;
/** Statements are read again after so long, and for an unknown key at most so often. */
const KEYS_FRESH_MS = 60_000;
const KEYS_PAUSE_MS = 1_000;

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
    await adoptStatements(tx, files);
    const held = { keys: await orderKeysThatHold(tx, files.serverId), readAtMs: performance.now() };
    if (!held.keys.has(files.orderKey.kid)) {
      throw new Error(`No root statement of this installation names the order key in ${keysDir}.`);
    }
    const keys: ServerKeys = {
      serverId: files.serverId as ServerId,
      orderKey: files.orderKey,
      resolveOrderKey: async (kid) => {
        // An order key may be changed, and its predecessor may end, while we run.
        if (performance.now() - held.readAtMs > KEYS_FRESH_MS || !held.keys.has(kid)) {
          if (performance.now() - held.readAtMs > KEYS_PAUSE_MS) {
            held.keys = await orderKeysThatHold(dataSource.manager, files.serverId);
            held.readAtMs = performance.now();
          }
        }
        return held.keys.get(kid);
      },
      rootStatements: () => statementsThatHold(dataSource.manager),
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
