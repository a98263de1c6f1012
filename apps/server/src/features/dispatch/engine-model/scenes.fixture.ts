/**
 * For the engine's model test: short histories that lead straight to where one rule decides, so that each rule is tried
 * in every run. Judged by the same observers after every step. Campaigns A and B have begun.
 */
import type { EngineWorld } from './engine-world.fixture.js';
import type { Place } from './topology.fixture.js';
import type { ModelDevice } from './model-device.fixture.js';
import { keyOf, type Ending, type Life } from './model-gateway.fixture.js';

export interface Scene {
  readonly name: string;
  readonly play: (world: EngineWorld) => Promise<void>;
}

export interface Held {
  readonly place: Place;
  readonly life: Life;
  readonly device: ModelDevice;
  readonly key: string;
  readonly startBy: number;
  readonly finishBy: number;
}

/** Looks, publishes, and lets everybody talk; nobody works. */
export async function deal(world: EngineWorld, ms = 2_500): Promise<void> {
  await look(world, ms);
  for (const place of world.places) if (place.lives.some((life) => life.connected)) await world.talk(place);
  await world.check();
}

/** Looks and publishes; gateways hear nothing of it yet. */
export async function look(world: EngineWorld, ms: number): Promise<void> {
  await world.advance(ms);
  await world.tick(0);
  await world.check();
  await world.publish(1);
}

/** What gateways hold for a campaign and may begin. */
export function heldOf(world: EngineWorld, campaign: number): Held[] {
  return world.places.flatMap((place) =>
    place.lives.flatMap((life) =>
      [...life.card.granted.values()].flatMap(({ grant }) => {
        const device = world.devices.find((each) => each.id === grant.device)!;
        const isIts = world.book.campaignOf.get(grant.deployment) === world.campaigns[campaign];
        const { startBy, finishBy } = grant;
        return isIts && life.mayStart(grant) ? [{ place, life, device, key: keyOf(grant), startBy, finishBy }] : [];
      }),
    ),
  );
}

/** Deals until a gateway may begin something of the campaign. @throws Error when nobody may. */
export async function untilHeld(world: EngineWorld, campaign: number): Promise<Held> {
  for (let turn = 0; turn < 8; turn++) {
    const [held] = heldOf(world, campaign);
    if (held) return held;
    await deal(world);
  }
  throw new Error(`nobody was granted anything of campaign ${'ABCU'[campaign]!}`);
}

/** Works on a device until its attempt has ended, and tells. */
export async function finish(world: EngineWorld, { place, life, device }: Held, ending: Ending): Promise<void> {
  for (let turn = 0; turn < 8 && life.has(device); turn++) life.workOn(device, ending);
  await world.talk(place);
  await world.check();
}

/** Goes to a moment of the true time. */
export async function goTo(world: EngineWorld, ms: number): Promise<void> {
  await world.advance(Math.max(0, ms - world.trueNowMs));
}

export function expectThat(world: EngineWorld, holds: boolean, sentence: string): void {
  if (!holds) world.broken.push(sentence);
}

export async function stateOf(world: EngineWorld, campaign: number): Promise<string> {
  const [row] = await world.database.query<{ state: string }>('select state from campaigns where id = $1', [
    world.campaigns[campaign],
  ]);
  return row!.state;
}
