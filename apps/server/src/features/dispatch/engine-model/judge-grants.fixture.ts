/**
 * For the engine's model test: P2 and P3 of every grant as the tables show it, compared with what stood there one step
 * before. What stood in the way before and after a step stood in the way during it.
 */
import { CLOCK_MARGIN_MS } from '../../../domain/clock-margin.js';
import type { EngineWorld } from './engine-world.fixture.js';

/** Most that the clock of the database goes back in a history. */
const CLOCK_STEP_MS = 1_500;

interface Attempt {
  readonly key: string;
  readonly device: string;
  readonly campaign: string;
  readonly gateway: string;
  readonly stage: string;
  readonly rescue: boolean;
  readonly holds: boolean;
  readonly granted: number;
  readonly startBy: number;
  readonly finishBy: number;
  readonly ended: number | null;
  readonly outcome: string | null;
}

/** What keeps grants from being given: names of what is shut, for whatever reason. */
interface Shut {
  readonly campaigns: ReadonlyMap<string, string>;
  readonly stages: ReadonlyMap<string, string>;
  readonly gateways: ReadonlyMap<string, string>;
  readonly devices: ReadonlyMap<string, string>;
  /** When a device that failed may be tried again, by campaign and device. A grant clears it. */
  readonly notBefore: ReadonlyMap<string, number>;
  readonly settlingUntil: number | null;
}

export interface GrantsSeen {
  readonly attempts: ReadonlyMap<string, Attempt>;
  readonly shut: Shut;
  readonly mostProven: ReadonlyMap<string, number>;
}

const ATTEMPTS = /* sql */ `
  select a.deployment_id || '/' || a.reign || '.' || a.attempt as key, v.identity_value as device, a.campaign_id as campaign,
    a.gateway_id as gateway, a.campaign_id || '/' || d.stage_idx as stage, a.mode = 'rescue' as rescue,
    (d.reign, d.attempt) = (a.reign, a.attempt)
      and d.state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling') as holds,
    (extract(epoch from a.granted_at) * 1000)::float8 as granted,
    (extract(epoch from a.start_by) * 1000)::float8 as "startBy",
    (extract(epoch from a.finish_by) * 1000)::float8 as "finishBy",
    (extract(epoch from a.ended_at) * 1000)::float8 as ended, a.outcome
  from attempts a join devices v on v.id = a.device_id join deployments d on d.id = a.deployment_id
  order by v.id, a.granted_at, a.reign, a.attempt`;

interface Limits {
  readonly id: string;
  readonly limits: { inFlight: number; firstInFlight: number; earnedPerProven?: number; perGateway: number };
  readonly proven: number;
}

/** @returns every grant that should not be, as sentences. */
export async function judgeGrants(world: EngineWorld): Promise<string[]> {
  const rows = await world.database.query<Attempt>(ATTEMPTS);
  const before = world.seen.grants;
  const limits = await world.database.query<Limits>(
    `select c.id, c.policy->'limits' as limits,
       (select coalesce(sum(n), 0) from campaign_counters n where n.campaign_id = c.id and n.state = 'proven')::int as proven
     from campaigns c`,
  );
  const mostProven = new Map(limits.map((row) => [row.id, Math.max(row.proven, before?.mostProven.get(row.id) ?? 0)]));
  const shut = await readShut(world);
  world.seen.grants = { attempts: new Map(rows.map((row) => [row.key, row])), shut, mostProven };
  const broken = [...judgeFences(world, rows), ...judgeHolders(world)];
  if (!before) return broken;
  const given = rows.filter((row) => !before.attempts.has(row.key));
  const updates = given.filter((row) => !row.rescue);
  broken.push(
    ...judgeShut(updates, before.shut, shut, world.wentBack ? CLOCK_STEP_MS : 0),
    ...judgeRenewals(rows, before, shut),
  );
  if (given.length > 0) broken.push(...judgeRoom(rows, updates, limits, mostProven), ...judgePairs(rows));
  const slackMs = world.wentBack ? CLOCK_STEP_MS : 0;
  const tooSoon = given.filter((row) => row.granted < world.fencedUntilMs - slackMs);
  broken.push(
    ...tooSoon.map((row) => `P3: ${row.device} was granted while something of before the restore may still be touched`),
    ...(await judgeLoneVersions(world, updates)),
  );
  const again = given.filter((row) => world.keysBefore.has(row.key));
  broken.push(...again.map((row) => `P3: the number of an attempt of ${row.device} was given before the restore, too`));
  return broken;
}

