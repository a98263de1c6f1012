/**
 * Signed reports into Postgres: state and counters moved, acknowledged. The server is a process of its own with the
 * embedded Postgres (fsync on) and the embedded broker; this process is the load, on the same machine. Batches are
 * signed before the clock starts, as gateways sign on their own machines.
 */
import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { EmbeddedPostgres, makeTestFolder, spawnServer } from '@drydock/server/testing';
import { writeFleet } from './report-fleet.js';
import { bareBroker, LoadGateway, paced, saturate } from './report-load.js';
import { REPORTS_PER_LIFE, ReportStream, type SignedBatch } from './report-stream.js';

const GATEWAYS = 100;
const OFFERED_PER_SECOND = 8_000;
/** Batches of each gateway, by part of the bench. */
const WARM_UP = 10;
const EIGHTS = 120;
const PACED = 100;
const BIG = 12;
const BIG_SIZE = 240;

export async function run(): Promise<Record<string, number>> {
  const folder = makeTestFolder();
  const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: true });
  const client = new pg.Client({ connectionString: postgres.url('drydock') });
  let server: Awaited<ReturnType<typeof spawnServer>> | undefined;
  try {
    await postgres.ensureDatabase('drydock');
    server = await spawnServer(folder, { DATABASE_URL: postgres.url('drydock'), DRYDOCK_LOG_LEVEL: 'error' });
    await client.connect();
    const perGateway = (WARM_UP + EIGHTS + PACED) * 8 + BIG * BIG_SIZE;
    const fleet = await writeFleet(client, GATEWAYS, Math.ceil(perGateway / REPORTS_PER_LIFE) + 1);
    const streams = fleet.gateways.map((gateway) => new ReportStream(fleet, gateway));
    await Promise.all(streams.map((stream) => stream.prepare()));
    const gateways: LoadGateway[] = [];
    for (const stream of streams) {
      gateways.push(await LoadGateway.connect(server.baseUrl, server.mqttUrl, fleet, stream));
    }
    const take = (count: number, size: number): SignedBatch[][] => streams.map((stream) => stream.batches(count, size));

    await saturate(gateways, take(WARM_UP, 8));
    const eights = take(EIGHTS, 8);
    const committedPerSecondBatch8 = await saturate(gateways, eights);
    const big = take(BIG, BIG_SIZE);
    const committedPerSecondBatch240 = await saturate(gateways, big);
    const steady = take(PACED, 8);
    const p99Ms = await paced(gateways, steady, OFFERED_PER_SECOND);
    for (const gateway of gateways) gateway.close();

    const { lost, twice } = await recountOf(client, perGateway * GATEWAYS);
    const bareBrokerPerSecond = await measureBareBroker(eights.flat().map((batch) => batch.bytes));
    const bareInsertPerSecond = await measureBareInsert(postgres.url('drydock'));
    return {
      committedPerSecondBatch8: Math.round(committedPerSecondBatch8),
      committedPerSecondBatch240: Math.round(committedPerSecondBatch240),
      p99Ms: Math.round(p99Ms * 10) / 10,
      lost,
      twice,
      bareBrokerPerSecond: Math.round(bareBrokerPerSecond * 8),
      bareInsertPerSecond: Math.round(bareInsertPerSecond),
    };
  } finally {
    await client.end().catch(() => undefined);
    await server?.kill().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What was acknowledged against the rows; counters that differ from a recount count as lost. */
export async function recountOf(client: pg.Client, sent: number): Promise<{ lost: number; twice: number }> {
  const { rows } = await client.query<{ n: string; different: string; applied: string }>(
    `select count(*) as n, count(distinct (gateway_id, epoch, seq)) as different,
       count(*) filter (where disposition = 'applied') as applied from reports`,
  );
  const [row] = rows;
  const counters = await client.query<{ wrong: string }>(
    `select coalesce(sum(abs(c.n - coalesce(s.n, 0))), 0) as wrong from campaign_counters c left join (
       select campaign_id, stage_idx, state, count(*) as n from deployments group by 1, 2, 3) s
       using (campaign_id, stage_idx, state)`,
  );
  const different = Number(row!.different);
  const applied = Number(row!.applied);
  return {
    lost: sent - Math.min(different, applied) + Number(counters.rows[0]!.wrong),
    twice: Number(row!.n) - different,
  };
}

async function measureBareBroker(payloads: readonly Buffer[]): Promise<number> {
  const child = fork(fileURLToPath(new URL('./bare-broker-process.js', import.meta.url)));
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve(String(message)));
      child.once('exit', (code) => reject(new Error(`The bare broker ended with ${code}.`)));
    });
    return await bareBroker(url, payloads, GATEWAYS);
  } finally {
    child.disconnect();
  }
}

/** Floor: the rows alone, 1 500 in a transaction on two connections, without state, counters or signatures. */
async function measureBareInsert(url: string): Promise<number> {
  const rows = 60_000;
  const group = 1_500;
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  try {
    await pool.query('create table bare_reports (like reports including all)');
    const body = JSON.stringify({ kind: 'erased', atMs: 1, ref: { deployment: 'x'.repeat(36), reign: 0, attempt: 1 } });
    const startedAt = performance.now();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < rows) {
        const first = (next += group);
        await pool.query(
          `insert into bare_reports (org_id, gateway_id, epoch, seq, kind, deployment_id, attempt, reign, disposition, note, body)
           select $1, $1, 'e', seq, 'erased', $1, 1, 0, 'applied', null, body from unnest($2::bigint[], $3::jsonb[]) as x(seq, body)`,
          [
            '00000000-0000-4000-8000-000000000000',
            Array.from({ length: group }, (_, index) => first + index),
            Array.from({ length: group }, () => body),
          ],
        );
      }
    };
    await Promise.all([worker(), worker()]);
    return (rows / (performance.now() - startedAt)) * 1000;
  } finally {
    await pool.end();
  }
}
