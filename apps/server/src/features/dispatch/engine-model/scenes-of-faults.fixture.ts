/** For the engine's model test: scenes of silence, pauses, repeated messages, copies, restores and two servers at once. */
import { CLOCK_MARGIN_MS } from '../../../domain/clock-margin.js';
import type { EngineWorld } from './engine-world.fixture.js';
import {
  deal,
  expectThat,
  finish,
  goTo,
  heldOf,
  look,
  stateOf,
  untilHeld,
  type Held,
  type Scene,
} from './scenes.fixture.js';

/** A gateway is cut off and noticed to be. */
async function cut(world: EngineWorld, { place }: Held): Promise<void> {
  await world.cutOff(place);
  await world.deliver(place);
  await world.check();
}

async function silence(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 0);
  const { life, device } = held;
  life.workOn(device, 'well');
  life.workOn(device, 'well');
  await world.talk(held.place);
  await cut(world, held);
  // Its next campaign waits until the end is known.
  await world.stopCampaign(0, 'abort', { running: 'finish' });
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  await goTo(world, held.startBy + CLOCK_MARGIN_MS + 1_000);
  await deal(world);
  await goTo(world, held.finishBy - 1_000);
  await deal(world, 0);
  life.workOn(device, 'well');
  await world.check();
  await goTo(world, held.finishBy + CLOCK_MARGIN_MS - 500);
  await deal(world, 0);
  await deal(world, 600);
  const [row] = await world.database.query<{ state: string }>(
    'select state from deployments where device_id = $1 and campaign_id = $2',
    [device.id, world.campaigns[0]],
  );
  expectThat(world, row!.state === 'lost', `P8: ${device.name} is ${row!.state} after its fence`);
  // Its pair is not touched: nobody knows what became of it.
  for (let turn = 0; turn < 3; turn++) await deal(world, 20_000);
  await world.comeBack(held.place);
  for (let turn = 0; turn < 4; turn++) await deal(world, 20_000);
}

async function pauseByAnyClock(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 0);
  const all = [...heldOf(world, 0), ...heldOf(world, 1)];
  for (const place of world.places) await world.cutOff(place);
  for (const place of world.places) await world.deliver(place);
  await world.stepClock(1_500);
  await goTo(world, Math.min(...all.map((each) => each.startBy)) - 1_000);
  await world.stopCampaign(0, 'pause');
  await world.stopCampaign(1, 'pause');
  await world.check();
  for (const each of all) each.life.workOn(each.device, 'well');
  await world.check();
  await goTo(world, held.finishBy - 1_000);
  await look(world, 0);
  for (const each of all) each.life.workOn(each.device, 'well');
  await world.check();
}

async function pausedForLong(world: EngineWorld): Promise<void> {
  await untilHeld(world, 0);
  await untilHeld(world, 1);
  await world.stopCampaign(0, 'pause');
  await world.stopCampaign(1, 'halt');
  await world.check();
  await look(world, 35_000);
  // What they held is withdrawn; nothing else comes.
  for (let turn = 0; turn < 4; turn++) await deal(world, 8_000);
  await deal(world, 300_000);
}

async function rescueWhilePaused(world: EngineWorld): Promise<void> {
  await world.stopCampaign(1, 'pause');
  const held = await untilHeld(world, 0);
  await finish(world, held, 'without an application');
  await world.stopCampaign(0, 'pause');
  for (let turn = 0; turn < 6 && !held.life.has(held.device); turn++) await deal(world, 8_000);
  expectThat(world, held.life.has(held.device), `P2: ${held.device.name} gets no rescue while its campaign is paused`);
  await finish(world, held, 'well');
}

async function backOff(world: EngineWorld): Promise<void> {
  // Campaign B would take the pair of the device while it waits.
  await world.stopCampaign(1, 'pause');
  const held = await untilHeld(world, 0);
  await finish(world, held, 'with a failed link');
  for (let turn = 0; turn < 3; turn++) await look(world, 500);
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  expectThat(world, held.life.has(held.device), `${held.device.name} is not tried again after its back-off`);
}

