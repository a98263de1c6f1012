/**
 * Observers that are not the system: the devices' own touch logs against the grants, their flash against
 * the artifacts, the report table against itself, counters against a recount.
 */
import { journalledReports } from '@drydock/agent/testing';
import { CLOCK_MARGIN_MS } from '@drydock/server/testing';
import { createHash } from 'node:crypto';
import pg from 'pg';

/** A place with devices that keep a log of their own; simulated ones of any kind. */
export interface JudgedSite {
  readonly units: readonly {
    readonly serial: string;
    readonly device: {
      readonly touches: readonly { readonly atMs: number; readonly what: string }[];
      readonly flash: { runningImageSha256(): string | undefined };
    };
  }[];
  /** Wall clock (ms) of a time in a unit's touch log. */
  wallMs(atMs: number): number;
}

/** Clocks: touches are stamped by this process, grants by Postgres; both read this machine's clock. */
const CLOCK_SLACK_MS = 100;

/** What only a host can cause. A unit on a UART does not see links open, so its `touched` alone would miss some. */
const CHANGES: ReadonlySet<string> = new Set(['touched', 'erased', 'written', 'activated', 'confirmed']);

interface AttemptRow {
  device_name: string;
  attempt: number;
  reign: string;
  granted_ms: number;
  start_by_ms: number;
  finish_by_ms: number;
  touched_ms: number | null;
  ended_ms: number | null;
  outcome: string | null;
}

const ATTEMPTS = /* sql */ `
  select d.name as device_name, a.attempt, a.reign,
    (extract(epoch from a.granted_at) * 1000)::float8 as granted_ms,
    (extract(epoch from a.start_by) * 1000)::float8 as start_by_ms,
    (extract(epoch from a.finish_by) * 1000)::float8 as finish_by_ms,
    (extract(epoch from a.touched_at) * 1000)::float8 as touched_ms,
    (extract(epoch from a.ended_at) * 1000)::float8 as ended_ms,
    a.outcome
  from attempts a join devices d on d.id = a.device_id
  order by d.name, a.granted_at`;

/**
 * @param runsAs where a unit's flash does not hold the image as the file names it (a container was unpacked): SHA-256 of
 * the image, and of what then lies in flash.
 * @returns every promise found broken, as sentences; empty = all hold.
 */
export async function judge(
  databaseUrl: string,
  sites: readonly JudgedSite[],
  agentStateDirs: readonly string[] = [],
  runsAs: ReadonlyMap<string, string> = new Map(),
): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return [
      ...(await judgeTouches(client, sites)),
      ...(await judgeFlash(client, sites, runsAs)),
      ...(await judgeReports(client)),
      ...(await judgeSentReports(client, agentStateDirs)),
      ...(await judgeCounters(client)),
    ];
  } finally {
    await client.end();
  }
}