interface Lone {
  readonly campaign: string;
  readonly version: string;
  readonly names: string[];
}

/**
 * Of a running version that nobody in the first stage had, one device at a time is worked on until one is proven. What
 * devices ran is asked of the devices; a lone one was granted in this step.
 */
async function judgeLoneVersions(world: EngineWorld, given: readonly Attempt[]): Promise<string[]> {
  if (given.length === 0) return [];
  const members = await world.database.query<{
    campaign: string;
    stage: number;
    device: string;
    holds: boolean;
    proven: boolean;
  }>(
    `select d.campaign_id as campaign, d.stage_idx as stage, v.identity_value as device,
       d.state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue') as holds,
       exists (select 1 from attempts a where a.deployment_id = d.id and a.outcome = 'proven') as proven
     from deployments d join devices v on v.id = d.device_id`,
  );
  const versionOf = (name: string): string => world.devices.find((each) => each.name === name)!.version;
  const lone: Lone[] = [];
  for (const campaign of new Set(given.map((row) => row.campaign))) {
    const own = members.filter((row) => row.campaign === campaign);
    for (const version of new Set(own.map((row) => versionOf(row.device)))) {
      const alike = own.filter((row) => versionOf(row.device) === version);
      const names = alike.filter((row) => row.holds).map((row) => row.device);
      if (alike.some((row) => row.stage === 0 || row.proven) || names.length < 2) continue;
      if (given.some((row) => row.campaign === campaign && names.includes(row.device)))
        lone.push({ campaign, version, names });
    }
  }
  return lone.map(
    ({ version, names }) => `strata: ${names.join(' and ')} go together, and nothing is known of ${version}`,
  );
}

/** Grants of one device follow each other; nobody is given up before the fence. */
function judgeFences(world: EngineWorld, rows: readonly Attempt[]): string[] {
  const slackMs = world.wentBack ? CLOCK_STEP_MS : 0;
  return rows.flatMap((row, index) => {
    const silentMs = row.finishBy + CLOCK_MARGIN_MS - slackMs;
    const broken: string[] = [];
    if (row.outcome === 'lost' && row.ended !== null && row.ended < silentMs) {
      broken.push(`P3: ${row.device} was given up ${silentMs - row.ended} ms before its fence`);
    }
    const works = world.places.some(({ cards }) => cards.some(({ started }) => started.has(row.key)));
    if (works && row.ended !== null && row.outcome !== 'lost' && !world.restored) {
      broken.push(`P3: ${row.device} is worked on, and its attempt is taken for ${row.outcome}`);
    }
    const next = rows[index + 1];
    if (next?.device !== row.device) return broken;
    const endMs = row.outcome === 'lost' ? silentMs : Math.min((row.ended ?? Infinity) - slackMs, silentMs);
    if (next.granted < endMs) {
      broken.push(`P3: ${row.device} was granted again ${endMs - next.granted} ms before the end of the last`);
    }
    return broken;
  });
}

/** One attempt belongs to one gateway. */
function judgeHolders(world: EngineWorld): string[] {
  const at = new Map<string, string>();
  const broken: string[] = [];
  for (const { name, cards } of world.places) {
    for (const key of new Set(cards.flatMap((card) => [...card.granted.keys(), ...card.started.keys()]))) {
      if (at.has(key)) broken.push(`P3: ${at.get(key)} and ${name} both hold ${key}`);
      at.set(key, name);
    }
  }
  return broken;
}

