/**
 * The server of a story, as a process of its own, in the lane that the environment names: everything
 * embedded (default), or against outside Redis, Mosquitto and Postgres (`npm run test:scaled`).
 */
import { EmbeddedPostgres, makeTestFolder, spawnServer, type SpawnedServer } from '@drydock/server/testing';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';

export interface LaneServer {
  readonly dataDir: string;
  /** Of the running server; changes with a restart unless the port is fixed, as here. */
  readonly baseUrl: string;
  readonly adminToken: string;
  /** Of the embedded broker; 0 in the scaled lane. */
  readonly brokerPort: number;
  /** For observers: the database behind the server. */
  readonly databaseUrl: () => Promise<string>;
  /** kill -9, leaving an embedded database as it is. */
  crash(): Promise<void>;
  /** Starts it again on the same data and ports. */
  restart(): Promise<void>;
  /** Empties the queue behind the running server: tables of the embedded one, its database of Redis in the scaled lane. */
  wipeQueue(): Promise<void>;
  output(): string;
  close(): Promise<void>;
}

export const isScaled = process.env.DRYDOCK_LANE === 'scaled';

const lane = (name: string): string => {
  const value = process.env[`DRYDOCK_LANE_${name}`];
  if (!value) throw new Error(`DRYDOCK_LANE_${name} is not set: run npm run test:scaled`);
  return value;
};

export async function startLaneServer(extra: Readonly<Record<string, string>> = {}): Promise<LaneServer> {
  const dataDir = makeTestFolder();
  const name = `e2e_${randomBytes(6).toString('hex')}`;
  const outside = isScaled ? await scaledSettings(name) : {};
  // Chosen here, because the address that the server prints may be that of a relay.
  const brokerPort = isScaled ? 0 : await freePort();
  let settings: Record<string, string> = {
    ...outside,
    ...(isScaled ? {} : { DRYDOCK_MQTT_PORT: String(brokerPort) }),
    ...extra,
  };
  let server: SpawnedServer = await spawnServer(dataDir, settings);
  const { baseUrl } = server;
  const adminToken = server.adminToken ?? '';
  // The same addresses after a crash, as a service manager would start it again.
  settings = {
    ...settings,
    DRYDOCK_HTTP_PORT: new URL(baseUrl).port,
  };
  return {
    dataDir,
    baseUrl,
    adminToken,
    brokerPort,
    databaseUrl: () => databaseUrl(dataDir, settings.DATABASE_URL),
    crash: () => server.kill('SIGKILL'),
    restart: async () => {
      server = await spawnServer(dataDir, settings);
    },
    wipeQueue: async () => {
      if (settings.REDIS_URL !== undefined) return wipeRedis(settings.REDIS_URL);
      const client = new pg.Client({ connectionString: await databaseUrl(dataDir, settings.DATABASE_URL) });
      await client.connect();
      try {
        await dropQueueSchema(client);
      } finally {
        await client.end();
      }
    },
    output: () => server.output(),
    close: async () => {
      await server.destroy();
      if (isScaled) await withAdmin((client) => client.query(`drop database if exists ${name} with (force)`));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The server works on these tables meanwhile, and Postgres may choose us to end a deadlock: then we come again. */
async function dropQueueSchema(client: pg.Client): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query('drop schema if exists bullmq cascade');
      return;
    } catch (error) {
      if (attempt >= 20 || (error as { code?: string }).code !== '40P01') throw error;
    }
  }
}

async function wipeRedis(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.flushdb();
  } finally {
    redis.disconnect();
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** An embedded database is found by its data folder; asking changes nothing about it. */
async function databaseUrl(dataDir: string, outside: string | undefined): Promise<string> {
  if (outside !== undefined) return outside;
  const postgres = await EmbeddedPostgres.start({ dataDir, fsync: true, guest: true });
  return postgres.url();
}

async function scaledSettings(name: string): Promise<Record<string, string>> {
  await withAdmin((client) => client.query(`create database ${name}`));
  const database = new URL(lane('DATABASE_URL'));
  database.pathname = `/${name}`;
  const mqttUrl = lane('MQTT_URL');
  return {
    DATABASE_URL: database.href,
    REDIS_URL: await ownRedis(),
    MQTT_URL: mqttUrl,
    DRYDOCK_PUBLIC_MQTT_URL: mqttUrl,
    DRYDOCK_MQTT_CA: lane('CA_CERT'),
    DRYDOCK_MQTT_CERT: lane('SERVER_CERT'),
    DRYDOCK_MQTT_KEY: lane('SERVER_KEY'),
    DRYDOCK_GATEWAY_CA_CERT: lane('CA_CERT'),
    DRYDOCK_GATEWAY_CA_KEY: lane('CA_KEY'),
  };
}

/** A worker of Jest runs one story at a time: each has a database of Redis for itself, of which there are 16. */
async function ownRedis(): Promise<string> {
  const url = `${lane('REDIS_URL')}/${Number(process.env.JEST_WORKER_ID ?? 0) % 16}`;
  await wipeRedis(url);
  return url;
}

async function withAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: lane('DATABASE_URL') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
