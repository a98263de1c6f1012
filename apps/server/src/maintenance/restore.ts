/**
 * Puts a backup into an empty database. Nothing is loaded before every hash was checked, and the database holds all or
 * nothing. The mark that is left makes the next start raise the reign, pause all campaigns, and ask the gateways for
 * what the backup does not know.
 */
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { z } from 'zod';
import type { BlobStore } from '../adapters/blob-store/blob-store.port.js';
import { migrateTo } from '../adapters/database/database.js';
import { createPartitionNamed } from '../adapters/database/partitions.js';
import type { Settings } from '../settings/settings.js';
import { blobFile, checkFiles, ORDER_KEY_FILE, readManifest, type BackupManifest } from './backup-manifest.js';
import { keysDirOf, makeBlobStore, withDatabaseUrl } from './open-parts.js';

/** Nothing is granted until the start after the restore has said what holds; that start sets the true end. */
const UNTIL_THE_NEXT_START = "interval '10 years'";

/**
 * @throws Error with a sentence: no backup, a damaged one, one of a newer version, or a target that is not empty.
 *   Nothing of the database has changed then but an empty schema.
 */
export async function restoreBackup(settings: Settings, folder: string): Promise<BackupManifest> {
  const manifest = await readManifest(folder);
  await checkFiles(folder, manifest);
  await checkKeys(settings, manifest);
  await withDatabaseUrl(settings, async (url) => {
    await withClient(url, refuseUsed);
    // The load of the database is last: it is what makes the restore done.
    await putOrderKey(settings, folder, manifest);
    // What is in the store already does no harm: its name is its content.
    await putBlobs(makeBlobStore(settings), folder, manifest);
    await migrateTo(url, manifest.migrations);
    await withClient(url, (client) => load(client, folder, manifest));
  });
  return manifest;
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'drydock-restore' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A schema without an installation is what a restore that was cut off leaves: it is used. */
async function refuseUsed(client: pg.Client): Promise<void> {
  const tables = await client.query<{ name: string }>(
    `select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not c.relispartition and c.relname <> 'migrations'`,
  );
  for (const { name } of tables.rows) {
    const rows = await client.query(`select 1 from "${name.replaceAll('"', '""')}" limit 1`);
    if (rows.rowCount) {
      throw new Error(`The database is not empty (${name} has rows): a restore goes into an empty one.`);
    }
  }
}

async function load(client: pg.Client, folder: string, manifest: BackupManifest): Promise<void> {
  await client.query('begin');
  try {
    // Two restores at once, or a server that starts on it meanwhile.
    await client.query('lock table installation in access exclusive mode');
    await refuseUsed(client);
    for (const name of manifest.partitions) await createPartitionNamed((sql) => client.query(sql), name);
    for (const { name, columns, rows, file } of manifest.tables) {
      const list = columns.map((column) => `"${column}"`).join(', ');
      const into = client.query(copyFrom(`copy "${name}" (${list}) from stdin`));
      await pipeline(createReadStream(join(folder, file)), createGunzip(), into);
      if (into.rowCount !== rows) throw new Error(`${name}: ${into.rowCount} rows were loaded instead of ${rows}.`);
    }
    await raiseSequences(client);
    await client.query(
      `update installation set restore_pending = true, settling_until = clock_timestamp() + ${UNTIL_THE_NEXT_START}`,
    );
    // Old news: who was told, was told; who was not, hears that the installation was restored.
    await client.query(
      `update webhook_deliveries set state = 'failed', ended_at = clock_timestamp(), leased_until = null where state = 'waiting'`,
    );
    // Who signed out after the backup stays signed out; a link that was used since is no link again.
    await client.query('update sessions set ended_at = clock_timestamp() where ended_at is null');
    await client.query('delete from password_links');
    await client.query('delete from oidc_attempts');
    await client.query('update events set fanned_out_at = clock_timestamp() where fanned_out_at is null');
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Numbers that the database gives go on behind the highest that was loaded. */
async function raiseSequences(client: pg.Client): Promise<void> {
  const columns = await client.query<{ table_name: string; column_name: string }>(
    `select table_name, column_name from information_schema.columns c
     where table_schema = 'public' and is_identity = 'YES'
       and not (select relispartition from pg_class where oid = format('public.%I', c.table_name)::regclass)`,
  );
  for (const { table_name: table, column_name: column } of columns.rows) {
    await client.query(
      `select setval(pg_get_serial_sequence('public."${table}"', '${column}'), coalesce(max("${column}"), 0) + 1, false) from "${table}"`,
    );
  }
}

async function putBlobs(
  store: BlobStore & { start(): Promise<void> },
  folder: string,
  manifest: BackupManifest,
): Promise<void> {
  await store.start();
  for (const { sha256 } of manifest.blobs) {
    if (await store.has(sha256)) continue;
    const pending = await store.begin();
    try {
      for await (const chunk of createReadStream(join(folder, blobFile(sha256)))) await pending.write(chunk as Buffer);
      await pending.commit(sha256);
    } catch (error) {
      await pending.discard();
      throw error;
    }
  }
}

/** Keys that lie there already stay: they may be newer than the backup's. Those of another installation refuse it. */
async function checkKeys(settings: Settings, manifest: BackupManifest): Promise<void> {
  const path = join(keysDirOf(settings), 'order.key.json');
  if (!existsSync(path)) {
    if (manifest.keys.orderKey) return;
    throw new Error(
      `The backup was made without the order key, and ${path} does not exist: put it there, ` +
        'or make a new one with "rotate-order-key" and the root key.',
    );
  }
  const parsed = z.object({ serverId: z.uuid() }).safeParse(JSON.parse(await readFile(path, 'utf8')) as unknown);
  if (parsed.success && parsed.data.serverId === manifest.serverId) return;
  throw new Error(`${path} belongs to another installation than the backup: use another DRYDOCK_KEYS_DIR.`);
}

async function putOrderKey(settings: Settings, folder: string, manifest: BackupManifest): Promise<void> {
  const target = join(keysDirOf(settings), 'order.key.json');
  if (!manifest.keys.orderKey || existsSync(target)) return;
  await mkdir(keysDirOf(settings), { recursive: true, mode: 0o700 });
  await copyFile(join(folder, ORDER_KEY_FILE), target);
  await chmod(target, 0o600);
}
