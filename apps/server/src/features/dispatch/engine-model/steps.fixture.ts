/** For the engine's model test: everything that can happen, each told in a sentence. */
import fc from 'fast-check';
import type { EngineWorld } from './engine-world.fixture.js';
import type { Place } from './topology.fixture.js';
import { liveOn } from './live-on.fixture.js';
import type { Ending } from './model-gateway.fixture.js';

type Play = (world: EngineWorld) => Promise<string | void>;

/** One sentence of a story. */
export class Step {
  constructor(
    readonly sentence: string,
    private readonly play: Play,
  ) {}

  /** Plays it and judges everything. @returns the sentence with what came of it. */
  async run(world: EngineWorld, told: string[]): Promise<void> {
    told.push(this.sentence);
    const result = await this.play(world);
    if (typeof result === 'string') told[told.length - 1] += ` (${result})`;
    await world.check();
  }

  toString(): string {
    return `\n  ${this.sentence}`;
  }

  /** How fast-check prints it. */
  [fc.toStringMethod](): string {
    return this.toString();
  }
}

const place = (world: EngineWorld, at: number): Place => world.places[at]!;
const NAMES = ['north', 'south', 'east'];
const CAMPAIGNS = ['A', 'B', 'C', 'U'];
const gatewayAt = fc.nat(2);
const campaignAt = fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.constant(2) });
const serverAt = fc.nat(1);
const endings: readonly Ending[] = ['well', 'with a failed link', 'without an application', 'with a lie', 'unproven'];
const ending = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Ending>('well') },
  { weight: 2, arbitrary: fc.constantFrom(...endings) },
);
/** Deaths within the first dozens of statements; mostly none. */
const death = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 45 }) },
);
const dying = (statements: number | undefined): string =>
  statements === undefined ? '' : ` and dies at its statement ${statements}`;

const step = <T>(
  weight: number,
  input: fc.Arbitrary<T>,
  tell: (input: T) => string,
  play: (input: T, world: EngineWorld) => Promise<string | void>,
) => ({
  weight,
  arbitrary: input.map((given) => new Step(tell(given), (world) => play(given, world))),
});

const life = step(
  10,
  fc.tuple(fc.integer({ min: 1, max: 8 }), ending, fc.constantFrom(200, 2_000, 10_000)),
  ([turns, how, ms]) => `life goes on for ${turns} turns of ${ms} ms; updates end ${how}`,
  ([turns, how, ms], world) => liveOn(world, turns, how, ms),
);

const SERVER_STEPS = [
  step(
    5,
    fc.constantFrom(500, 5_000, 30_000, 61_000, 300_000, 3_600_000),
    (ms) => `${ms} ms pass`,
    (ms, world) => world.advance(ms),
  ),
  step(
    6,
    fc.tuple(serverAt, death),
    ([at, n]) => `server ${at + 1} looks at what is due${dying(n)}`,
    ([at, n], world) => world.tick(at, n),
  ),
  step(
    4,
    fc.tuple(serverAt, death),
    ([at, n]) => `server ${at + 1} publishes orders${dying(n)}`,
    ([at, n], world) => world.publish(at, n),
  ),
  step(
    1,
    fc.constant(0),
    () => 'server 2 is killed and started again',
    (_, world) => world.crashServer(),
  ),
  step(
    2,
    fc.tuple(serverAt, fc.constantFrom('away' as const, 'wiped' as const)),
    ([at, queue]) => `server ${at + 1} looks for what is due; its queue is ${queue}`,
    ([at, queue], world) => world.tick(at, undefined, queue),
  ),
  step(
    1,
    fc.constant(0),
    () => 'the broker forgets everything',
    (_, world) => {
      for (const each of world.places) {
        each.retained = undefined;
        for (const one of each.lives) one.down.length = 0;
      }
      return Promise.resolve();
    },
  ),
  step(
    1,
    fc.constant(0),
    () => 'a backup is made',
    (_, world) => world.database.save('backup').then(() => void (backedUp = true)),
  ),
  step(
    1,
    fc.constant(0),
    () => 'the backup is restored',
    async (_, world) => {
      if (!backedUp) return 'there is none';
      await world.restoreDatabase('backup');
      return undefined;
    },
  ),
  step(
    1,
    fc.integer({ min: 0, max: 1_500 }),
    (ms) => `the clock of the database is set to ${ms} ms ahead`,
    (ms, world) => world.stepClock(ms),
  ),
];