async function twiceOvertakenAndDying(world: EngineWorld): Promise<void> {
  const held = await untilHeld(world, 0);
  const { place, life, device } = held;
  const say = async (): Promise<void> => {
    await life.offer();
    life.up.push(...life.up);
    await world.deliver(place);
    await world.check();
  };
  life.workOn(device, 'well');
  await say();
  life.workOn(device, 'well');
  life.workOn(device, 'well');
  // The first two are overtaken: they must still come.
  await life.offer(2);
  await world.deliver(place);
  await world.check();
  for (let statement = 1; statement <= 14; statement++) {
    await world.talk(place, statement % 2, statement);
    await world.check();
  }
  await say();
  expectThat(world, life.unsent === 0, `P4: ${life.unsent} reports are not taken`);
  while (life.has(device)) life.workOn(device, 'with a failed link');
  for (let statement = 1; statement <= 24; statement++) {
    await world.talk(place, 0, statement);
    await world.check();
  }
  await say();
  await life.inventory();
  await say();
  expectThat(world, life.unsent === 0, `P4: ${life.unsent} reports are not taken`);
}

/** A copy of the card from before the grant is asked, while the original goes on. */
async function copyOfTheCard(world: EngineWorld): Promise<void> {
  const before = world.places.map((place) => place.cards[0]!.copy());
  const held = await untilHeld(world, 0);
  const { place, life, device } = held;
  const copy = world.bootCopy(place, before[world.places.indexOf(place)]!);
  // Nobody notices that the original is away.
  life.connected = false;
  await copy.connect(place.retained);
  for (let turn = 0; turn < 2; turn++) await deal(world);
  const order = JSON.parse(Buffer.from(place.retained!.split('.')[1]!, 'base64url').toString('utf8')) as {
    body: { settle?: { deployment: string }[] };
  };
  const isAsked = order.body.settle?.some(({ deployment }) => held.key.startsWith(deployment)) === true;
  expectThat(world, !isAsked, `P3: a copy of ${place.name} is asked about what the original was heard to hold`);
  life.workOn(device, 'well');
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  life.workOn(device, 'well');
  await world.check();
  await life.connect(place.retained);
  for (let turn = 0; turn < 3; turn++) {
    await deal(world, 8_000);
    for (const each of [life, copy]) {
      await each.askTime();
      await world.deliver(place);
      await each.present();
      await world.deliver(place);
    }
  }
  const [row] = await world.database.query<{ state: string }>('select state from gateways where id = $1', [
    place.gateway.id,
  ]);
  expectThat(world, row!.state === 'quarantined', `two machines speak as ${place.name}, and it is ${row!.state}`);
}

/** The answer "it never came" is on its way when the original is heard. */
async function lateAnswerOfACopy(world: EngineWorld): Promise<void> {
  const copies = world.places.map((place) => place.cards[0]!.copy());
  await look(world, 2_500);
  const place = world.places.find(({ lives }) => lives[0]!.down.some(({ leaf }) => leaf === 'orders'))!;
  const life = place.lives[0]!;
  // The original takes its order; what it says of it is still on the way.
  for (const message of life.down.splice(0)) await life.take(message);
  const card = copies[world.places.indexOf(place)]!;
  const copy = world.bootCopy(place, card);
  await copy.connect(undefined);
  for (const message of copy.up.splice(0)) await world.arrive(place, message, 0);
  await look(world, 2_500);
  for (const message of copy.down.splice(0)) await copy.take(message);
  await life.offer();
  for (const message of life.up.splice(0)) await world.arrive(place, message, 0);
  for (const message of life.down.splice(0)) await life.take(message);
  for (const device of place.devices) if (life.has(device)) life.workOn(device, 'well');
  await copy.offer();
  for (const message of copy.up.splice(0)) await world.arrive(place, message, 0);
  await world.check();
}

