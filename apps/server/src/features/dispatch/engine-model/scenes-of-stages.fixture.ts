/** For the engine's model test: scenes of gates, reverts, caps, holds and the urgent lane. */
import type { EngineWorld } from './engine-world.fixture.js';
import { deal, expectThat, finish, heldOf, look, stateOf, untilHeld, type Held, type Scene } from './scenes.fixture.js';

async function provenCanary(world: EngineWorld): Promise<Held> {
  const held = await untilHeld(world, 0);
  await finish(world, held, 'well');
  await look(world, 1_000);
  return held;
}

async function approve(world: EngineWorld): Promise<number> {
  const status = await world.act(`/api/v1/campaigns/${world.campaigns[0]!}/stages/0/approve`);
  await world.check();
  return status;
}

async function canary(world: EngineWorld): Promise<void> {
  await world.stopCampaign(1, 'pause');
  await provenCanary(world);
  for (let turn = 0; turn < 2; turn++) await deal(world, 25_000);
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
  const status = await approve(world);
  expectThat(world, status === 200, `the canary has soaked, and its approval is answered ${status}`);
  for (let turn = 0; turn < 4; turn++) await deal(world, 8_000);
  expectThat(world, heldOf(world, 0).length > 0, 'the second stage does not begin');
  for (const held of heldOf(world, 0)) await finish(world, held, 'well');
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
}

async function canaryIsLost(world: EngineWorld): Promise<void> {
  await world.stopCampaign(1, 'pause');
  const held = await untilHeld(world, 0);
  held.life.workOn(held.device, 'well');
  held.life.workOn(held.device, 'well');
  await world.talk(held.place);
  await world.cutOff(held.place);
  await world.deliver(held.place);
  await deal(world, 400_000);
  for (let turn = 0; turn < 3; turn++) await deal(world, 60_000);
  await approve(world);
  // It is there again, without its device: whose pair has to stay.
  await world.comeBack(held.place);
  await world.resume(1);
  for (let turn = 0; turn < 6; turn++) {
    await deal(world, 8_000);
    for (const other of heldOf(world, 1)) {
      const isPair = other.device.group === held.device.group;
      expectThat(world, !isPair, `pairs: ${other.device.name} is granted, and nobody knows what became of its pair`);
      await finish(world, other, 'well');
    }
  }
}

async function halfKnown(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 1);
  await finish(world, held, 'well');
  for (let turn = 0; turn < 3; turn++) await deal(world, 2_500);
}

async function fallsBackInTheSoak(world: EngineWorld): Promise<void> {
  const held = await provenCanary(world);
  await world.advance(20_000);
  await fallBack(world, held);
  for (let turn = 0; turn < 5; turn++) await deal(world, 20_000);
  expectThat(world, (await stateOf(world, 0)) !== 'completed', 'campaign A completed over a canary that fell back');
}

async function fallsBackAfterwards(world: EngineWorld): Promise<void> {
  const held = await provenCanary(world);
  await deal(world, 61_000);
  await deal(world, 2_500);
  await approve(world);
  await look(world, 1_000);
  await fallBack(world, held);
  await look(world, 1_000);
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
  const marks = await world.database.query(
    `select 1 from brake_marks m join deployments d on d.id = m.deployment_id where d.device_id = $1 and m.test = 'firmware'`,
    [held.device.id],
  );
  expectThat(world, marks.length > 0, 'the brake knows nothing of the device that fell back');
}

async function fallBack(world: EngineWorld, { device, life, place }: Held): Promise<void> {
  device.run(device.factory);
  await life.inventory();
  await world.deliver(place);
  const [row] = await world.database.query<{ state: string }>(
    'select state from deployments where device_id = $1 and campaign_id = $2',
    [device.id, world.campaigns[0]],
  );
  expectThat(world, row!.state === 'reverted', `P1: ${device.name} runs its old firmware and is ${row!.state}`);
  await world.check();
}