/** P2, P3: every touch lies within a grant, and grants of one device do not overlap. */
async function judgeTouches(client: pg.Client, sites: readonly JudgedSite[]): Promise<string[]> {
  const broken: string[] = [];
  const byDevice = new Map<string, AttemptRow[]>();
  for (const row of (await client.query<AttemptRow>(ATTEMPTS)).rows) {
    byDevice.set(row.device_name, [...(byDevice.get(row.device_name) ?? []), row]);
  }
  for (const site of sites) {
    for (const unit of site.units) {
      const attempts = byDevice.get(unit.serial) ?? [];
      const touches = unit.device.touches
        .filter((touch) => CHANGES.has(touch.what))
        .map((touch) => site.wallMs(touch.atMs));
      for (const at of touches) {
        const holding = attempts.filter(
          // An end is committed after the last touch of its attempt: nothing of it may come later.
          (attempt) =>
            at >= attempt.granted_ms - CLOCK_SLACK_MS &&
            at < Math.min(attempt.finish_by_ms, attempt.ended_ms ?? Infinity) + CLOCK_SLACK_MS,
        );
        if (holding.length === 0) broken.push(`P2: ${unit.serial} was touched at ${at} without any grant`);
      }
      attempts.forEach((attempt, index) => {
        const next = attempts[index + 1];
        // What lies after the next grant belongs to that one.
        const untilMs = Math.min(attempt.finish_by_ms + CLOCK_SLACK_MS, next?.granted_ms ?? Infinity);
        const first = touches.find((at) => at >= attempt.granted_ms - CLOCK_SLACK_MS && at < untilMs);
        // `touched` is written down before the first write, which may never arrive; such an attempt can only fail.
        const mustHaveTouched = attempt.outcome === 'proven' || attempt.outcome === 'reverted';
        if (attempt.touched_ms !== null && first === undefined && mustHaveTouched) {
          broken.push(
            `P4: ${unit.serial} attempt ${attempt.attempt} is said to be touched, the device knows nothing of it`,
          );
        }
        if (attempt.touched_ms !== null && first !== undefined && first > attempt.start_by_ms + CLOCK_SLACK_MS) {
          broken.push(`P2: ${unit.serial} attempt ${attempt.attempt} was first touched after startBy`);
        }
        if (!next) return;
        // All three are of Postgres's clock, and a grant is stamped after it was seen that the last one is over: no slack.
        const silentMs = attempt.finish_by_ms + CLOCK_MARGIN_MS;
        const knownEndMs = attempt.outcome === 'lost' ? silentMs : Math.min(attempt.ended_ms ?? Infinity, silentMs);
        if (next.granted_ms < knownEndMs) {
          broken.push(`P3: ${unit.serial} attempt ${next.attempt} was granted before attempt ${attempt.attempt} ended`);
        }
      });
    }
  }
  return broken;
}

/** P1, P6: what the device really runs is what was proven, byte for byte. */
async function judgeFlash(
  client: pg.Client,
  sites: readonly JudgedSite[],
  runsAs: ReadonlyMap<string, string>,
): Promise<string[]> {
  const broken: string[] = [];
  const rows = await client.query<{ name: string; image: string; campaign: string }>(/* sql */ `
    select distinct on (d.id) d.name, a.description->'images'->0->>'sha256' as image, c.name as campaign
    from deployments p
    join devices d on d.id = p.device_id
    join campaigns c on c.id = p.campaign_id
    join artifacts a on a.id = c.artifact_id
    -- What a later attempt left behind, failed or under way, is no word against the proof before it.
    where p.state = 'proven' and not exists (
      select 1 from attempts later where later.device_id = d.id and later.granted_at > p.ended_at
        and later.deployment_id <> p.id and later.touched_at is not null)
    order by d.id, p.ended_at desc`);
  const units = new Map(sites.flatMap((site) => site.units.map((unit) => [unit.serial, unit] as const)));
  for (const row of rows.rows) {
    const running = units.get(row.name)?.device.flash.runningImageSha256();
    const meant = runsAs.get(row.image) ?? row.image;
    if (running !== meant) {
      broken.push(`P1: ${row.name} is proven in ${row.campaign} but runs ${running ?? 'nothing'}, not ${meant}`);
    }
  }
  return broken;
}

/** P4: per epoch the table holds exactly the numbers 1..cursor, each once. */
async function judgeReports(client: pg.Client): Promise<string[]> {
  const rows = await client.query<{
    epoch: string;
    cursor: string;
    n: string;
    distinct_n: string;
    low: string;
    high: string;
  }>(/* sql */ `
    select c.epoch, c.cursor, count(r.seq) as n, count(distinct r.seq) as distinct_n,
      coalesce(min(r.seq), 0) as low, coalesce(max(r.seq), 0) as high
    from report_cursors c left join reports r on r.gateway_id = c.gateway_id and r.epoch = c.epoch
    group by c.gateway_id, c.epoch, c.cursor`);
  return rows.rows.flatMap((row) => {
    const cursor = Number(row.cursor);
    const whole =
      Number(row.n) === cursor &&
      Number(row.distinct_n) === cursor &&
      (cursor === 0 || (Number(row.low) === 1 && Number(row.high) === cursor));
    return whole
      ? []
      : [
          `P4: epoch ${row.epoch} has cursor ${cursor}, but ${row.n} rows (${row.distinct_n} numbers) from ${row.low} to ${row.high}`,
        ];
  });
}