/** Nothing is granted where something stood in the way all the time. */
function judgeShut(given: readonly Attempt[], before: Shut, now: Shut, slackMs: number): string[] {
  const stays = (kind: 'campaigns' | 'stages' | 'gateways' | 'devices', id: string): string | undefined => {
    const reason = now[kind].get(id);
    return reason !== undefined && before[kind].get(id) === reason ? reason : undefined;
  };
  return given.flatMap((row) => {
    const reasons = [
      stays('campaigns', row.campaign),
      stays('stages', row.stage),
      stays('gateways', row.gateway),
      stays('gateways', `${row.campaign} ${row.gateway}`),
      stays('devices', row.device),
      row.granted < (before.notBefore.get(`${row.campaign} ${row.device}`) ?? 0) - slackMs
        ? 'it had to wait after its failure'
        : undefined,
      now.settlingUntil !== null && before.settlingUntil === now.settlingUntil && row.granted < now.settlingUntil
        ? 'the server was restored and has not settled'
        : undefined,
    ];
    return reasons.flatMap((reason) =>
      reason === undefined ? [] : [`P2: ${row.device} was granted although ${reason}`],
    );
  });
}

function judgeRenewals(rows: readonly Attempt[], before: GrantsSeen, now: Shut): string[] {
  return rows.flatMap((row) => {
    const earlier = before.attempts.get(row.key);
    const reason = now.campaigns.get(row.campaign);
    const isStopped = reason !== undefined && before.shut.campaigns.get(row.campaign) === reason;
    return earlier && isStopped && row.startBy > earlier.startBy && !row.rescue
      ? [`P2: the grant of ${row.device} was renewed although ${reason}`]
      : [];
  });
}

/** Room in flight is earned, and gateways take only so many. */
function judgeRoom(
  rows: readonly Attempt[],
  updates: readonly Attempt[],
  campaigns: readonly Limits[],
  mostProven: ReadonlyMap<string, number>,
): string[] {
  const broken: string[] = [];
  const holding = rows.filter((row) => row.holds);
  const fresh = updates.filter((row) => row.holds);
  for (const { id, limits } of campaigns) {
    if (!fresh.some((row) => row.campaign === id)) continue;
    const earned = limits.firstInFlight + (limits.earnedPerProven ?? 1) * mostProven.get(id)!;
    const most = Math.min(limits.inFlight, earned);
    const n = holding.filter((row) => row.campaign === id).length;
    if (n > most) broken.push(`exposure: ${n} devices are in flight, ${most} are earned`);
  }
  for (const gateway of new Set(fresh.map((row) => row.gateway))) {
    const giving = new Set(fresh.filter((row) => row.gateway === gateway).map((row) => row.campaign));
    const most = Math.max(...campaigns.filter(({ id }) => giving.has(id)).map(({ limits }) => limits.perGateway));
    const n = holding.filter((row) => row.gateway === gateway).length;
    if (n > most) broken.push(`caps: a gateway has ${n} in flight, ${most} are allowed`);
  }
  return broken;
}

/** Redundancy across campaigns: of a0 and b0 one is in service. */
function judgePairs(rows: readonly Attempt[]): string[] {
  const working = rows.filter((row) => row.holds && !row.rescue).map((row) => row.device);
  return working
    .filter((name) => name.startsWith('a') && working.includes(`b${name.slice(1)}`))
    .map((name) => `pairs: ${name} and b${name.slice(1)} are granted together`);
}

