/** Database and blob store for a command, beside a server that may be running or without one. */
import { join } from 'node:path';
import { FolderBlobStore } from '../adapters/blob-store/folder-blob-store.js';
import { S3BlobStore } from '../adapters/blob-store/s3-blob-store.js';
import { EmbeddedPostgres } from '../adapters/database/embedded-postgres.js';
import type { Settings } from '../settings/settings.js';

/** Runs `work` with the address of the database; an embedded one that was not running is stopped again. */
export async function withDatabaseUrl<T>(settings: Settings, work: (url: string) => Promise<T>): Promise<T> {
  if (settings.databaseUrl !== undefined) return work(settings.databaseUrl);
  const postgres = await EmbeddedPostgres.start({
    dataDir: settings.dataDir,
    fsync: settings.embeddedFsync,
    guest: true,
  });
  try {
    await postgres.ensureDatabase();
    return await work(postgres.url());
  } finally {
    if (!postgres.adopted) await postgres.stop();
  }
}

export function makeBlobStore(settings: Settings): FolderBlobStore | S3BlobStore {
  if (!settings.s3Bucket) return new FolderBlobStore(join(settings.dataDir, 'blobs'));
  return new S3BlobStore({
    bucket: settings.s3Bucket,
    prefix: settings.s3Prefix,
    region: settings.s3Region,
    createBucket: settings.s3CreateBucket,
    ...(settings.s3Endpoint ? { endpoint: settings.s3Endpoint } : {}),
    ...(settings.s3AccessKeyId && settings.s3SecretAccessKey
      ? { credentials: { accessKeyId: settings.s3AccessKeyId, secretAccessKey: settings.s3SecretAccessKey } }
      : {}),
  });
}

export const keysDirOf = (settings: Settings): string => settings.keysDir ?? join(settings.dataDir, 'keys');
