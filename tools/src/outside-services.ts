/** Redis, Mosquitto and Postgres as processes of our own, in a temporary folder on free loopback ports. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { makeBrokerCertificates, type BrokerCertificates } from './broker-certificates.js';

export interface OutsideServices {
  /** A superuser's URL of the maintenance database; lanes make databases of their own. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly mqttUrl: string;
  readonly certificates: BrokerCertificates;
  /** kill -9, and started again on the same data and port. Retained messages and sessions of the broker are gone. */
  crash(what: 'broker' | 'database'): Promise<void>;
  stop(): Promise<void>;
}

const START_WITHIN_MS = 30_000;

/** @throws Error that names every binary that is missing. */
export function findBinaries(): { redis: string; mosquitto: string; postgresBin: string } {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/local/bin',
    '/usr/bin',
  ];
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const debian = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `/usr/lib/postgresql/${version}/bin`)
    .find((folder) => existsSync(join(folder, 'postgres')));
  const onPath = find('postgres');
  const redis = find('redis-server');
  const mosquitto = find('mosquitto');
  const postgresBin = debian ?? (onPath === undefined ? undefined : join(onPath, '..'));
  const missing = [
    redis ? '' : 'redis-server',
    mosquitto ? '' : 'mosquitto',
    postgresBin ? '' : 'postgres (package postgresql)',
  ].filter(Boolean);
  if (!redis || !mosquitto || !postgresBin) {
    throw new Error(
      `The scaled lane needs ${missing.join(', ')}. On Debian: apt-get install redis-server mosquitto postgresql`,
    );
  }
  return { redis, mosquitto, postgresBin };
}

export async function startOutsideServices(aclFile: string): Promise<OutsideServices> {
  const { redis, mosquitto, postgresBin } = findBinaries();
  const folder = mkdtempSync(join(tmpdir(), 'drydock-scaled-'));
  chmodSync(folder, 0o755);
  const children = new Map<string, ChildProcess>();
  let stopped = false;
  const stop = async () => {
    stopped = true;
    for (const child of [...children.values()].reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      // Postgres: fast shutdown.
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const user = ordinaryUser();
    const own = (path: string) => {
      if (user) chownSync(path, user.uid, user.gid);
    };
    const start = async (name: string, program: string, args: string[], port: number) => {
      if (stopped) throw new Error('The outside services are stopped.');
      let said = '';
      const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...user });
      const take = (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4000));
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      children.set(name, child);
      await untilListening(port, () => {
        if (child.exitCode !== null) throw new Error(`${name} did not start: ${said}`);
      });
    };

    const password = randomBytes(16).toString('hex');
    const [postgresPort, redisPort, mqttPort] = [await freePort(), await freePort(), await freePort()];

    const dataDir = join(folder, 'postgres');
    mkdirSync(dataDir, { mode: 0o700 });
    own(dataDir);
    const passwordFile = join(folder, 'postgres.password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    own(passwordFile);
    execFileSync(
      join(postgresBin, 'initdb'),
      [
        '-D',
        dataDir,
        '-U',
        'postgres',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--locale=C',
      ],
      { stdio: 'pipe', cwd: folder, ...user },
    );
    const startPostgres = () =>
      start(
        'Postgres',
        join(postgresBin, 'postgres'),
        [
          '-D',
          dataDir,
          '-p',
          String(postgresPort),
          '-k',
          dataDir,
          '-c',
          'listen_addresses=127.0.0.1',
          '-c',
          'fsync=off',
          '-c',
          'max_connections=500',
        ],
        postgresPort,
      );
    await startPostgres();

    const redisDir = join(folder, 'redis');
    mkdirSync(redisDir, { mode: 0o700 });
    own(redisDir);
    await start(
      'Redis',
      redis,
      [
        '--port',
        String(redisPort),
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--dir',
        redisDir,
        '--requirepass',
        password,
        '--maxmemory-policy',
        'noeviction',
      ],
      redisPort,
    );

    const certificates = await makeBrokerCertificates(join(folder, 'broker'), [
      'localhost',
      '127.0.0.1',
      '127.0.0.2',
      '127.0.0.3',
    ]);
    for (const file of Object.values(certificates)) own(file);
    const acl = join(folder, 'acl');
    copyFileSync(aclFile, acl);
    chmodSync(acl, 0o600);
    own(acl);
    const config = join(folder, 'mosquitto.conf');
    writeFileSync(
      config,
      [
        `listener ${mqttPort} 127.0.0.1`,
        `cafile ${certificates.caCert}`,
        `certfile ${certificates.brokerCert}`,
        `keyfile ${certificates.brokerKey}`,
        'require_certificate true',
        'use_identity_as_username true',
        'allow_anonymous false',
        `acl_file ${acl}`,
        'max_inflight_messages 64',
        '',
      ].join('\n'),
    );
    // Mosquitto drops root by itself to a user that may not reach our folder: it is started as an ordinary one.
    const startMosquitto = () => start('Mosquitto', mosquitto, ['-c', config], mqttPort);
    await startMosquitto();
    const crash = async (what: 'broker' | 'database') => {
      const child = children.get(what === 'broker' ? 'Mosquitto' : 'Postgres')!;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      if (what === 'broker') return startMosquitto();
      // Backends that have not noticed yet hold the shared memory for a moment.
      const deadline = Date.now() + START_WITHIN_MS;
      for (;;) {
        try {
          return await startPostgres();
        } catch (error) {
          if (Date.now() > deadline) throw error;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      }
    };

    return {
      databaseUrl: `postgres://postgres:${password}@127.0.0.1:${postgresPort}/postgres`,
      redisUrl: `redis://:${password}@127.0.0.1:${redisPort}`,
      mqttUrl: `mqtts://localhost:${mqttPort}`,
      certificates,
      crash,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As root: the user `postgres` of the distribution (Postgres refuses to run as root); else ourselves. */
function ordinaryUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }).trim());
  return { uid: id('-u'), gid: id('-g') };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function untilListening(port: number, check: () => void): Promise<void> {
  const deadline = Date.now() + START_WITHIN_MS;
  while (Date.now() < deadline) {
    check();
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Nothing listens on port ${port} after ${START_WITHIN_MS} ms.`);
}