async function neverAnybody(world: EngineWorld): Promise<void> {
  await look(world, 1_000);
  for (const place of world.places) {
    await world.cutOff(place);
    await world.deliver(place);
  }
  await deal(world, 400_000);
  await deal(world, 3 * 3_600_000);
  await deal(world, 20_000);
}

async function heldByPeople(world: EngineWorld): Promise<void> {
  const [north, south, east] = world.places;
  await world.decideOn(north!, 'quarantine');
  await world.decideOn(south!, 'hold');
  await world.cutOff(east!);
  await world.deliver(east!);
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  await world.decideOn(north!, 'release');
  await world.decideOn(south!, 'let go');
  await world.comeBack(east!);
  await deal(world);
  // Quarantined and held with grants at them.
  await world.decideOn(north!, 'hold');
  await world.decideOn(east!, 'quarantine');
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
}

/** Whatever a person can shut, one after the other, for all devices of B. */
async function keptOutByPeople(world: EngineWorld): Promise<void> {
  const shut = [
    ["update devices set hold_note = 'bench'", 'update devices set hold_note = null'],
    ['update devices set approved = false', 'update devices set approved = true'],
    ["update devices set state = 'decommissioned'", "update devices set state = 'active'"],
    ["update sites set hold_note = 'inventory'", 'update sites set hold_note = null'],
  ] as const;
  await world.stopCampaign(0, 'pause');
  for (const [close, open] of shut) {
    await world.database.query(close);
    await world.check();
    for (let turn = 0; turn < 2; turn++) await deal(world);
    // Opened and shut at once by the next: nobody looks in between.
    await world.database.query(open);
  }
  await untilHeld(world, 1);
}

async function gatewaysSetAside(world: EngineWorld): Promise<void> {
  await world.stopCampaign(0, 'pause');
  await world.database.query(
    `insert into campaign_quarantines (campaign_id, kind, ref_id, note, evidence, probe_at)
     select $1, 'gateway', id, 'failed more than the rest', '{}', clock_timestamp() + interval '1 hour'
     from unnest($2::uuid[]) as x(id)`,
    [world.campaigns[1], world.places.map(({ gateway }) => gateway.id)],
  );
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world);
  await world.liftQuarantines();
  await untilHeld(world, 1);
}

async function liar(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 0);
  await finish(world, held, 'with a lie');
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
}

async function everybodyAtOnce(world: EngineWorld): Promise<void> {
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  for (let turn = 0; turn < 5; turn++) {
    await deal(world, 8_000);
    for (const held of [...heldOf(world, 0), ...heldOf(world, 1), ...heldOf(world, 2)].slice(0, 2)) {
      await finish(world, held, turn === 1 ? 'with a failed link' : 'well');
    }
  }
}

async function urgent(world: EngineWorld): Promise<void> {
  const before = await untilHeld(world, 1);
  const status = await world.beginUrgent();
  expectThat(world, status === 200, `the urgent campaign is answered ${status}`);
  await deal(world, 1_000);
  for (let turn = 0; turn < 3; turn++) await deal(world, 2_500);
  const left = heldOf(world, 1).filter((held) => held.key === before.key);
  expectThat(world, left.length === 0, `${before.device.name} was not taken back for the urgent campaign`);
  expectThat(world, heldOf(world, 3).length > 0, 'the urgent campaign gets nothing');
  for (let turn = 0; turn < 4; turn++) {
    for (const held of heldOf(world, 3).slice(0, 1)) await finish(world, held, 'well');
    await deal(world, 8_000);
  }
}

/** Nobody of the other version is in the canary: they follow one by one, whatever room there is. */
async function versionWithoutCanary(world: EngineWorld): Promise<void> {
  await world.stopCampaign(1, 'pause');
  const { device } = await provenCanary(world);
  for (let turn = 0; turn < 2; turn++) await deal(world, 25_000);
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
  await approve(world);
  const isOther = (held: Held): boolean => held.device.version !== device.version;
  for (let turn = 0; turn < 6; turn++) {
    await deal(world, 8_000);
    // Those of the canary's version earn room for more.
    for (const held of heldOf(world, 0)) if (!isOther(held)) await finish(world, held, 'well');
  }
  const others = heldOf(world, 0).filter(isOther);
  expectThat(world, others.length === 1, `${others.length} of a version without a canary may begin, one should`);
  for (const held of others) await finish(world, held, 'well');
  for (let turn = 0; turn < 2; turn++) await deal(world, 8_000);
  expectThat(world, heldOf(world, 0).some(isOther), 'the version is proven on one, and the other does not follow');
  await world.check();
}