/** Word of an older attempt, from an earlier start of the agent, arrives when the next one is granted. */
async function olderAttempt(world: EngineWorld): Promise<void> {
  await look(world, 2_500);
  const place = world.places.find(({ lives }) => lives[0]!.down.some(({ leaf }) => leaf === 'orders'))!;
  const old = place.lives[0]!;
  for (const message of old.down.splice(0)) await old.take(message);
  const [device] = place.devices.filter((each) => old.has(each));
  await world.restart(place);
  const life = place.lives[0]!;
  await life.connect(place.retained);
  for (let turn = 0; turn < 6 && !life.has(device!); turn++) {
    await life.offerOwn();
    await world.deliver(place);
    await look(world, 8_000);
    for (const message of life.down.splice(0)) await life.take(message);
  }
  if (!life.has(device!)) return;
  for (let turn = 0; turn < 2; turn++) {
    await life.offerEarlier();
    for (const message of life.up.splice(0)) await world.arrive(place, message, 0);
  }
  const rows = await world.database.query<{ attempt: number; heard: boolean }>(
    'select attempt, heard from deployments where device_id = $1 and attempt > 1',
    [device!.id],
  );
  for (const row of rows) {
    expectThat(
      world,
      !row.heard,
      `P3: attempt ${row.attempt} of ${device!.name} is taken as heard of by word of the first`,
    );
  }
  await world.check();
}

/** The database is put back to before the grants; who touches goes on. */
async function restored(world: EngineWorld): Promise<void> {
  await world.database.save('backup');
  const held = await untilHeld(world, 0);
  held.life.workOn(held.device, 'well');
  await world.restoreDatabase('backup');
  // What is granted from here on is new to those who watch.
  await world.check();
  const others = world.places.filter((place) => place !== held.place);
  for (const place of others) await world.comeBack(place);
  expectThat(world, (await stateOf(world, 0)) !== 'running', 'a restored campaign goes on by itself');
  await world.resume(0);
  await world.resume(1);
  // Somebody of its devices could be granted at once.
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  held.life.workOn(held.device, 'well');
  await world.check();
  // It is there again and offers what the backup does not know.
  held.place.retained = undefined;
  for (const life of held.place.lives) life.connected = false;
  await world.comeBack(held.place);
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  await goTo(world, held.finishBy - 1_000);
  held.life.workOn(held.device, 'well');
  await world.check();
  await goTo(world, held.finishBy + 400_000);
  await world.resume(0);
  for (let turn = 0; turn < 5; turn++) await deal(world, 8_000);
}

/** Two servers look at two campaigns at once; pairs and gateways cross them, and one campaign is looked at by both. */
async function together(world: EngineWorld): Promise<void> {
  for (const at of [0, 1]) await world.stopCampaign(at, 'abort');
  // What is left shares no gateway: a0 and a1 hang on north, b0 and b2 on south.
  await world.decideOn(world.places[2]!, 'hold');
  await world.database.query(`update devices set hold_note = 'bench' where identity_value = 'a2'`);
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  await world.beginUrgent();
  await world.check();
  for (let turn = 0; turn < 2; turn++) {
    await world.advance(2_500);
    await world.tickTogether(turn % 2 === 0 ? 3 : 2, turn % 2 === 0 ? 2 : 3);
    await world.check();
    await world.tickTogether(2, 2);
    await world.check();
  }
  await world.database.query(`update devices set hold_note = null where identity_value = 'a2'`);
  await world.decideOn(world.places[2]!, 'let go');
  for (let turn = 0; turn < 2; turn++) {
    await world.advance(2_500);
    await world.tickTogether(2, 3);
    await world.check();
  }
}

