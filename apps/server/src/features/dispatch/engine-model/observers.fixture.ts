/**
 * For the engine's model test: what must hold after every step, asked of the tables by other statements than the
 * engine's own, and of the devices as they truly are.
 */
import { PauseAnswer } from '@drydock/contracts';
import { CLOCK_MARGIN_MS } from '../../../domain/clock-margin.js';
import { call } from '../../fleet/fleet.fixture.js';
import { recount } from '../../insight/recount.js';
import type { EngineWorld } from './engine-world.fixture.js';
import { judgeGates, noGates, type GatesSeen } from './judge-gates.fixture.js';
import { judgeGrants, type GrantsSeen } from './judge-grants.fixture.js';

/** What observers remember from step to step. */
export interface Seen extends GatesSeen {
  grants: GrantsSeen | undefined;
}

export const freshEyes = (): Seen => ({ ...noGates(), grants: undefined });

const HOLDING = `('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling')`;

/** @returns every promise found broken, as sentences. */
export async function observe(world: EngineWorld): Promise<string[]> {
  const { database } = world;
  const broken: string[] = [];

  const twice = await database.query<{ name: string; n: string }>(
    `select v.identity_value as name, count(*) as n from deployments d join devices v on v.id = d.device_id
     where d.state in ${HOLDING} or d.state = 'rescue' group by 1 having count(*) > 1`,
  );
  broken.push(...twice.map((row) => `P3: ${row.name} has ${row.n} live deployments`));

  const endless = await database.query<{ name: string; state: string }>(
    `select v.identity_value as name, d.state from deployments d join devices v on v.id = d.device_id
       join campaigns c on c.id = d.campaign_id
     where d.state in ${HOLDING} and (d.finish_by is null or d.start_by is null)
       -- looked at just now, and still there
       or d.state in ${HOLDING} and d.finish_by <= clock_timestamp() - interval '${CLOCK_MARGIN_MS} milliseconds'
         and not c.dirty and c.wake_at > clock_timestamp()`,
  );
  broken.push(...endless.map((row) => `P8: ${row.name} is ${row.state} without an end`));

  const asleep = await database.query<{ name: string; state: string }>(
    `select name, state from campaigns where state in ('running', 'paused', 'halted', 'aborting', 'scheduled')
       and not dirty and (wake_at is null or wake_at > clock_timestamp() + interval '1 hour')`,
  );
  broken.push(...asleep.map((row) => `P8: campaign ${row.name} is ${row.state} and nobody will look at it`));

  const { differences } = await recount(world.servers[0]!.server.dataSource.manager);
  broken.push(...differences.map((each) => `P10: ${each.counter} is ${each.counted}, recounted ${each.recounted}`));

  const gaps = await database.query<{ epoch: string; cursor: string; n: string }>(
    `select left(c.epoch, 6) as epoch, c.cursor, count(r.seq) as n from report_cursors c
       left join reports r on r.gateway_id = c.gateway_id and r.epoch = c.epoch and r.seq <= c.cursor
     group by c.gateway_id, c.epoch, c.cursor having count(r.seq) <> c.cursor or count(distinct r.seq) <> c.cursor`,
  );
  broken.push(...gaps.map((row) => `P4: epoch ${row.epoch} is acknowledged up to ${row.cursor}, ${row.n} are kept`));

  broken.push(...(await judgeProofs(world)), ...(await judgeGates(world)), ...(await judgeWhys(world)));
  broken.push(...judgePairs(world), ...(await judgeGrants(world)), ...(await judgeAcks(world)));
  await readPauses(world);
  return broken;
}

/** P4: what a gateway was told to be committed is. */
async function judgeAcks(world: EngineWorld): Promise<string[]> {
  // A restored server has forgotten what it said; gateways are told by its reign.
  if (world.restored) return [];
  const rows = await world.database.query<{ epoch: string; cursor: number }>(
    'select epoch, cursor::float8 as cursor from report_cursors',
  );
  const kept = new Map(rows.map((row) => [row.epoch, row.cursor]));
  return world.places.flatMap(({ name, cards }) =>
    cards.flatMap((card) =>
      [...card.cursors].flatMap(([epoch, said]) => {
        const cursor = kept.get(epoch) ?? 0;
        return said > cursor ? [`P4: ${name} was acknowledged ${said} reports, ${cursor} are committed`] : [];
      }),
    ),
  );
}

