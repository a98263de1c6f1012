/** For the engine's model test: the last part of every story. */
import type { EngineWorld } from './engine-world.fixture.js';
import { liveOn } from './live-on.fixture.js';

/** The last part of every story: all that is broken is mended by people, and the campaigns end. */
export async function heal(world: EngineWorld): Promise<void> {
  for (const place of world.places) {
    for (const life of place.lives.splice(1)) await life.disconnect();
    place.cards.splice(1);
  }
  let turn = 0;
  for (; turn < 48 && (turn < 3 || (await openCampaigns(world)).length > 0); turn++) {
    if (turn % 6 === 0) await peopleMend(world);
    // What waits for a person or for news that never come is given up in the end.
    if (turn === 36) for (const index of world.campaigns.keys()) await world.stopCampaign(index, 'abort');
    await liveOn(world, 1, 'well', turn % 6 === 5 ? 3_600_000 : 10_000);
  }
  for (const row of await openCampaigns(world)) {
    const whys = await world.servers[0]!.whys(world.orgId, row.id);
    world.broken.push(
      `P8: campaign ${row.name} is stranded in ${row.state} (${row.reason}): ${whys.map((why) => why.code).join(', ')}`,
    );
  }
  world.healedAfter = turn;
  const unsent = world.places.flatMap((place) => place.lives.map((life) => `${place.name} ${life.unsent}`));
  if (unsent.some((each) => !each.endsWith(' 0')))
    world.broken.push(`P4: reports were never taken: ${unsent.join(', ')}`);
  await world.check();
}

function openCampaigns(
  world: EngineWorld,
): Promise<{ id: string; name: string; state: string; reason: string | null }[]> {
  return world.database.query(
    `select id, name, state, state_reason as reason from campaigns
     where id = any($1) and state not in ('completed', 'aborted', 'draft', 'awaiting-approval')`,
    [world.campaigns],
  );
}

async function peopleMend(world: EngineWorld): Promise<void> {
  for (const place of world.places) {
    await world.decideOn(place, 'let go');
    await world.decideOn(place, 'release');
    await world.comeBack(place);
  }
  await world.liftQuarantines();
  const open = new Set((await openCampaigns(world)).map((row) => row.id));
  for (const [index, campaign] of world.campaigns.entries()) {
    if (!open.has(campaign)) continue;
    await world.act(`/api/v1/campaigns/${campaign}/stages/0/approve`);
    await world.resume(index);
    for (const stratum of [0, 1, 2, 3]) await world.act(`/api/v1/campaigns/${campaign}/strata/${stratum}/release`);
  }
}
