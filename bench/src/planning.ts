/**
 * Planning a campaign and a look of the engine at it, at 10 000, 100 000 and 1 000 000 devices. The campaign is started
 * over the HTTP API; then it is put into its middle (two fifths tried, failures marked, devices under way and lost, three
 * tenths of the gateways offline, windows closed at half of the sites) and looked at again and again, with some starts
 * allowed each time.
 */
import { rmSync } from 'node:fs';
import pg from 'pg';
import { CampaignEngine, EmbeddedPostgres, makeTestFolder, startTestServer } from '@drydock/server/testing';
import { BenchApi, median, round, seconds } from './campaign/api.js';
import { writeLargeFleet } from './campaign/large-fleet.js';
import { moveToMiddle } from './campaign/mid-campaign.js';

const SIZES = [
  { name: 'TenThousand', devices: 10_000 },
  { name: 'HundredThousand', devices: 100_000 },
  { name: 'Million', devices: 1_000_000 },
] as const;
const WARM_UP = 3;
const TICKS = 15;
const STARTS_EACH = 50;
const FAILED = 300;

export async function run(): Promise<Record<string, number>> {
  const folder = makeTestFolder();
  const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: true });
  const client = new pg.Client({ connectionString: postgres.url('drydock') });
  let server: Awaited<ReturnType<typeof startTestServer>> | undefined;
  try {
    await postgres.ensureDatabase('drydock');
    server = await startTestServer({ dataDir: folder, settings: { DATABASE_URL: postgres.url('drydock') } });
    await client.connect();
    const api = new BenchApi(server.baseUrl, server.adminToken);
    const engine = server.app.get(CampaignEngine);
    const figures: Record<string, number> = {};
    const only = process.argv[3] === undefined ? undefined : Number(process.argv[3]);
    for (const { name, devices } of SIZES.filter((size) => only === undefined || size.devices <= only)) {
      const filledAt = performance.now();
      const fleet = await writeLargeFleet(client, folder, `bench-${devices}`, devices, 0.3);
      console.error(`${devices} devices written in ${round(seconds(filledAt))} s`);
      const draft = await api.call<{ id: string }>('POST', 'campaigns', {
        name: `bench-${devices}`,
        artifactId: fleet.artifactId,
        policy: policyOf(),
      });
      const startedAt = performance.now();
      await api.call('POST', `campaigns/${draft.id}/start`, { reason: 'bench' });
      figures[`create${name}Seconds`] = round(seconds(startedAt));
      // Between the looks that are measured nobody else looks.
      await rest(client, draft.id);
      await moveToMiddle(client, draft.id, { tried: devices * 0.4, failed: FAILED, lost: 100, live: 500 });
      const took: number[] = [];
      for (let tick = 0; tick < WARM_UP + TICKS; tick += 1) {
        await client.query('update campaigns set rate_tokens = $2, rate_at = clock_timestamp() where id = $1', [
          draft.id,
          STARTS_EACH,
        ]);
        const at = performance.now();
        const result = await engine.tick(draft.id);
        if (tick >= WARM_UP && result === 'done') took.push(performance.now() - at);
        await rest(client, draft.id);
      }
      figures[`tick${name}Ms`] = round(median(took), 1);
      const { rows } = await client.query<{ state: string; granted: string }>(
        `select c.state, (select count(*) from deployments d where d.campaign_id = c.id and d.state = 'granted') as granted
         from campaigns c where id = $1`,
        [draft.id],
      );
      if (rows[0]!.state !== 'running') throw new Error(`The campaign is ${rows[0]!.state}.`);
      if (Number(rows[0]!.granted) < STARTS_EACH) throw new Error(`The looks started ${rows[0]!.granted} devices.`);
      await client.query("update campaigns set state = 'completed' where id = $1", [draft.id]);
      console.error(JSON.stringify(figures));
    }
    return {
      createOneMillionSeconds: figures.createMillionSeconds ?? Number.NaN,
      tickRatioMillionToTenThousand: round(
        (figures.tickMillionMs ?? Number.NaN) / (figures.tickTenThousandMs ?? Number.NaN),
      ),
      peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
      ...figures,
    };
  } finally {
    await client.end().catch(() => undefined);
    await server?.stop().catch(() => undefined);
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function rest(client: pg.Client, campaignId: string): Promise<void> {
  await client.query("update campaigns set wake_at = now() + interval '1 hour', dirty = false where id = $1", [
    campaignId,
  ]);
}

/** A window that is open in some zones and closed in others, wherever the clock of the bench stands. */
function policyOf(): unknown {
  const hour = new Date().getUTCHours();
  return {
    stages: [
      { name: 'canary', percent: 1, gate: { maxFailureShare: 0.5 } },
      { name: 'all', percent: 99, gate: { maxFailureShare: 0.5 } },
    ],
    limits: { inFlight: 5_000, firstInFlight: 5_000, perGateway: 4 },
    pace: { kind: 'ramp', startPerMinute: 1_000, doublingMinutes: 30, maxPerMinute: 1_000 },
    brake: { limit: 0.15, transportLimit: 0.3, baseline: false },
    windows: [
      { rule: 'FREQ=DAILY', from: `2026-01-01T${String(hour).padStart(2, '0')}:00`, durationMs: 4 * 3_600_000 },
    ],
  };
}