/** P1: what counts as proven did run. */
async function judgeProofs(world: EngineWorld): Promise<string[]> {
  const proven = await world.database.query<{ name: string; campaign: string }>(
    `select v.identity_value as name, d.campaign_id as campaign from deployments d join devices v on v.id = d.device_id
     where d.state = 'proven'`,
  );
  return proven.flatMap(({ name, campaign }) => {
    const device = world.devices.find((each) => each.name === name)!;
    return device.everRan.has(world.artifactOf.get(campaign)!.runningHashes[0]!)
      ? []
      : [`P1: ${name} is proven and never ran the image`];
  });
}

/** P9: one reason for everybody who is not updated, and none for anybody else. */
async function judgeWhys(world: EngineWorld): Promise<string[]> {
  const broken: string[] = [];
  for (const campaign of world.campaigns) {
    const members = await world.database.query<{ id: string; state: string }>(
      'select id, state from deployments where campaign_id = $1',
      [campaign],
    );
    if (members.length === 0) continue;
    const whys = await world.servers[0]!.whys(world.orgId, campaign);
    for (const member of members) {
      const given = whys.filter((why) => why.deploymentId === member.id);
      if (given.length > 1 || (member.state !== 'proven' && given.length !== 1)) {
        broken.push(`P9: a member that is ${member.state} has ${given.length} reasons`);
      }
    }
  }
  return broken;
}

/** At most one of a pair is worked on or without an application, by the devices themselves. */
function judgePairs(world: EngineWorld): string[] {
  // A restored server does not know who was broken since; a wiped or copied card forgets what it began.
  if (world.restored) return [];
  const started = new Set(
    world.places.flatMap(({ cards }) =>
      cards.flatMap((card) => [...card.started.values()].map((each) => each.grant.device)),
    ),
  );
  return [0, 1, 2, 3].flatMap((group) => {
    const out = world.devices.filter(
      (device) => device.group === group && (started.has(device.id as never) || device.runs === undefined),
    );
    return out.length > 1
      ? [`pairs: ${out.map((device) => device.name).join(' and ')} are out of service together`]
      : [];
  });
}

/** P2: the number of a pause, read again: it only falls. */
async function readPauses(world: EngineWorld): Promise<void> {
  const stopped = await world.database.query<{ id: string }>(
    `select id from campaigns where id = any($1) and state in ('paused', 'halted', 'aborting')`,
    [world.campaigns],
  );
  for (const campaign of world.campaigns) {
    if (!stopped.some((row) => row.id === campaign)) {
      world.book.forget(campaign);
      continue;
    }
    const answer = await call(world.servers[0]!.server, 'GET', `/api/v1/campaigns/${campaign}/exposure`);
    const told = answer.json(PauseAnswer);
    world.book.told(campaign, told.mayStillStart, told.noneAfter);
    const could = couldStart(world, campaign);
    if (!world.restored && could.length > told.mayStillStart) {
      world.book.broken.push(`P2: ${could.join(', ')} could start now, ${told.mayStillStart} were told`);
    }
  }
}

/** Devices that some gateway holds a grant for which it may begin now. */
function couldStart(world: EngineWorld, campaign: string): string[] {
  const names = new Set<string>();
  for (const { lives, devices } of world.places) {
    for (const life of lives) {
      for (const { grant } of life.card.granted.values()) {
        if (grant.mode === 'rescue' || world.book.campaignOf.get(grant.deployment) !== campaign) continue;
        if (life.mayStart(grant)) names.add(devices.find((device) => device.id === grant.device)?.name ?? grant.device);
      }
    }
  }
  return [...names];
}
