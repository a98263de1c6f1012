/**
 * First orders of one campaign to 10 000 connected gateways with 100 000 devices, from the start being pressed until the
 * last gateway has its order: against what any such server must do, each measured alone in the same run and added up:
 * 10 000 messages through a broker with nothing behind it, 10 000 signatures, and the rows of the grants.
 *
 * The server is a process of its own with the embedded Postgres and broker; the gateways are MQTT connections of this
 * process. Exposure and pace are opened by the policy: what is measured is the engine's work, not its caution.
 */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import {
  LoginResponse,
  gatewayTopicPrefix,
  generateSigningKey,
  importSigningKey,
  signEnvelope,
  type Envelope,
} from '@drydock/contracts';
import { EmbeddedPostgres, makeTestFolder, spawnServer } from '@drydock/server/testing';
import { BenchApi, round, seconds } from './campaign/api.js';
import { writeLargeFleet } from './campaign/large-fleet.js';
import { BenchMqttClient } from './mqtt-client.js';
import type { BenchFleet, BenchGateway } from './report-fleet.js';
import { bareBroker } from './report-load.js';
import { ReportStream } from './report-stream.js';

const GATEWAYS = 10_000;
const DEVICES_EACH = 10;
const PER_GATEWAY = 10;
/** Connections that are opened at once. */
const CONNECTING = 50;
const WITHIN_MS = 200_000;
const HOLD_EACH_MS = 500;
const BARE_CLIENTS = 100;

export async function run(): Promise<Record<string, number>> {
  const count = Number(process.argv[3] ?? GATEWAYS);
  const folder = makeTestFolder();
  const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: true });
  const client = new pg.Client({ connectionString: postgres.url('drydock') });
  let server: Awaited<ReturnType<typeof spawnServer>> | undefined;
  const connected: BenchMqttClient[] = [];
  try {
    await postgres.ensureDatabase('drydock');
    server = await spawnServer(folder, { DATABASE_URL: postgres.url('drydock'), DRYDOCK_LOG_LEVEL: 'error' });
    await client.connect();
    const fleet = await writeLargeFleet(client, folder, 'bench', count * DEVICES_EACH, 0, DEVICES_EACH);
    const gateways = await giveKeys(client);
    const first = new Map<string, () => void>();
    const arrived = gateways.map(({ id }) => new Promise<void>((resolve) => first.set(id, resolve)));
    const held = holdWhatArrives(client);
    let messages = 0;
    let bytes = 0;
    const { server_id: serverId } = (await client.query<{ server_id: string }>('select server_id from installation'))
      .rows[0]!;
    const into = { orgId: fleet.orgId, serverId, campaignId: '', runningHash: fleet.runningHash, gateways };
    const connectingAt = performance.now();
    await inTurns(gateways, async (gateway) => {
      const mqtt = await connect(server!, into, gateway);
      mqtt.onMessage = (payload) => {
        messages += 1;
        bytes += payload.length;
        held.arrived(gateway.id);
        first.get(gateway.id)!();
      };
      connected.push(mqtt);
    });
    await client.query('update gateways set online = true, last_seen_at = now()');
    console.error(`${count} gateways connected in ${round(seconds(connectingAt))} s`);
    const api = new BenchApi(server.baseUrl, server.adminToken!);
    const { id } = await api.call<{ id: string }>('POST', 'campaigns', {
      name: 'bench',
      artifactId: fleet.artifactId,
      policy: {
        stages: [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }],
        limits: { inFlight: 100_000, firstInFlight: 100_000, perGateway: PER_GATEWAY },
        pace: { kind: 'ramp', startPerMinute: 100_000, doublingMinutes: 30, maxPerMinute: 100_000 },
        timeouts: { startMs: 900_000 },
      },
    });
    // Planning has a bench of its own: the clock starts when the campaign may give grants.
    await api.call('POST', `campaigns/${id}/start`, { reason: 'bench' });
    const startedAt = performance.now();
    await within(Promise.all(arrived));
    const firstOrdersSeconds = seconds(startedAt);
    await held.stop();
    const { rows } = await client.query<{ n: number }>('select count(*)::int as n from attempts');
    for (const mqtt of connected) mqtt.close();
    const jws = (await client.query<{ jws: string }>('select jws from orders where jws is not null limit 1')).rows[0]!
      .jws;
    const bareBrokerSeconds = await measureBroker(Buffer.from(jws), count);
    const bareSigningSeconds = await measureSigning(jws, count);
    const bareInsertSeconds = await measureInsert(postgres.url('drydock'), rows[0]!.n, count, jws);
    return {
      ratio: round(firstOrdersSeconds / (bareBrokerSeconds + bareSigningSeconds + bareInsertSeconds)),
      firstOrdersSeconds: round(firstOrdersSeconds),
      bareBrokerSeconds: round(bareBrokerSeconds),
      bareSigningSeconds: round(bareSigningSeconds),
      bareInsertSeconds: round(bareInsertSeconds),
      gateways: count,
      granted: rows[0]!.n,
      messages,
      orderBytes: Math.round(bytes / messages),
    };
  } finally {
    for (const mqtt of connected) mqtt.close();
    await client.end().catch(() => undefined);
    await server?.kill().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each its own key, as enrolment would give it. */
async function giveKeys(client: pg.Client): Promise<BenchGateway[]> {
  const { rows } = await client.query<{ id: string; epoch: string }>('select id, epoch from gateways order by id');
  const keys = await Promise.all(rows.map(() => generateSigningKey()));
  await client.query(
    `with x as (select * from unnest($1::uuid[], $2::text[], $3::jsonb[]) as x(id, kid, jwk)),
     given as (insert into gateway_keys (fingerprint, gateway_id, public_jwk) select kid, id, jwk from x)
     update gateways g set key_fingerprint = x.kid, public_jwk = x.jwk from x where g.id = x.id`,
    [rows.map((row) => row.id), keys.map((key) => key.kid), keys.map((key) => JSON.stringify(key.publicJwk))],
  );
  return rows.map(({ id, epoch }, index) => ({ id, epoch, privateJwk: keys[index]!.privateJwk, deployments: [] }));
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not all orders came within ${WITHIN_MS / 1000} s.`)), WITHIN_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: CONNECTING }, worker));
}

async function connect(
  server: { readonly baseUrl: string; readonly mqttUrl: string },
  fleet: BenchFleet,
  gateway: BenchGateway,
): Promise<BenchMqttClient> {
  const stream = new ReportStream(fleet, gateway);
  await stream.prepare();
  const response = await fetch(`${server.baseUrl}/agent/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ envelope: stream.sign('login', { nonce: '0'.repeat(32) }) }),
  });
  const login = LoginResponse.parse(await response.json());
  const mqtt = await BenchMqttClient.open(server.mqttUrl, gateway.id, { user: gateway.id, password: login.token });
  await mqtt.subscribe(`${gatewayTopicPrefix(fleet.orgId, gateway.id)}orders`);
  return mqtt;
}

