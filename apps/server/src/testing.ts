/**
 * For specs, the e2e stories, benches and tools: a real server in this process, or as a process of its own.
 *
 * In one process all servers share one throw-away Postgres cluster, each with a fresh database copied from a migrated
 * template. The cluster ends with the process that started it, even when that one is killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { runMigrations } from 'bullmq';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { openDatabase } from './adapters/database/database.js';
import { EmbeddedPostgres } from './adapters/database/embedded-postgres.js';
import type { Platform } from './adapters/platform.module.js';
import { readSettings } from './settings/settings.js';
import { startServer } from './start-server.js';

export { EmbeddedPostgres } from './adapters/database/embedded-postgres.js';
export { startBareBroker } from './adapters/mqtt/bare-broker.js';
export { CLOCK_MARGIN_MS } from './domain/clock-margin.js';
export { CampaignEngine } from './features/dispatch/campaign-engine.js';

const TEMPLATE = 'drydock_template';

export interface TestServer {
  readonly app: NestExpressApplication;
  readonly platform: Platform;
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly mqttUrl: string;
  /** Of the start that made the installation; a restart on the same data folder gives the same one. */
  readonly adminToken: string;
  readonly dataSource: DataSource;
  readonly dataDir: string;
  /** A temporary data folder and its database are removed; those of a given folder are kept for the next start. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** Kept by the caller; a second start on it finds the database of the first. */
  readonly dataDir?: string;
  /** Settings by their names in the environment, over the defaults of tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Starts a whole server on free ports. @throws Error when it cannot start. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? makeTestFolder();
  const database = await testDatabase(dataDir, options.settings?.DATABASE_URL);
  const settings = readSettings({
    DRYDOCK_DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    DRYDOCK_DATABASE_POOL_SIZE: '6',
    DRYDOCK_HTTP_PORT: '0',
    DRYDOCK_MQTT_PORT: '0',
    DRYDOCK_LOG_LEVEL: process.env.DRYDOCK_TEST_LOG_LEVEL ?? 'error',
    ...options.settings,
  });
  const removeTemporary = async () => {
    if (options.dataDir !== undefined) return;
    await database.drop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const server = await startServer(settings).catch(async (error: unknown) => {
    await removeTemporary();
    throw error;
  });
  const tokenFile = join(dataDir, 'test-admin-token');
  if (server.firstStart) writeFileSync(tokenFile, server.firstStart.adminToken, { mode: 0o600 });
  return {
    app: server.app,
    platform: server.platform,
    baseUrl: server.baseUrl,
    mqttUrl: server.mqttUrl,
    adminToken: readFileSync(tokenFile, 'utf8'),
    dataSource: server.platform.dataSource,
    dataDir,
    stop: async () => {
      await server.stop();
      await removeTemporary();
    },
  };
}

/** A temporary folder that the database's user can enter, too. The caller removes it. */
export function makeTestFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-test-'));
  // As root, Postgres runs as another user.
  chmodSync(folder, 0o755);
  return folder;
}

/** A fresh, migrated database in the shared cluster, for specs that need no server. */
export async function freshDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const cluster = await sharedCluster();
  const name = `t_${randomBytes(8).toString('hex')}`;
  await asOwner(cluster.adminUrl, (client) => client.query(`create database ${name} template ${TEMPLATE}`));
  return {
    url: withDatabase(cluster.adminUrl, name),
    drop: () =>
      asOwner(cluster.adminUrl, async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
      }),
  };
}

export interface SpawnedServer {
  readonly pid: number;
  readonly baseUrl: string;
  readonly mqttUrl: string;
  /** Only of the start that made the installation. */
  readonly adminToken?: string;
  /** All it has written so far, both streams. */
  output(): string;
  /** Sends a signal and waits for the end. SIGKILL leaves an embedded database running: start again, or `destroy`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Ends the server and its embedded database, however they are. */
  destroy(): Promise<void>;
}

/**
 * Starts `dist/main.js` as a process of its own on a data folder (see {@link makeTestFolder}). Needs a build.
 * @param settings by their names in the environment; ports are free ones unless given.
 */
