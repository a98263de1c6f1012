/**
 * A new order key. The root key signs two statements while it is at hand: one that names both keys, and one for the end
 * of the overlap that names the new one alone; then it goes offline again. Agents take a statement when they meet a
 * signature they do not know, and once a day.
 */
import {
  keyFingerprint,
  generateSigningKey,
  importSigningKey,
  signRootStatement,
  type PublicJwk,
} from '@drydock/contracts';
import pg from 'pg';
import { readOrderKeyFile, readRootKeyFile, replaceOrderKeyFile } from '../adapters/keys/key-files.js';
import { readStatement } from '../adapters/keys/root-statements.js';
import type { Settings } from '../settings/settings.js';
import { keysDirOf, withDatabaseUrl } from './open-parts.js';

/** Longest time that two keys are good side by side. */
const MAX_OVERLAP_HOURS = 24 * 365;

export interface Rotation {
  readonly kid: string;
  /** Of the statement that holds now. */
  readonly version: number;
  readonly retiresAt: string | null;
}

/**
 * @param options.overlapHours for so long orders of the key before are taken, too; 0 for a key that was stolen.
 * @throws Error when the root key is not that of this installation, or nothing is there to change.
 */
export async function rotateOrderKey(
  settings: Settings,
  options: { rootKeyFile: string; overlapHours: number },
): Promise<Rotation> {
  const { overlapHours } = options;
  if (!Number.isFinite(overlapHours) || overlapHours < 0 || overlapHours > MAX_OVERLAP_HOURS) {
    throw new Error(`The overlap is a number of hours from 0 to ${MAX_OVERLAP_HOURS}.`);
  }
  const folder = keysDirOf(settings);
  const file = readOrderKeyFile(folder);
  const rootFile = readRootKeyFile(options.rootKeyFile);
  const root = await importSigningKey(rootFile.rootKey);
  if (rootFile.serverId !== file.serverId || root.kid !== (await keyFingerprint(file.rootPublicKey))) {
    throw new Error(`${options.rootKeyFile} is not the root key of this installation.`);
  }
  const fresh = await generateSigningKey();

  return withDatabaseUrl(settings, async (url) => {
    const client = new pg.Client({ connectionString: url, application_name: 'drydock-keys' });
    await client.connect();
    try {
      await client.query('begin');
      await client.query('lock table root_statements in exclusive mode');
      const stored = await client.query<{ version: number; jws: string; holds: boolean }>(
        'select version, jws, effective_at <= clock_timestamp() as holds from root_statements order by version',
      );
      const holding = stored.rows.filter((row) => row.holds).at(-1);
      if (!holding) throw new Error('The database holds no root statement: start the server once first.');
      const present = readStatement(holding.jws);
      if (present.server !== file.serverId) throw new Error('Keys and database are of two installations.');
      const clock = await client.query<{ ms: number }>(
        'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
      );
      const nowMs = Math.floor(clock.rows[0]!.ms);
      // One that was signed ahead and does not hold yet would bring the old key's end, or its return: it is overtaken.
      const version = Math.max(...stored.rows.map((row) => row.version)) + 1;
      const sign = (number: number, orderKeys: PublicJwk[]) =>
        signRootStatement(
          { v: 1, server: file.serverId, version: number, root: root.publicJwk, orderKeys, issuedAtMs: nowMs },
          root,
        );
      const before = await importSigningKey(file.orderKey);
      const retiresAtMs = overlapHours > 0 ? nowMs + overlapHours * 3_600_000 : null;
      const made = [
        {
          version,
          jws: await sign(version, retiresAtMs === null ? [fresh.publicJwk] : [fresh.publicJwk, before.publicJwk]),
          effectiveAtMs: nowMs,
        },
        ...(retiresAtMs === null
          ? []
          : [{ version: version + 1, jws: await sign(version + 1, [fresh.publicJwk]), effectiveAtMs: retiresAtMs }]),
      ];
      await client.query('delete from root_statements where effective_at > clock_timestamp()');
      for (const statement of made) {
        await client.query(
          'insert into root_statements (version, jws, effective_at) values ($1, $2, to_timestamp($3::float8 / 1000))',
          [statement.version, statement.jws, statement.effectiveAtMs],
        );
      }
      await client.query(
        `insert into audit (org_id, at, actor_kind, actor_name, action, params)
         select id, clock_timestamp(), 'system', 'command line', 'installation.order-key-changed', $1::jsonb from orgs`,
        [JSON.stringify({ kid: fresh.kid, before: before.kid, version, overlapHours })],
      );
      // The file first: a statement without its key could be signed again, a key without a statement is told at start.
      const later = [
        ...file.later.filter(({ effectiveAtMs }) => effectiveAtMs <= nowMs),
        ...made.map(({ jws, effectiveAtMs }) => ({ jws, effectiveAtMs })),
      ];
      replaceOrderKeyFile(folder, { ...file, orderKey: fresh.privateJwk, later });
      await client.query('commit');
      return {
        kid: fresh.kid,
        version,
        retiresAt: retiresAtMs === null ? null : new Date(retiresAtMs).toISOString(),
      };
    } finally {
      await client.end();
    }
  });
}