/**
 * Stands in for the presence of ten thousand agents: what has arrived is noted as held, so that nothing is sent again. In
 * one statement each half second, as the agents' own cost is not what is measured.
 */
function holdWhatArrives(client: pg.Client): { arrived: (id: string) => void; stop: () => Promise<void> } {
  let waiting: string[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const flush = (): void => {
    const ids = waiting;
    waiting = [];
    if (ids.length === 0) return;
    last = last.then(() =>
      client.query(
        `update gateways g set held_reign = o.reign, held_revision = o.revision from orders o
         where o.gateway_id = g.id and g.id = any($1::uuid[])`,
        [ids],
      ),
    );
  };
  const timer = setInterval(flush, HOLD_EACH_MS);
  return {
    arrived: (id) => void waiting.push(id),
    stop: async () => {
      clearInterval(timer);
      await last;
    },
  };
}

/** Floor: so many messages of the size of an order through a broker with nothing behind it. */
async function measureBroker(payload: Buffer, count: number): Promise<number> {
  const child = fork(fileURLToPath(new URL('./bare-broker-process.js', import.meta.url)));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve(String(message)));
      child.once('exit', (code) => reject(new Error(`The bare broker ended with ${code}.`)));
    });
    return count / (await bareBroker(url, new Array<Buffer>(count).fill(payload), BARE_CLIENTS));
  } finally {
    child.disconnect();
  }
}

/** Floor: the order that the server made, signed again so often. */
async function measureSigning(jws: string, count: number): Promise<number> {
  const key = await importSigningKey((await generateSigningKey()).privateJwk);
  const envelope = JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString('utf8')) as Envelope;
  const startedAt = performance.now();
  for (let done = 0; done < count; done += 1) await signEnvelope(envelope, key);
  return seconds(startedAt);
}

/** Floor: the rows of the grants and of the orders, without choosing anything. */
async function measureInsert(url: string, grants: number, orders: number, jws: string): Promise<number> {
  const group = 1_000;
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  try {
    await pool.query('create table bare_attempts (like attempts including all)');
    await pool.query('create table bare_orders (gateway_id uuid primary key, jws text)');
    const startedAt = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < grants) {
        const size = Math.min(group, grants - next);
        next += size;
        await pool.query(
          `insert into bare_attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at,
             start_by, finish_by)
           select id, 0, 1, $2::uuid, id, id, 'e', 'update', now(), now(), now() from unnest($1::uuid[]) as x(id)`,
          [Array.from({ length: size }, () => randomUUID()), randomUUID()],
        );
      }
    };
    await Promise.all([worker(), worker()]);
    for (let at = 0; at < orders; at += group) {
      await pool.query('insert into bare_orders select id, $2 from unnest($1::uuid[]) as x(id)', [
        Array.from({ length: Math.min(group, orders - at) }, () => randomUUID()),
        jws,
      ]);
    }
    return seconds(startedAt);
  } finally {
    await pool.end();
  }
}
