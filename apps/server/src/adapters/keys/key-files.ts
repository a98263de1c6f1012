/**
 * The keys as files: `order.key.json` (online, signs orders) and `root.key.json` (signs only key statements; meant to
 * be moved offline). Servers beside each other on one database share the folder's order key.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  generateSigningKey,
  importSigningKey,
  PrivateJwk,
  PublicJwk,
  signRootStatement,
  type SigningKey,
} from '@drydock/contracts';
import { z } from 'zod';

const OrderKeyFile = z.object({
  serverId: z.uuid(),
  orderKey: PrivateJwk,
  rootPublicKey: PublicJwk,
  statement: z.string(),
  /** Later statements, oldest first, and when each begins to hold: a database that was restored may not know them. */
  later: z.array(z.object({ jws: z.string(), effectiveAtMs: z.number() })).default([]),
});
const RootKeyFile = z.object({ serverId: z.uuid(), rootKey: PrivateJwk });

export interface KeyFiles {
  readonly serverId: string;
  readonly orderKey: SigningKey;
  /** The first root statement, as signed when the keys were made. */
  readonly statement: string;
  /** Statements of later changes of the order key. */
  readonly later: readonly { readonly jws: string; readonly effectiveAtMs: number }[];
  readonly rootPublicKey: PublicJwk;
  /** Where the root key lies, while it still lies beside the order key. */
  readonly rootKeyFile?: string;
}

/**
 * Reads the keys, or makes them when the folder has none.
 * @param mayMake false when the database already belongs to an installation: making other keys would lock out its gateways.
 * @throws Error naming the file that is missing or broken.
 */
export async function openKeyFiles(folder: string, mayMake: boolean): Promise<KeyFiles> {
  const orderPath = join(folder, 'order.key.json');
  const rootPath = join(folder, 'root.key.json');
  if (existsSync(orderPath)) return readOrderKey(orderPath, rootPath);
  if (!mayMake) {
    throw new Error(
      `The database belongs to an installation whose keys are not in ${folder}: ` +
        'copy order.key.json there, or set DRYDOCK_KEYS_DIR to the folder that has it.',
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // A start that was killed half-way has left a root key and nothing else: it is used, never replaced.
  const left = existsSync(rootPath) ? readRootKeyFile(rootPath) : undefined;
  const serverId = left?.serverId ?? randomUUID();
  const rootKey = left?.rootKey ?? (await generateSigningKey()).privateJwk;
  const root = await importSigningKey(rootKey);
  const order = await generateSigningKey();
  const statement = await signRootStatement(
    {
      v: 1,
      server: serverId,
      version: 1,
      root: root.publicJwk,
      orderKeys: [order.publicJwk],
      issuedAtMs: Date.now(),
    },
    root,
  );
  // The root first: an order key without its root could never be rotated.
  if (!left) writeSecret(rootPath, JSON.stringify({ serverId, rootKey }));
  writeSecret(
    orderPath,
    JSON.stringify({ serverId, orderKey: order.privateJwk, rootPublicKey: root.publicJwk, statement }),
  );
  return readOrderKey(orderPath, rootPath);
}

async function readOrderKey(path: string, rootPath: string): Promise<KeyFiles> {
  const { serverId, orderKey, statement, later, rootPublicKey } = readKeyFile(path, OrderKeyFile);
  const key = await importSigningKey(orderKey);
  return {
    serverId,
    orderKey: key,
    statement,
    later,
    rootPublicKey,
    ...(existsSync(rootPath) ? { rootKeyFile: rootPath } : {}),
  };
}

function readKeyFile<T extends z.ZodType>(path: string, schema: T): z.output<T> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The parser's own words would quote the secret.
    throw new Error(`${path} cannot be read as JSON.`);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new Error(`${path} is broken at ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')}.`);
}

export type OrderKeyContent = z.output<typeof OrderKeyFile>;

/** @throws Error naming the file. */
export function readOrderKeyFile(folder: string): OrderKeyContent {
  return readKeyFile(join(folder, 'order.key.json'), OrderKeyFile);
}

/** @param path wherever the root key is kept. @throws Error naming the file. */
export function readRootKeyFile(path: string): z.output<typeof RootKeyFile> {
  return readKeyFile(path, RootKeyFile);
}

/** Puts new content in the place of the order key's file, whole or not at all. */
export function replaceOrderKeyFile(folder: string, content: OrderKeyContent): void {
  const path = join(folder, 'order.key.json');
  const half = `${path}.${process.pid}.new`;
  rmSync(half, { force: true });
  writeSynced(half, JSON.stringify(content));
  renameSync(half, path);
}

/** Whole or not at all, on disk before it counts, readable by nobody else, never over an existing file. */
function writeSecret(path: string, text: string): void {
  const half = `${path}.${process.pid}.new`;
  rmSync(half, { force: true });
  writeSynced(half, text);
  try {
    linkSync(half, path);
  } finally {
    rmSync(half, { force: true });
  }
}

function writeSynced(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