/** Reasons carry what a person did since, so that what was opened and shut again is another reason. */
async function readShut(world: EngineWorld): Promise<Shut> {
  const { database, letOn } = world;
  const campaigns = await database.query<{ id: string; state: string; at: string }>(
    `select id, state, state_at::text as at from campaigns where state <> 'running'`,
  );
  const stages = await database.query<{ key: string; campaign: string; state: string; ended: string }>(
    `select campaign_id || '/' || idx as key, campaign_id as campaign, state, coalesce(ended_at::text, '') as ended
     from campaign_stages where state in ('held', 'failed')`,
  );
  const gateways = await database.query<{ id: string; why: string }>(
    `select id::text, state || ' ' || coalesce(hold_note, '') || case when online then '' else ' offline' end as why from gateways
       where state <> 'active' or hold_note is not null or not online
     union all
     select campaign_id || ' ' || ref_id, 'in quarantine since ' || at from campaign_quarantines
       where kind = 'gateway' and lifted_at is null and probe_deployment_id is null
     union all
     select c.id || ' ' || w.gateway_id, 'wanted by an urgent campaign' from campaigns c, (
       select distinct v.gateway_id from campaigns u join deployments d on d.campaign_id = u.id
         join campaign_stages s on s.campaign_id = u.id and s.idx = d.stage_idx join devices v on v.id = d.device_id
       where u.policy ? 'urgent' and u.state = 'running' and d.state = 'planned' and s.state in ('open', 'soaking', 'passed')
         and v.state = 'active' and v.approved and v.hold_note is null
         -- one whose partner is out cannot start, and keeps nobody away
         and not exists (select 1 from devices m left join gateways g on g.id = m.gateway_id
           where m.redundancy_group_id = v.redundancy_group_id and m.id <> v.id and (m.needs_rescue or m.out_of_service
             or m.mode <> 'application' or not coalesce(g.online, false) or exists (select 1 from deployments o where o.device_id = m.id
               and o.state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue'))))) w
     where not c.policy ? 'urgent'`,
  );
  const waiting = await database.query<{ device: string; why: string }>(
    `select v.identity_value as device, case when v.hold_note is not null then 'a person holds it' when s.hold_note is not null
       then 'a person holds its site' when not v.approved then 'nobody approved it' else 'it is ' || v.state end as why
     from devices v join sites s on s.id = v.site_id
     where v.hold_note is not null or s.hold_note is not null or not v.approved or v.state <> 'active'
     union all
     -- its partner is being updated, out of service or out of sight
     select v.identity_value, 'its partner ' || m.identity_value || ' is out'
     from devices v join devices m on m.redundancy_group_id = v.redundancy_group_id and m.id <> v.id
       left join gateways g on g.id = m.gateway_id
     where m.needs_rescue or m.out_of_service or not coalesce(g.online, false) or exists (select 1 from deployments d
       where d.device_id = m.id and d.state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue'))`,
  );
  const later = await database.query<{ key: string; at: number }>(
    `select d.campaign_id || ' ' || v.identity_value as key, (extract(epoch from d.not_before) * 1000)::float8 as at
     from deployments d join devices v on v.id = d.device_id where d.state = 'planned' and d.not_before is not null`,
  );
  const [installation] = await database.query<{ until: number | null }>(
    'select (extract(epoch from settling_until) * 1000)::float8 as until from installation',
  );
  const once = (id: string): string => `(${letOn.get(id) ?? 0})`;
  const devices = new Map<string, string>();
  for (const { device, why } of waiting) devices.set(device, `${devices.get(device) ?? ''} ${why}`);
  return {
    campaigns: new Map(campaigns.map(({ id, state, at }) => [id, `its campaign is ${state} since ${at} ${once(id)}`])),
    stages: new Map(
      stages.map(({ key, campaign, state, ended }) => [key, `its stage is ${state} ${ended} ${once(campaign)}`]),
    ),
    gateways: new Map(gateways.map(({ id, why }) => [id, `its gateway is ${why} ${once(id)}`])),
    devices,
    notBefore: new Map(later.map(({ key, at }) => [key, at])),
    settlingUntil: installation?.until ?? null,
  };
}