/** While devices wait for an urgent campaign behind a gateway, nobody else is granted there. */
async function urgentGoesFirst(world: EngineWorld): Promise<void> {
  const [north] = world.places;
  await world.stopCampaign(0, 'abort');
  await world.stopCampaign(1, 'abort');
  // What is left hangs where devices of the urgent campaign hang, too.
  await world.cutOff(north!);
  await world.deliver(north!);
  await deal(world);
  for (const place of world.places.slice(1)) {
    for (const life of place.lives) await life.inventory();
    await world.deliver(place);
  }
  expectThat(world, (await world.beginUrgent()) === 200, 'the urgent campaign does not begin');
  await untilHeld(world, 3);
  expectThat(world, heldOf(world, 3).length === 1, 'the urgent campaign begins with more than one');
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world);
  await world.comeBack(north!);
  for (let turn = 0; turn < 10 && heldOf(world, 2).length === 0; turn++) {
    for (const held of heldOf(world, 3)) await finish(world, held, 'well');
    await deal(world, 8_000);
  }
  expectThat(world, heldOf(world, 2).length > 0, 'nobody else is granted anything after the urgent campaign');
  await world.check();
}

async function cancelled(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 0);
  const other = await untilHeld(world, 1);
  other.life.workOn(other.device, 'well');
  await world.talk(other.place);
  const path = (at: number, id: string): string => `/api/v1/campaigns/${world.campaigns[at]!}/devices/${id}/cancel`;
  await world.act(path(0, held.device.id), { reason: 'because', mode: 'before-start' });
  await world.act(path(1, other.device.id), { reason: 'because', mode: 'safe-point' });
  await deal(world);
  await deal(world);
  expectThat(world, !held.life.has(held.device), `${held.device.name} was cancelled and is still granted`);
  await finish(world, other, 'well');
  for (let turn = 0; turn < 4; turn++) await deal(world, 8_000);
  const rows = await world.database.query<{ name: string; state: string }>(
    `select v.identity_value as name, d.state from deployments d join devices v on v.id = d.device_id
     where (d.campaign_id, d.device_id) in (($1, $2), ($3, $4))`,
    [world.campaigns[0], held.device.id, world.campaigns[1], other.device.id],
  );
  for (const row of rows) expectThat(world, row.state === 'cancelled', `${row.name} was cancelled and is ${row.state}`);
  await world.check();
}

export const SCENES_OF_STAGES: readonly Scene[] = [
  { name: 'a canary is proven, soaks, waits for its approval, and others follow', play: canary },
  { name: 'a canary is lost', play: canaryIsLost },
  { name: 'half of a stage is known', play: halfKnown },
  { name: 'a canary falls back in its soak', play: fallsBackInTheSoak },
  { name: 'a canary falls back after its gate has opened', play: fallsBackAfterwards },
  { name: 'nobody is ever heard of', play: neverAnybody },
  { name: 'gateways are held, quarantined and away', play: heldByPeople },
  { name: 'devices and their site are kept out by people', play: keptOutByPeople },
  { name: 'the brake sets gateways aside', play: gatewaysSetAside },
  { name: 'a device says that it runs what it does not', play: liar },
  { name: 'three campaigns want the same gateways and pairs', play: everybodyAtOnce },
  { name: 'an urgent campaign begins while others hold grants', play: urgent },
  { name: 'devices of a version that no canary had follow one by one', play: versionWithoutCanary },
  { name: 'devices of an urgent campaign wait, and nobody else is granted there', play: urgentGoesFirst },
  { name: 'devices are cancelled before and after their start', play: cancelled },
];
