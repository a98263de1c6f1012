/**
 * Root statements in the database. One that was signed ahead holds from its moment on. Their signatures are checked when
 * they are stored; agents check them again.
 */
import {
  importVerifyingKey,
  RootStatement,
  verifyRootStatement,
  type PublicJwk,
  type VerifyingKey,
} from '@drydock/contracts';
import type { EntityManager } from 'typeorm';

type Queryable = Pick<EntityManager, 'query'>;

/** Statements that hold now, oldest first. */
export async function statementsThatHold(tx: Queryable): Promise<string[]> {
  const rows = (await tx.query(
    'select jws from root_statements where effective_at <= clock_timestamp() order by version',
  )) as { jws: string }[];
  return rows.map((row) => row.jws);
}

/** Reads a statement of ours without looking at its signature. @throws Error when it is none. */
export function readStatement(jws: string): RootStatement {
  return RootStatement.parse(JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')));
}

/** Keys of the newest statement that holds. */
export async function orderKeysThatHold(tx: Queryable, serverId: string): Promise<Map<string, VerifyingKey>> {
  const found = new Map<string, VerifyingKey>();
  const newest = (await statementsThatHold(tx)).at(-1);
  if (newest === undefined) return found;
  const statement = readStatement(newest);
  if (statement.server !== serverId) return found;
  for (const jwk of statement.orderKeys) {
    const key = await importVerifyingKey(jwk);
    found.set(key.kid, key);
  }
  return found;
}

/**
 * Statements that stand in the key file alone, because the database was restored from before the key was changed.
 * @throws SignatureError for one that the root did not sign.
 */
export async function adoptStatements(
  tx: Queryable,
  files: {
    readonly serverId: string;
    readonly rootPublicKey: PublicJwk;
    readonly later: readonly { readonly jws: string; readonly effectiveAtMs: number }[];
  },
): Promise<void> {
  for (const { jws, effectiveAtMs } of files.later) {
    const statement = await verifyRootStatement(jws, files.rootPublicKey);
    if (statement.server !== files.serverId) continue;
    await tx.query(
      `insert into root_statements (version, jws, effective_at) values ($1, $2, to_timestamp($3::float8 / 1000))
       on conflict (version) do nothing`,
      [statement.version, jws, effectiveAtMs],
    );
  }
}
