import type { EngineWorld } from './engine-world.fixture.js';
import type { Ending } from './model-gateway.fixture.js';

/** Everybody talks, works and is looked after for a while. */
export async function liveOn(world: EngineWorld, turns: number, ending: Ending, stepMs: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await world.advance(stepMs);
    await world.tick(turn % 2);
    await world.publish(turn % 2);
    for (const each of world.places) {
      if (each.lives.some((life) => life.connected)) {
        for (const life of each.lives) if (life.connected && turn % 3 === 0) await life.askTime();
        await world.talk(each);
      }
      // Two attempts at once, one step each.
      for (const [at] of each.lives.entries()) {
        world.work(each, at, ending);
        world.work(each, at + each.lives.length, ending);
      }
      if (each.lives.some((life) => life.connected)) await world.talk(each);
    }
    await world.check();
  }
  // What is granted now lies at the gateways and is not begun: the moment in which a pause counts.
  await world.tick(0);
  await world.publish(0);
  for (const each of world.places) if (each.lives.some((life) => life.connected)) await world.talk(each);
  await world.check();
}