/** What is granted comes to the gateways, whichever server publishes. */
async function ordersCome(world: EngineWorld): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await deal(world);
  const rows = await world.database.query<{ key: string; name: string }>(
    `select d.id || '/' || d.reign || '.' || d.attempt as key, v.identity_value as name from deployments d
       join devices v on v.id = d.device_id join gateways g on g.id = d.gateway_id and g.epoch = d.epoch
     where d.state = 'granted' and d.granted_at < clock_timestamp() - interval '3 seconds'`,
  );
  const known = new Set(world.places.flatMap(({ cards }) => cards.flatMap((card) => [...card.granted.keys()])));
  for (const row of rows) expectThat(world, known.has(row.key), `P5: the order with ${row.name} never came`);
  const held = heldOf(world, 1);
  expectThat(world, held.length > 0, 'nobody holds a grant of campaign B');
}

/** The queue forgets every job, later it is away: the database says what is due, and that is looked at. */
async function noQueue(world: EngineWorld): Promise<void> {
  for (const queue of ['wiped', 'away'] as const) {
    for (let turn = 0; turn < 20 && heldOf(world, 1).length === 0; turn++) {
      await world.advance(11_000);
      await world.tick(turn % 2, undefined, queue);
      await world.check();
      await world.publish(0);
      for (const place of world.places) await world.talk(place);
      // A device of the other campaign that is out of service keeps its partner waiting whatever the queue does.
      for (const each of heldOf(world, 0)) await finish(world, each, 'well');
      await world.check();
    }
    const [held] = heldOf(world, 1);
    const waits = await world.database.query(
      `select 1 from deployments d join campaigns c on c.id = d.campaign_id
       where d.campaign_id = $1 and d.state = 'planned' and c.state = 'running'`,
      [world.campaigns[1]],
    );
    // All that wait may have had their turn while the queue forgot.
    if (!held && waits.length === 0) return;
    expectThat(world, held !== undefined, `P5: nobody is granted anything while the queue is ${queue}`);
    if (held) await finish(world, held, 'well');
    for (const each of heldOf(world, 1)) await finish(world, each, 'well');
  }
  await world.check();
}

/** A device that two gateways see is granted to one, and moves only when its attempt is over. */
async function moved(world: EngineWorld): Promise<void> {
  await world.stopCampaign(0, 'abort');
  await world.act(`/api/v1/campaigns/${world.campaigns[2]!}/start`, {});
  const device = world.devices.find((each) => each.name === 'a2')!;
  for (let turn = 0; turn < 12 && !world.lifeWith(device); turn++) {
    await deal(world);
    for (const held of [...heldOf(world, 2), ...heldOf(world, 1)]) {
      if (held.device !== device) await finish(world, held, 'well');
    }
  }
  const found = world.lifeWith(device);
  if (!found) throw new Error('a2 was never granted');
  for (const place of world.places) for (const life of place.lives) await life.inventory();
  await deal(world);
  await world.cutOff(found.place);
  await world.deliver(found.place);
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
  found.life.workOn(device, 'well');
  await world.check();
  for (let turn = 0; turn < 3; turn++) await deal(world, 8_000);
}

export const SCENES_OF_FAULTS: readonly Scene[] = [
  { name: 'a gateway is cut off in the middle of an update and never heard again before its fence', play: silence },
  { name: 'a pause while gateways are cut off and the clock of the database is ahead', play: pauseByAnyClock },
  { name: 'campaigns are paused and halted for long, and gateways are slow to hear of it', play: pausedForLong },
  { name: 'a device without an application is rescued while its campaign is paused', play: rescueWhilePaused },
  { name: 'a failed device waits for its back-off', play: backOff },
  { name: 'reports come twice, overtake each other, and meet servers that die', play: twiceOvertakenAndDying },
  { name: 'a copy of the card is asked about what the original goes on with', play: copyOfTheCard },
  { name: 'a copy says that a grant never came while the original begins it', play: lateAnswerOfACopy },
  { name: 'word of an older attempt comes when the next is granted', play: olderAttempt },
  { name: 'the database is restored to before the grants', play: restored },
  { name: 'two servers look at two campaigns at once', play: together },
  { name: 'orders reach the gateways whichever server publishes them', play: ordersCome },
  { name: 'the queue forgets every job, and is away', play: noQueue },
  { name: 'a device is seen by two gateways, and the one that has it goes away', play: moved },
];