/** P4: what the agents wrote down as said is what the table holds up to the cursor, number by number. */
async function judgeSentReports(client: pg.Client, stateDirs: readonly string[]): Promise<string[]> {
  const broken: string[] = [];
  // The table first: a report is in the journal before it is in the table, so the journal read later has them all.
  const { rows } = await client.query<{ epoch: string; seq: string; kind: string }>(
    'select epoch, seq, kind from reports',
  );
  for (const stateDir of stateDirs) {
    const said = await journalledReports(stateDir);
    const epochs = new Set(said.map((report) => report.epoch));
    const mine = rows.filter((row) => epochs.has(row.epoch));
    const taken = new Map(mine.map((row) => [`${row.epoch} ${row.seq}`, row.kind]));
    const cursors = new Map<string, number>();
    for (const row of mine) cursors.set(row.epoch, Math.max(cursors.get(row.epoch) ?? 0, Number(row.seq)));
    for (const { epoch, seq, kind } of said) {
      // What lies beyond the cursor is still on its way.
      if (seq > (cursors.get(epoch) ?? 0)) continue;
      const key = `${epoch} ${seq}`;
      const held = taken.get(key);
      if (held !== kind) broken.push(`P4: the agent said ${kind} as ${key}, the table holds ${held ?? 'nothing'}`);
      taken.delete(key);
    }
    for (const [key, kind] of taken) broken.push(`P4: the table holds ${kind} as ${key}, which the agent never said`);
  }
  return broken;
}

/** P10: counters equal a recount. */
async function judgeCounters(client: pg.Client): Promise<string[]> {
  const rows = await client.query<{
    campaign_id: string;
    stage_idx: number;
    state: string;
    counted: string;
    recounted: string;
  }>(/* sql */ `
    with recount as (
      select campaign_id, stage_idx, state, count(*) as n from deployments group by 1, 2, 3
    )
    select coalesce(c.campaign_id, r.campaign_id) as campaign_id, coalesce(c.stage_idx, r.stage_idx) as stage_idx,
      coalesce(c.state, r.state) as state, coalesce(c.n, 0) as counted, coalesce(r.n, 0) as recounted
    from campaign_counters c full join recount r using (campaign_id, stage_idx, state)
    where coalesce(c.n, 0) <> coalesce(r.n, 0)`);
  return rows.rows.map(
    (row) =>
      `P10: campaign ${row.campaign_id} stage ${row.stage_idx} state ${row.state}: counter ${row.counted}, recount ${row.recounted}`,
  );
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What the server holds about one deployment, for the message of a failed story: its attempts and reports. */
export async function historyOf(databaseUrl: string, deploymentId: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const attempts = await client.query<Record<string, unknown>>(
      `select attempt, left(epoch, 6) as epoch, mode, granted_at, start_by, finish_by, touched_at, ended_at, outcome, code
       from attempts where deployment_id = $1 order by granted_at`,
      [deploymentId],
    );
    const reports = await client.query<Record<string, unknown>>(
      `select left(epoch, 6) as epoch, seq, received_at, kind, attempt, disposition, note,
         body - 'ref' - 'before' - 'after' - 'identity' as body
       from reports where deployment_id = $1 or kind = 'epoch-started' order by received_at, seq`,
      [deploymentId],
    );
    return [...attempts.rows, ...reports.rows].map((row) => JSON.stringify(row)).join('\n');
  } finally {
    await client.end();
  }
}
