/**
 * A Postgres of our own under the data folder: started with the server, stopped with it, its data kept.
 *
 * - It listens on loopback only, on a free port, with a password kept in a file of mode 0600.
 * - It runs in a session of its own: Ctrl-C on the terminal reaches the server first, which stops it last.
 * - When the server was killed its Postgres is still running: the next start finds it by its pid file, checks that this
 *   very process serves this very data folder, and takes it over.
 * - One that runs on the same data in another container is found by its socket, and left alone: two would ruin the data.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { PostgresBinaries } from './postgres-binaries.js';
import { choosePlace, type PostgresPlace } from './postgres-place.js';
import { SOCKET_FOLDER, hasNoSockets, isServedThroughSocket, removeDeadSockets } from './postgres-socket.js';
import type { SystemUser } from './unprivileged-user.js';

const USER = 'drydock';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const CLAIM_TIMEOUT_MS = 3_000;
/** A plan of a million devices writes about as much: it does not wait for one checkpoint after the other. */
const MAX_WAL = '2GB';
const WAL_SEGMENT_MIB = 4;
const OWNER_LOCK_KEY = 0x4452444f;

export interface EmbeddedPostgresOptions {
  /** The server's data folder; the cluster is kept in `postgres` below it, if the database's user can reach that. */
  readonly dataDir: string;
  /** false only for throw-away data. */
  readonly fsync: boolean;
  /** Plain sentences for the log: what was chosen and why. */
  readonly say?: (sentence: string) => void;
  /** Only looks in, beside a server that may be running: no claim on the data folder, and no stop of its database. */
  readonly guest?: boolean;
  /** More `-c name=value` settings. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export class EmbeddedPostgres {
  private owner: pg.Client | undefined;

  private constructor(
    private readonly password: string,
    readonly port: number,
    /** Process id of the postmaster. */
    readonly pid: number,
    /** True when it was already running and was taken over. */
    readonly adopted: boolean,
    private readonly child: ChildProcess | undefined,
  ) {}

  /** Starts the cluster, or takes over the one that is running on its data. @throws Error with Postgres's own words. */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const postgres = await EmbeddedPostgres.findOrLaunch(options);
    if (!options.guest) await postgres.claim(options.dataDir);
    return postgres;
  }

  private static async findOrLaunch(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const say = options.say ?? (() => undefined);
    const place = choosePlace(options.dataDir, say);
    const { clusterDir, passwordFile } = place;

    if (!existsSync(join(clusterDir, 'PG_VERSION'))) await initialise(place, options);
    const password = readFileSync(passwordFile, 'utf8').trim();

    const running = await findRunning(clusterDir, password, options.dataDir);
    if (running) {
      say(`The embedded database of the last start is still running (process ${running.pid}); it is used again.`);
      return new EmbeddedPostgres(password, running.port, running.pid, true, undefined);
    }
    removeDeadSockets(clusterDir);
    let socketFolder = SOCKET_FOLDER;
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const started = await launch(place, port, socketFolder, options);
      if ('child' in started) {
        return new EmbeddedPostgres(password, port, started.child.pid!, false, started.child);
      }
      if (socketFolder !== '' && hasNoSockets(started.output)) {
        say(
          `The file system of ${options.dataDir} has no sockets: a second server in another container would not be noticed.`,
        );
        socketFolder = '';
        continue;
      }
      // Somebody took the port between our look and Postgres's bind; anything else is final.
      if (attempt >= 5 || !/could not bind|could not create any TCP/i.test(started.output)) {
        throw new Error(`The embedded database did not start: ${started.output.slice(-2000)}`);
      }
    }
  }

  url(database = 'drydock'): string {
    return `postgres://${USER}:${this.password}@127.0.0.1:${this.port}/${database}`;
  }

  /** Makes the database if it is not there. */
  async ensureDatabase(name = 'drydock', template?: string): Promise<void> {
    await this.asOwner(async (client) => {
      const found = await client.query('select 1 from pg_database where datname = $1', [name]);
      if (found.rowCount) return;
      const from = template === undefined ? '' : ` template ${client.escapeIdentifier(template)}`;
      await client.query(`create database ${client.escapeIdentifier(name)}${from}`);
    });
  }

  async dropDatabase(name: string): Promise<void> {
    await this.asOwner((client) =>
      client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`),
    );
  }

  /** One live server for a data folder: the claim is a lock that ends with this process, however that ends. */
  private async claim(dataDir: string): Promise<void> {
    const owner = new pg.Client({ connectionString: this.url('postgres'), application_name: 'drydock-owner' });
    owner.on('error', () => undefined);
    await owner.connect();
    const deadline = Date.now() + CLAIM_TIMEOUT_MS;
    for (;;) {
      const { rows } = await owner.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [OWNER_LOCK_KEY]);
      if (rows[0]!.got) break;
      // The connection of a server that was just killed takes a moment to be noticed.
      if (Date.now() > deadline) {
        await owner.end();
        throw new Error(`Another server is running on ${dataDir}: stop it, or set DRYDOCK_DATA_DIR to another folder.`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    this.owner = owner;
  }

  /** Fast shutdown: open transactions roll back, everything committed is on disk. */
  async stop(): Promise<void> {
    await this.owner?.end().catch(() => undefined);
    // The child's exit is also seen by the poll, which works for an adopted process, too.
    if (!signal(this.pid, 'SIGINT')) return;
    if (!(await waitUntilGone(this.pid, this.child, STOP_TIMEOUT_MS))) {
      signal(this.pid, 'SIGQUIT');
      await waitUntilGone(this.pid, this.child, 5_000);
    }
  }

  private async asOwner<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.url('postgres') });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

async function initialise(place: PostgresPlace, options: EmbeddedPostgresOptions): Promise<void> {
  const { clusterDir, passwordFile, binaries, user } = place;
  // A first start that was killed half-way leaves a folder that is no cluster.
  rmSync(clusterDir, { recursive: true, force: true });
  mkdirSync(clusterDir, { recursive: true, mode: 0o700 });
  rmSync(passwordFile, { force: true });
  writeFileSync(passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (user) for (const path of [clusterDir, passwordFile]) chownSync(path, user.uid, user.gid);
  for (const program of [binaries.initdb, binaries.postgres]) ensureExecutable(program);
  const result = spawnSync(
    binaries.initdb,
    [
      `--pgdata=${clusterDir}`,
      '--auth=scram-sha-256',
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      // Byte order everywhere: keyset paging must not depend on the machine's locale.
      '--locale=C',
      // A new segment is filled and flushed before it is used, and every commit waits for that: four short waits are
      // better than one long one.
      `--wal-segsize=${WAL_SEGMENT_MIB}`,
      ...(options.fsync ? [] : ['--no-sync']),
    ],
    { ...identity(user), cwd: '/', env: childEnvironment(binaries), encoding: 'utf8', timeout: START_TIMEOUT_MS },
  );
  if (result.status !== 0) {
    rmSync(clusterDir, { recursive: true, force: true });
    const words = result.error?.message ?? `${result.stderr ?? ''}${result.stdout ?? ''}`;
    throw new Error(`The embedded database could not be made: ${words.slice(-2000)}`);
  }
}

/**
 * A sixteenth of the memory, from Postgres's own default up to what the indexes of a million deployments take: with less,
 * every row of a plan pushes a page of an index out that the next row needs again.
 */
function sharedBuffersMiB(): number {
  const limit = process.constrainedMemory() ?? 0;
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.max(128, Math.min(1024, Math.floor(memory / 16 / 1024 ** 2)));
}

async function launch(
  place: PostgresPlace,
  port: number,
  socketFolder: string,
  options: EmbeddedPostgresOptions,
): Promise<{ child: ChildProcess } | { output: string }> {
  const { clusterDir, binaries, user } = place;
  const parameters: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    fsync: options.fsync ? 'on' : 'off',
    shared_buffers: `${sharedBuffersMiB()}MB`,
    max_wal_size: MAX_WAL,
    max_connections: '200',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Its log goes to a file of its own, so that it outlives a killed server and never blocks on a closed pipe.
    logging_collector: 'on',
    log_directory: 'log',
    log_filename: 'postgres-%a.log',
    log_truncate_on_rotation: 'on',
    ...options.parameters,
  };
  const child = spawn(
    binaries.postgres,
    ['-D', clusterDir, ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    {
      ...identity(user),
      cwd: clusterDir,
      env: childEnvironment(binaries),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let output = '';
  child.stderr!.setEncoding('utf8');
  child.stderr!.on('data', (chunk: string) => {
    output = (output + chunk).slice(-10_000);
  });
  let exited = false;
  child.once('error', (error) => {
    output += error.message;
    exited = true;
  });
  child.once('exit', () => (exited = true));

  const password = readFileSync(place.passwordFile, 'utf8').trim();
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!exited && Date.now() < deadline) {
    if (await answers(port, password)) {
      child.stderr!.destroy();
      child.unref();
      return { child };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (!exited) child.kill('SIGQUIT');
  const log = lastLogLines(clusterDir);
  return { output: `${output}${log}` || 'no answer' };
}

/**
 * Looks for a live postmaster on this very data folder. A stale pid file is taken away.
 *
 * @throws Error when a postmaster runs on it that is no process of this machine, or of this container.
 */
async function findRunning(
  clusterDir: string,
  password: string,
  dataDir: string,
): Promise<{ pid: number; port: number } | undefined> {
  const file = join(clusterDir, 'postmaster.pid');
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (existsSync(file)) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const pid = Number(lines[0]);
    const port = Number(lines[3]);
    if (!Number.isInteger(pid) || pid <= 1 || !isPostmasterOf(pid, clusterDir)) {
      if (await isServedThroughSocket(clusterDir, port)) {
        throw new Error(
          `Another server is running on ${dataDir}, in another container: stop it, or set DRYDOCK_DATA_DIR to another folder. ` +
            'A command that works beside a running server is run inside its container (docker exec).',
        );
      }
      // After a reboot the number may belong to a stranger: Postgres would refuse, so the file has to go.
      rmSync(file, { force: true });
      return undefined;
    }
    if (lines[7]?.trim() === 'ready' && (await answers(port, password))) return { pid, port };
    // Starting, recovering or stopping: wait for one or the other.
    if (Date.now() > deadline) throw new Error(`Process ${pid} holds ${clusterDir} but does not answer.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return undefined;
}

function isPostmasterOf(pid: number, clusterDir: string): boolean {
  if (!signal(pid, 0)) return false;
  try {
    // A postmaster's working directory is its data folder.
    return realpathSync(readlinkSync(`/proc/${pid}/cwd`)) === realpathSync(clusterDir);
  } catch {
    // No /proc on this system: fall back to the command line.
    const ps = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
    return ps.status === 0 && ps.stdout.includes('postgres') && ps.stdout.includes(clusterDir);
  }
}

async function answers(port: number, password: string): Promise<boolean> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: USER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 2_000,
  });
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A port nobody listens on now, on loopback. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function waitUntilGone(pid: number, child: ChildProcess | undefined, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const gone = child ? child.exitCode !== null || child.signalCode !== null : !signal(pid, 0);
    if (gone) return true;
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Archives lose the mode; touched only when needed, since the folder may be read-only. */
function ensureExecutable(path: string): void {
  if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
}

function identity(user: SystemUser | undefined): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}

/** Only what Postgres needs: no settings or secrets of the server reach it. */
function childEnvironment(binaries: PostgresBinaries): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', ...binaries.environment };
}

function lastLogLines(clusterDir: string): string {
  const name = `postgres-${new Date().toLocaleDateString('en-US', { weekday: 'short', timeZone: 'UTC' })}.log`;
  const path = join(clusterDir, 'log', name);
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-2000) : '';
}
