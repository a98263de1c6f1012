/** What a backup consists of. The manifest is written last: a folder without one is no backup. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

export const MANIFEST_FILE = 'manifest.json';
export const ORDER_KEY_FILE = 'keys/order.key.json';

const Identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);
const Hash = z.string().regex(/^[0-9a-f]{64}$/);

export const BackupManifest = z.object({
  format: z.literal(1),
  madeAt: z.iso.datetime(),
  serverId: z.uuid(),
  reign: z.int(),
  postgres: z.string(),
  migrations: z.array(z.string().max(200)).min(1),
  /** In an order in which they can be loaded. */
  tables: z.array(
    z.object({
      name: Identifier,
      columns: z.array(Identifier).min(1),
      rows: z.int().min(0),
      file: z.string().regex(/^tables\/[a-z_0-9]+\.copy\.gz$/),
      sha256: Hash,
    }),
  ),
  partitions: z.array(Identifier),
  blobs: z.array(z.object({ sha256: Hash, sizeBytes: z.int().min(0) })),
  /** Named by artifacts, but not in the store, or damaged there. */
  missingBlobs: z.array(Hash),
  keys: z.object({
    /** The file with the order key lies beside the manifest. */
    orderKey: z.boolean(),
    orderKeySha256: Hash.nullable(),
    orderKid: z.string(),
    /** RFC 7638 thumbprint of the root key, which is never in a backup. */
    rootFingerprint: z.string(),
  }),
});
export type BackupManifest = z.infer<typeof BackupManifest>;

/** @throws Error naming what is wrong. */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, MANIFEST_FILE);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new Error(`${path} cannot be read: that folder holds no backup, or one that was cut off.`);
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${path} is not JSON.`);
  }
  const parsed = BackupManifest.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new Error(`${path} is broken at ${issue.path.join('.')}: ${issue.message}.`);
}

/** Every file that the manifest names is there and has its hash. @throws Error naming the first that does not. */
export async function checkFiles(folder: string, manifest: BackupManifest): Promise<void> {
  const expected = [
    ...manifest.tables.map(({ file, sha256 }) => ({ file, sha256 })),
    ...manifest.blobs.map(({ sha256 }) => ({ file: blobFile(sha256), sha256 })),
    ...(manifest.keys.orderKeySha256 === null ? [] : [{ file: ORDER_KEY_FILE, sha256: manifest.keys.orderKeySha256 }]),
  ];
  for (const { file, sha256 } of expected) {
    const found = await hashOfFile(join(folder, file)).catch(() => undefined);
    if (found === undefined) throw new Error(`The backup lacks ${file}.`);
    if (found !== sha256) throw new Error(`The backup is damaged: ${file} is not what it was.`);
  }
}

export const blobFile = (sha256: string): string => `blobs/${sha256}`;

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Passes bytes on and looks at them. */
export function hashing(): { stream: Transform; digest(): string; bytes(): number; lines(): number } {
  const hash = createHash('sha256');
  let bytes = 0;
  let lines = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
      done(null, chunk);
    },
  });
  return { stream, digest: () => hash.digest('hex'), bytes: () => bytes, lines: () => lines };
}
