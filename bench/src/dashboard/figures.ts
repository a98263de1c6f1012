/**
 * What the overview and the page of a campaign ask, over HTTP, of a campaign with a million deployments in its middle while
 * 5 000 reports a second come in through the broker, signed and acknowledged; and how long after its commit a report reaches
 * a watcher. The server is a process of its own with the embedded Postgres (fsync on); this process is browsers and gateways
 * at once, on the same machine.
 *
 * `npm run bench -- dashboard [DEVICES] [REPORTS_PER_SECOND]`
 */
import { rmSync } from 'node:fs';
import pg from 'pg';
import { EmbeddedPostgres, makeTestFolder, spawnServer } from '@drydock/server/testing';
import { BenchApi, round, seconds } from '../campaign/api.js';
import { writeLargeFleet } from '../campaign/large-fleet.js';
import { startMidway } from '../campaign/midway.js';
import { devicesFor, ReportBackground } from '../report-background.js';
import { addReportingGateways } from '../report-fleet.js';
import { LiveWatcher, lagsOf } from './live-lag.js';

const DEVICES = 1_000_000;
const REPORTS_PER_SECOND = 5_000;
const BATCH = 24;
const GATEWAYS = 60;
/** Browsers that each load one page after the other, with a person's pause between them. */
const READERS = Number(process.env.DRYDOCK_BENCH_READERS ?? 4);
const PAUSE_MS = 100;
const WARM_UP_MS = 5_000;
const MEASURED_MS = 30_000;

export async function run(): Promise<Record<string, number>> {
  const devices = Number(process.argv[3] ?? DEVICES);
  const perSecond = Number(process.argv[4] ?? REPORTS_PER_SECOND);
  const rate = { perSecond, batch: BATCH, seconds: (WARM_UP_MS + MEASURED_MS) / 1000 + 10 };
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
    await writePast(client, id);
    const reporting = await addReportingGateways(
      client,
      { campaignId: id, runningHash: fleet.runningHash },
      GATEWAYS,
      devicesFor(rate, GATEWAYS),
    );
    console.error(`${devices} deployments in the middle of their campaign after ${round(seconds(filledAt))} s`);
    const before = (await api.call<{ counts: { proven?: number } }>('GET', `campaigns/${id}`)).counts.proven ?? 0;
    const watcher = await LiveWatcher.open(server.baseUrl, server.adminToken!, id);
    const background = await ReportBackground.start(server, reporting, rate);
    await readPages(api, id, WARM_UP_MS);
    const took = await readPages(api, id, MEASURED_MS);
    const reportsPerSecond = background.perSecond;
    await background.stop();
    // The last of them are shown within the next look.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await watcher.close();
    const lags = lagsOf(background.committed, watcher.shown, before);
    const all = [...took.values()].flat();
    const figures: Record<string, number> = {
      devices,
      apiP50Ms: percentile(all, 0.5),
      apiP99Ms: percentile(all, 0.99),
      liveLagMs: percentile(lags.fromCommitMs, 0.99),
      liveLagP50Ms: percentile(lags.fromCommitMs, 0.5),
      liveLagFromSendMs: percentile(lags.fromSendMs, 0.99),
      liveEvents: watcher.events,
      liveBytesPerSecond: Math.round((watcher.bytes * 1000) / (WARM_UP_MS + MEASURED_MS)),
      reportsPerSecond: Math.round(reportsPerSecond),
      calls: all.length,
    };
    for (const [kind, values] of took) {
      figures[`${kind}P50Ms`] = percentile(values, 0.5);
      figures[`${kind}P99Ms`] = percentile(values, 0.99);
    }
    return figures;
  } finally {
    await client.end().catch(() => undefined);
    await server?.kill().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const percentile = (values: readonly number[], share: number): number =>
  round([...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN, 1);

/** What two weeks leave behind, so that curves have something to be thinned from. */
async function writePast(client: pg.Client, campaignId: string): Promise<void> {
  await client.query(
    `insert into campaign_points (campaign_id, at, proven, failed, reverted, unproven, lost, in_flight, target, granted)
     select $1, now() - n * interval '5 minutes', (4000 - n) * 90, 0, 0, 0, 0, 500, 1000000, (4000 - n) * 91
     from generate_series(1, 4000) n on conflict do nothing`,
    [campaignId],
  );
  await client.query(
    `insert into decisions (org_id, campaign_id, at, kind, params)
     select org_id, id, now() - n * interval '1 minute', 'grants.given', '{"count": 60}' from campaigns, generate_series(1, 20000) n
     where id = $1`,
    [campaignId],
  );
  await client.query('analyze campaign_points, decisions');
}

/** The calls of the two pages, one after the other in each of the browsers. */
async function readPages(api: BenchApi, id: string, forMs: number): Promise<Map<string, number[]>> {
  const took = new Map<string, number[]>();
  const timed = async (kind: string, path: string): Promise<void> => {
    const at = performance.now();
    await api.call('GET', path);
    const values = took.get(kind) ?? [];
    values.push(performance.now() - at);
    took.set(kind, values);
  };
  const pages: (readonly (readonly [string, string])[])[] = [
    [
      ['overview', 'overview'],
      ['versions', 'fleet/versions'],
      ['approvals', 'approvals'],
    ],
    [
      ['campaign', 'campaigns-by-name/bench'],
      ['brake', `campaigns/${id}/brake`],
      ['groups', `campaigns/${id}/failures/groups`],
      ['series', `campaigns/${id}/series`],
      ['forecast', `campaigns/${id}/forecast`],
      ['decisions', `campaigns/${id}/decisions?order=newest&limit=20`],
      ['waiting', `campaigns/${id}/waiting`],
      ['members', `campaigns/${id}/members?limit=60&state=failed`],
      ['compare', `campaigns/${id}/compare?a=gateway==*1&b=gateway!=*1`],
      ['plans', `campaigns/${id}/plans`],
    ],
    [['list', 'campaigns?filter=live==true;name==b*']],
  ];
  const until = performance.now() + forMs;
  await Promise.all(
    Array.from({ length: READERS }, async (_, reader) => {
      for (let turn = reader; performance.now() < until; turn += 1) {
        for (const [kind, path] of pages[turn % pages.length]!) await timed(kind, path);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }),
  );
  return took;
}