const GATEWAY_STEPS = [
  step(
    6,
    fc.tuple(gatewayAt, serverAt, death),
    ([at, server, n]) =>
      `${NAMES[at]!} talks with server ${server + 1}, which${n === undefined ? ' listens' : dying(n).slice(4)}`,
    ([at, server, n], world) => world.talk(place(world, at), server, n),
  ),
  step(
    8,
    fc.tuple(gatewayAt, fc.nat(7), ending),
    ([at, which, how]) => `${NAMES[at]!} works on its attempt ${which}, an update ending ${how}`,
    ([at, which, how], world) => Promise.resolve(world.work(place(world, at), which, how)),
  ),
  step(
    3,
    gatewayAt,
    (at) => `${NAMES[at]!} is cut off`,
    async (at, world) => {
      await world.cutOff(place(world, at));
      await world.deliver(place(world, at));
    },
  ),
  step(
    1,
    gatewayAt,
    (at) => `${NAMES[at]!} falls asleep unnoticed`,
    (at, world) => {
      for (const one of place(world, at).lives) one.sleep();
      return Promise.resolve();
    },
  ),
  step(
    4,
    gatewayAt,
    (at) => `${NAMES[at]!} is there again`,
    (at, world) => world.comeBack(place(world, at)),
  ),
  step(
    2,
    gatewayAt,
    (at) => `${NAMES[at]!} is restarted`,
    (at, world) => world.restart(place(world, at)),
  ),
  step(
    1,
    gatewayAt,
    (at) => `the card of ${NAMES[at]!} is wiped`,
    (at, world) => Promise.resolve(world.wipeCard(place(world, at))),
  ),
  step(
    1,
    gatewayAt,
    (at) => `the card of ${NAMES[at]!} is copied into a second machine`,
    (at, world) => Promise.resolve(world.cloneCard(place(world, at))),
  ),
  step(
    2,
    gatewayAt,
    (at) => `what ${NAMES[at]!} sent arrives twice and in the wrong order`,
    async (at, world) => {
      for (const one of place(world, at).lives) {
        if (one.connected) await one.offer();
        one.up.push(...one.up);
        one.up.reverse();
      }
      await world.deliver(place(world, at));
    },
  ),
  step(
    2,
    fc.tuple(gatewayAt, fc.integer({ min: 1, max: 3 })),
    ([at, n]) => `later reports of ${NAMES[at]!} overtake ${n}`,
    async ([at, n], world) => {
      for (const one of place(world, at).lives) if (one.connected) await one.offer(n);
      await world.deliver(place(world, at));
    },
  ),
  step(
    2,
    gatewayAt,
    (at) => `what was on its way to and from ${NAMES[at]!} is lost`,
    async (at, world) => {
      for (const one of place(world, at).lives) {
        if (one.connected) await one.offer();
        one.up.length = 0;
        one.down.length = 0;
      }
    },
  ),
  step(
    1,
    fc.nat(7),
    (at) => `device ${'ab'[at % 2]!}${at >> 1} runs its old firmware again`,
    async (at, world) => {
      const device = world.devices[at]!;
      if (device.runs === undefined) return 'it has none';
      device.runs = device.factory;
      for (const each of world.places) for (const one of each.lives) if (one.connected) await one.inventory();
      return device.name;
    },
  ),
];

const PERSON_STEPS = [
  step(
    5,
    campaignAt,
    (at) => `a person starts campaign ${CAMPAIGNS[at]!}`,
    async (at, world) => String(await world.act(`/api/v1/campaigns/${world.campaigns[at]!}/start`, {})),
  ),
  step(
    3,
    campaignAt,
    (at) => `a person pauses campaign ${CAMPAIGNS[at]!}`,
    (at, world) => world.stopCampaign(at, 'pause'),
  ),
  step(
    1,
    campaignAt,
    (at) => `a person halts campaign ${CAMPAIGNS[at]!}`,
    (at, world) => world.stopCampaign(at, 'halt'),
  ),
  step(
    1,
    fc.tuple(campaignAt, fc.constantFrom('finish', 'safe-point')),
    ([at, running]) => `a person aborts campaign ${CAMPAIGNS[at]!} (running: ${running})`,
    ([at, running], world) => world.stopCampaign(at, 'abort', { running }),
  ),
  step(
    4,
    campaignAt,
    (at) => `a person resumes campaign ${CAMPAIGNS[at]!}`,
    async (at, world) => String(await world.resume(at)),
  ),
  step(
    1,
    fc.constant(0),
    () => 'two people approve the urgent campaign U',
    async (_, world) => String(await world.beginUrgent()),
  ),
  step(
    2,
    fc.constant(0),
    () => 'a person approves the gate of campaign A',
    async (_, world) => String(await world.act(`/api/v1/campaigns/${world.campaigns[0]!}/stages/0/approve`)),
  ),
  step(
    2,
    fc.tuple(campaignAt, fc.nat(7), fc.constantFrom('before-start', 'safe-point')),
    ([at, device, mode]) =>
      `a person cancels device ${'ab'[at % 2]!}${device % 4} of campaign ${CAMPAIGNS[at]!} (${mode})`,
    async ([at, device, mode], world) =>
      String(
        await world.act(
          `/api/v1/campaigns/${world.campaigns[at]!}/devices/${world.devices[(at % 2) * 4 + (device % 4)]!.id}/cancel`,
          { reason: 'because', mode },
        ),
      ),
  ),
  step(
    4,
    fc.tuple(gatewayAt, fc.constantFrom('hold' as const, 'let go' as const, 'quarantine' as const, 'release' as const)),
    ([at, what]) => `a person decides "${what}" about ${NAMES[at]!}`,
    async ([at, what], world) => String(await world.decideOn(place(world, at), what)),
  ),
  step(
    1,
    fc.constant(0),
    () => 'a person lifts every quarantine of a campaign',
    (_, world) => world.liftQuarantines(),
  ),
];

let backedUp = false;
export const forgetBackup = (): void => void (backedUp = false);

/** A story begins with two campaigns that a person starts; what follows is anything. */
export function stories(maxSteps: number): fc.Arbitrary<Step[]> {
  return fc.array(fc.oneof(life, ...SERVER_STEPS, ...GATEWAY_STEPS, ...PERSON_STEPS), {
    minLength: 12,
    maxLength: maxSteps,
    size: 'max',
  });
}
