/**
 * What dashboards read, over HTTP, of a campaign with a million deployments in its middle, while reports of the same
 * campaign come in. The server is a process of its own with the embedded Postgres; this process asks, and reports.
 */
import { rmSync } from 'node:fs';
import pg from 'pg';
import { EmbeddedPostgres, makeTestFolder, spawnServer } from '@drydock/server/testing';
import { BenchApi, median, round, seconds } from './campaign/api.js';
import { writeLargeFleet } from './campaign/large-fleet.js';
import { startMidway } from './campaign/midway.js';
import { devicesFor, ReportBackground } from './report-background.js';
import { addReportingGateways } from './report-fleet.js';

const DEVICES = 1_000_000;
const READERS = 4;
/** Of each kind by each reader. */
const ROUNDS = 60;
const BETWEEN_READS_MS = 20;
const REPORTING = 20;
const RATE = { perSecond: 1_000, batch: 8, seconds: 90 };

interface Page {
  readonly items: readonly { readonly device?: { readonly id: string } }[];
  readonly next?: string;
}

export async function run(): Promise<Record<string, number>> {
  const devices = Number(process.argv[3] ?? DEVICES);
  const folder = makeTestFolder();
  const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: true });
  const client = new pg.Client({ connectionString: postgres.url('drydock') });
  let server: Awaited<ReturnType<typeof spawnServer>> | undefined;
  try {
    await postgres.ensureDatabase('drydock');
    server = await spawnServer(folder, { DATABASE_URL: postgres.url('drydock'), DRYDOCK_LOG_LEVEL: 'error' });
    await client.connect();
    const api = new BenchApi(server.baseUrl, server.adminToken!);
    const filledAt = performance.now();
    const fleet = await writeLargeFleet(client, folder, 'bench', devices, 0.3);
    const id = await startMidway(api, client, fleet.artifactId, devices);
    const reporting = await addReportingGateways(
      client,
      { campaignId: id, runningHash: fleet.runningHash },
      REPORTING,
      devicesFor(RATE, REPORTING),
    );
    console.error(`${devices} deployments in the middle of their campaign after ${round(seconds(filledAt))} s`);
    const load = await ReportBackground.start(server, reporting, RATE);
    const took = await read(api, id, devices);
    const reports = load.perSecond;
    await load.stop();
    const all = [...took.values()].flat();
    const figures: Record<string, number> = { p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99) };
    for (const [kind, values] of took) {
      figures[`${kind}P50Ms`] = round(median(values), 1);
      figures[`${kind}P99Ms`] = percentile(values, 0.99);
    }
    return { ...figures, reportsPerSecond: Math.round(reports) };
  } finally {
    await client.end().catch(() => undefined);
    await server?.kill().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const percentile = (values: readonly number[], share: number): number =>
  round([...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN, 1);

/** Every reader walks the pages of the campaign from another place, and asks for everything else in between. */
async function read(api: BenchApi, id: string, devices: number): Promise<Map<string, number[]>> {
  const took = new Map<string, number[]>();
  const timed = async <T>(kind: string, path: string): Promise<T> => {
    const at = performance.now();
    const answer = await api.call<T>('GET', path);
    took.set(kind, [...(took.get(kind) ?? []), performance.now() - at]);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_READS_MS));
    return answer;
  };
  const round1 = async (reader: number, count: number): Promise<void> => {
    let after = cursorAt(Math.floor((devices * reader) / READERS));
    for (let at = 0; at < count; at += 1) {
      await timed('campaign', `campaigns/${id}`);
      const page = await timed<Page>('deployments', `campaigns/${id}/deployments?limit=100&after=${after}`);
      after = page.next ?? cursorAt(0);
      await timed('whyPage', `campaigns/${id}/why?limit=50&after=${after}`);
      const device = page.items[0]?.device?.id;
      if (device !== undefined) await timed('why', `campaigns/${id}/devices/${device}/why`);
      await timed('counters', `campaigns/${id}/failures`);
      await timed('overview', 'overview');
      await timed('brake', `campaigns/${id}/brake`);
    }
  };
  await Promise.all(Array.from({ length: READERS }, (_, reader) => round1(reader, 3)));
  took.clear();
  await Promise.all(Array.from({ length: READERS }, (_, reader) => round1(reader, ROUNDS)));
  return took;
}

/** A cursor as pages give it: the place and id of the last one seen. */
const cursorAt = (position: number): string =>
  Buffer.from(JSON.stringify([String(position), '00000000-0000-4000-8000-000000000000'])).toString('base64url');
