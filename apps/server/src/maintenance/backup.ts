/**
 * A backup: every table as one snapshot sees it, the bytes of every artifact, and the order key. Runs beside a server
 * that works. The root key is never in it: it is kept apart, offline.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, open, readdir, readFile, rename, rm, writeFile, chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { keyFingerprint } from '@drydock/contracts';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { BlobStore } from '../adapters/blob-store/blob-store.port.js';
import { openKeyFiles } from '../adapters/keys/key-files.js';
import type { Settings } from '../settings/settings.js';
import { blobFile, hashing, MANIFEST_FILE, ORDER_KEY_FILE, type BackupManifest } from './backup-manifest.js';
import { keysDirOf, makeBlobStore, withDatabaseUrl } from './open-parts.js';

export interface BackupOptions {
  readonly folder: string;
  /** False leaves the order key out: then the installation can speak to its gateways again only by a new one. */
  readonly withOrderKey?: boolean;
  /** After the snapshot was taken; for tests of what happens meanwhile. */
  readonly onSnapshot?: () => Promise<void>;
}

/** @throws Error with a sentence; what stands in the folder then has no manifest, and is no backup. */
export async function makeBackup(settings: Settings, options: BackupOptions): Promise<BackupManifest> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty: a backup gets a folder of its own.`);
  for (const part of ['tables', 'blobs', 'keys']) await mkdir(join(folder, part), { mode: 0o700 });
  const keys = await openKeyFiles(keysDirOf(settings), false);

  return withDatabaseUrl(settings, async (url) => {
    const client = new pg.Client({ connectionString: url, application_name: 'drydock-backup' });
    await client.connect();
    try {
      // One snapshot for all tables; nothing waits for it, and it waits for nothing.
      await client.query('begin isolation level repeatable read read only');
      const facts = await readFacts(client);
      if (facts.serverId !== keys.serverId) throw new Error('Keys and database are of two installations.');
      await options.onSnapshot?.();
      const tables: BackupManifest['tables'] = [];
      for (const table of await tablesInOrder(client)) tables.push(await copyTable(client, folder, table));
      const hashes = await client.query<{ sha256: string }>('select distinct sha256 from artifacts order by 1');
      const { blobs, missingBlobs } = await copyBlobs(
        makeBlobStore(settings),
        folder,
        hashes.rows.map(({ sha256 }) => sha256),
      );
      const manifest: BackupManifest = {
        format: 1,
        ...facts,
        tables,
        blobs,
        missingBlobs,
        keys: {
          ...(await copyOrderKey(settings, folder, options.withOrderKey ?? true)),
          orderKid: keys.orderKey.kid,
          rootFingerprint: await keyFingerprint(keys.rootPublicKey),
        },
      };
      await writeWhole(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
      return manifest;
    } finally {
      await client.end();
    }
  });
}

async function readFacts(
  client: pg.Client,
): Promise<Pick<BackupManifest, 'madeAt' | 'serverId' | 'reign' | 'postgres' | 'migrations' | 'partitions'>> {
  const installation = await client
    .query<{ server_id: string; reign: string; now: Date; version: string }>(
      `select server_id, reign, now() as now, current_setting('server_version') as version from installation`,
    )
    .catch(() => undefined);
  const row = installation?.rows[0];
  if (!row) throw new Error('The database holds no installation: there is nothing to back up.');
  const migrations = await client.query<{ name: string }>('select name from migrations order by timestamp');
  const partitions = await client.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent in ('reports'::regclass, 'audit'::regclass) and c.relkind = 'r' order by 1`,
  );
  return {
    madeAt: row.now.toISOString(),
    serverId: row.server_id,
    reign: Number(row.reign),
    postgres: row.version,
    migrations: migrations.rows.map(({ name }) => name),
    partitions: partitions.rows.map(({ name }) => name),
  };
}

/** Tables of ours; one that refers to another comes after it. */
async function tablesInOrder(client: pg.Client): Promise<{ name: string; columns: string[] }[]> {
  const found = await client.query<{ name: string; columns: string[]; needs: string[] }>(
    `select c.relname as name,
       (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
       (select coalesce(array_agg(distinct f.confrelid::regclass::text), '{}') from pg_constraint f
        where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as needs
     from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and c.relname <> 'migrations' order by 1`,
  );
  const left = new Map(found.rows.map((row) => [row.name, row]));
  const ordered: { name: string; columns: string[] }[] = [];
  while (left.size > 0) {
    const ready = [...left.values()].filter((row) => row.needs.every((need) => !left.has(need)));
    if (ready.length === 0) throw new Error(`Tables refer to each other in a circle: ${[...left.keys()].join(', ')}.`);
    for (const { name, columns } of ready) {
      ordered.push({ name, columns });
      left.delete(name);
    }
  }
  return ordered;
}

async function copyTable(
  client: pg.Client,
  folder: string,
  { name, columns }: { name: string; columns: string[] },
): Promise<BackupManifest['tables'][number]> {
  const file = `tables/${name}.copy.gz`;
  const list = columns.map((column) => `"${column}"`).join(', ');
  const plain = hashing();
  const packed = hashing();
  const path = join(folder, file);
  await pipeline(
    client.query(copyTo(`copy (select ${list} from "${name}") to stdout`)),
    plain.stream,
    createGzip({ level: 4 }),
    packed.stream,
    createWriteStream(path, { flags: 'wx', mode: 0o600 }),
  );
  await syncPath(path);
  // In the text format of COPY a row is a line: line feeds within values are escaped.
  return { name, columns, rows: plain.lines(), file, sha256: packed.digest() };
}

async function copyBlobs(
  store: BlobStore,
  folder: string,
  hashes: readonly string[],
): Promise<Pick<BackupManifest, 'blobs' | 'missingBlobs'>> {
  const blobs: BackupManifest['blobs'] = [];
  const missingBlobs: string[] = [];
  for (const sha256 of hashes) {
    const found = await store.open(sha256);
    if (!found) {
      missingBlobs.push(sha256);
      continue;
    }
    const seen = hashing();
    const path = join(folder, blobFile(sha256));
    await pipeline(found.stream, seen.stream, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    if (seen.digest() === sha256) {
      await syncPath(path);
      blobs.push({ sha256, sizeBytes: seen.bytes() });
    } else {
      await rm(path, { force: true });
      missingBlobs.push(sha256);
    }
  }
  return { blobs, missingBlobs };
}

async function copyOrderKey(
  settings: Settings,
  folder: string,
  wanted: boolean,
): Promise<Pick<BackupManifest['keys'], 'orderKey' | 'orderKeySha256'>> {
  if (!wanted) return { orderKey: false, orderKeySha256: null };
  const path = join(folder, ORDER_KEY_FILE);
  await copyFile(join(keysDirOf(settings), 'order.key.json'), path);
  await chmod(path, 0o600);
  await syncPath(path);
  const digest = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return { orderKey: true, orderKeySha256: digest };
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const half = `${path}.new`;
  await writeFile(half, text, { mode: 0o600, flush: true });
  await rename(half, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync().catch(() => undefined);
  } finally {
    await folder.close();
  }
}