export async function spawnServer(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<SpawnedServer> {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  if (!existsSync(main)) throw new Error(`${main} is missing: build first.`);
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(?:DRYDOCK_|NODE_OPTIONS$|DATABASE_URL$|REDIS_URL$|MQTT_URL$)/.test(name),
  );
  const child = spawn(process.execPath, [main], {
    env: {
      ...Object.fromEntries(inherited),
      DRYDOCK_DATA_DIR: dataDir,
      DRYDOCK_HTTP_PORT: '0',
      DRYDOCK_MQTT_PORT: '0',
      DRYDOCK_LOG_LEVEL: 'warn',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  // What a person sees at the start comes on standard output alone; logs and warnings of Node may fall in between.
  let shownText = '';
  const take = (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-200_000));
  child.stdout.on('data', (chunk: Buffer) => (shownText = (shownText + chunk.toString('utf8')).slice(-200_000)));
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));

  const shown = await untilShown(
    child,
    () => shownText,
    () => output,
  );
  return {
    pid: child.pid!,
    ...shown,
    output: () => output,
    kill: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
    destroy: async () => {
      child.kill('SIGKILL');
      await ended;
      if (settings.DATABASE_URL) return;
      const postgres = await EmbeddedPostgres.start({ dataDir, fsync: false });
      await postgres.stop();
    },
  };
}

async function untilShown(
  child: ChildProcess,
  shown: () => string,
  output: () => string,
): Promise<{ baseUrl: string; mqttUrl: string; adminToken?: string }> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const text = shown();
    const http = /^ {2}API +(\S+)\/api\/docs$/m.exec(text)?.[1];
    // The block ends in an empty line; what comes before it is whole.
    if (http && /^ {2}Data .*\n(?:.*\n)*\n$/m.test(text.slice(text.indexOf('Drydock is running.')))) {
      const mqttUrl = /^ {2}Broker +(\S+)$/m.exec(text)?.[1] ?? '';
      const adminToken = /^ {4}(dd_\S+)$/m.exec(text)?.[1];
      return { baseUrl: http, mqttUrl, ...(adminToken ? { adminToken } : {}) };
    }
    if (child.exitCode !== null || child.signalCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.kill('SIGKILL');
  throw new Error(`The server did not start: ${output().slice(-4000)}`);
}

async function testDatabase(
  dataDir: string,
  given: string | undefined,
): Promise<{ url: string; drop(): Promise<void> }> {
  if (given !== undefined) return { url: given, drop: async () => undefined };
  const file = join(dataDir, 'test-database');
  if (existsSync(file)) return { url: readFileSync(file, 'utf8'), drop: async () => undefined };
  const database = await freshDatabase();
  writeFileSync(file, database.url, { mode: 0o600 });
  return database;
}

interface SharedCluster {
  readonly adminUrl: string;
}

/** Spec files of one Jest worker share no memory, only its process id: the cluster's address is kept in a file. */
async function sharedCluster(): Promise<SharedCluster> {
  const folder = join(tmpdir(), `drydock-test-cluster-${process.pid}`);
  const file = join(folder, 'cluster.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as SharedCluster;
  rmSync(folder, { recursive: true, force: true });
  const postgres = await EmbeddedPostgres.start({
    dataDir: folder,
    fsync: false,
    // The claim's connection would end with the spec file that made it.
    guest: true,
    parameters: { full_page_writes: 'off', synchronous_commit: 'off', shared_buffers: '64MB' },
  });
  watch(postgres.pid, folder);
  await postgres.ensureDatabase(TEMPLATE);
  const url = postgres.url(TEMPLATE);
  const database = await openDatabase({
    url,
    poolSize: 4,
    retention: { reportDays: 30, auditMonths: 24 },
    onPoolError: () => undefined,
  });
  await database.close();
  // The queue's tables, too: made once here instead of at every start.
  await asOwner(url, (client) => runMigrations(client));
  const cluster = { adminUrl: postgres.url('postgres') };
  writeFileSync(file, JSON.stringify(cluster), { mode: 0o600 });
  return cluster;
}

/** A tiny process that stops the cluster and removes its folder when we are gone, however we go. */
function watch(pid: number, folder: string): void {
  const script = `
    const { rmSync } = require('node:fs');
    const [pid, folder] = [Number(process.argv[1]), process.argv[2]];
    const alive = () => { try { process.kill(pid, 0); return true; } catch (error) { return error.code === 'EPERM'; } };
    process.on('SIGINT', () => {}); process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {});
    process.stdin.resume();
    process.stdin.on('close', async () => {
      if (alive()) process.kill(pid, 'SIGQUIT');
      for (let i = 0; i < 200 && alive(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
      rmSync(folder, { recursive: true, force: true });
      process.exit(0);
    });`;
  const watcher = spawn(process.execPath, ['-e', script, String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env: { PATH: process.env.PATH ?? '' },
  });
  watcher.unref();
  (watcher.stdin as unknown as { unref(): void }).unref();
}

async function asOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const parsed = new URL(url);
  parsed.pathname = `/${name}`;
  return parsed.toString();
}
