/**
 * Ten thousand gateways come back at the same moment, each with 240 reports of a time without the uplink: what a server
 * meets when it, its broker or its line was away. They behave as agents do (pauses, jitter, one batch under way); the
 * server is a process of its own with the embedded Postgres (fsync on) and broker, on the same machine.
 *
 * The rate is that of the whole return, from the moment the first may come to the last commit: logins, connections,
 * presence and everything that was sent twice are in it. Meanwhile a person reads the campaign over the API.
 */
import { readFileSync, rmSync } from 'node:fs';
import pg from 'pg';
import { EmbeddedPostgres, makeTestFolder, spawnServer } from '@drydock/server/testing';
import { BenchApi, round, seconds } from './campaign/api.js';
import { writeReturningFleet } from './reconnect/returning-fleet.js';
import { PreparedReturns } from './reconnect/prepared-returns.js';
import { ReturningGateway, type Returns } from './reconnect/returning-gateway.js';
import { REPORTS_PER_LIFE } from './report-stream.js';
import { recountOf } from './reports.js';

const GATEWAYS = 10_000;
const REPORTS_EACH = 240;
/** Of the whole run, from its start: what is left of it for the return is shorter. */
const LIMIT_MS = Number(process.env.DRYDOCK_BENCH_LIMIT_MINUTES ?? 5) * 60_000 - 15_000;
const BETWEEN_READS_MS = 100;

/** `npm run bench -- reconnect [GATEWAYS]` */
export async function run(): Promise<Record<string, number>> {
  const count = Number(process.argv[3] ?? GATEWAYS);
  const each = Math.ceil(REPORTS_EACH / REPORTS_PER_LIFE);
  const folder = makeTestFolder();
  const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: true });
  const client = new pg.Client({ connectionString: postgres.url('drydock') });
  let server: Awaited<ReturnType<typeof spawnServer>> | undefined;
  let gateways: ReturningGateway[] = [];
  let prepared: PreparedReturns | undefined;
  const endsAt = performance.now() + LIMIT_MS;
  try {
    await postgres.ensureDatabase('drydock');
    server = await spawnServer(folder, { DATABASE_URL: postgres.url('drydock'), DRYDOCK_LOG_LEVEL: 'error' });
    await client.connect();
    const filledAt = performance.now();
    const fleet = await writeReturningFleet(client, count, each);
    console.error(`${count} gateways with ${count * each} devices written in ${round(seconds(filledAt))} s`);
    const preparedAt = performance.now();
    const ready = (prepared = await PreparedReturns.make(fleet, each, REPORTS_EACH, folder));
    console.error(`all that they will say signed in ${round(seconds(preparedAt))} s`);
    const returns: Returns = { connected: 0, committed: 0, failedTries: 0, sentAway: 0, postponed: 0, sentAgain: 0 };
    const target = server;
    gateways = fleet.gateways.map((_, at) => new ReturningGateway(target, fleet, at, ready, returns));
    const api = new BenchApi(server.baseUrl, server.adminToken!);
    const idleRssMiB = memoryOf(server.pid, 'VmRSS');
    const reader = readMeanwhile(api, fleet.campaignId);
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    const said = setInterval(
      () => console.error(JSON.stringify({ s: Math.round(seconds(startedAt)), ...returns })),
      10_000,
    );
    try {
      await within(Promise.all(gateways.map((gateway) => gateway.comeBack())), endsAt - startedAt);
    } finally {
      clearInterval(said);
      if (returns.committed < count) console.error(server.output().slice(-2000));
    }
    const took = seconds(startedAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    const loadCpu = (user + system) / 1e6;
    const apiP99Ms = await reader.stop();
    const serverPeakRssMiB = memoryOf(server.pid, 'VmHWM');
    const { lost, twice } = await recountOf(client, count * REPORTS_EACH);
    return {
      committedPerSecond: Math.round((count * REPORTS_EACH) / took),
      lost,
      twice,
      serverPeakRssMiB,
      apiP99Ms: round(apiP99Ms, 1),
      gateways: count,
      seconds: round(took, 1),
      serverIdleRssMiB: idleRssMiB,
      failedTries: returns.failedTries,
      sentAway: returns.sentAway,
      postponed: returns.postponed,
      sentAgain: returns.sentAgain,
      loadCpuShare: round(loadCpu / took, 2),
    };
  } finally {
    for (const gateway of gateways) gateway.close();
    await prepared?.close();
    await client.end().catch(() => undefined);
    await server?.kill().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A person who looks at the campaign ten times a second. @returns the 99th percentile of milliseconds. */
function readMeanwhile(api: BenchApi, campaign: string): { stop(): Promise<number> } {
  const took: number[] = [];
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const at = performance.now();
      // A read that fails took as long as it took; the run itself says what went wrong.
      await api.call('GET', `campaigns/${campaign}`).catch(() => undefined);
      took.push(performance.now() - at);
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_READS_MS));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await loop;
      took.sort((a, b) => a - b);
      return took[Math.floor(took.length * 0.99)] ?? Number.NaN;
    },
  };
}

/** Of another process, from what Linux says of it. */
function memoryOf(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib ?? Number.NaN) / 1024);
}

async function within<T>(work: Promise<T>, withinMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Not all were committed within ${Math.round(withinMs / 1000)} s.`)),
      withinMs,
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
