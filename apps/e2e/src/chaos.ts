/**
 * The crash run: a campaign while server and agents are killed, the wire to the broker is cut, and
 * devices lose power, at random moments from a printed seed. Judged by observers that are not the system.
 */
import { seededRandom } from '@drydock/device-sim';
import { historyOf, judge } from './judge.js';
import { until } from './operator.js';
import { makeBoardPackage, makeSensorPackage } from './packages.js';
import { openWorld, type World } from './world.js';

export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Called with one line per round. */
  readonly say: (line: string) => void;
}

const IMAGE_BYTES = 40 * 1024;
/** Trouble lasts this long; then everything is left alone until the campaigns end. */
const TROUBLE_MS = 8000;
const END_WITHIN_MS = 150_000;

/** @returns every promise found broken, as sentences with their round; empty = all hold. */
export async function runChaos(options: ChaosOptions): Promise<string[]> {
  const random = seededRandom(options.seed);
  const world = await openWorld({
    paced: true,
    imageBytes: IMAGE_BYTES,
    supervisionMs: 800,
    sites: [
      { name: 'east', sensors: [{}, {}], boards: [{}] },
      { name: 'west', sensors: [{}], boards: [{}, {}] },
    ],
  });
  const broken: string[] = [];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const startedMs = Date.now();
      const events = await playRound(world, round, random);
      const found = await judge(
        await world.server.databaseUrl(),
        world.sites,
        world.agents.map((agent) => agent.options.stateDir),
      );
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      options.say(
        `round ${round}: ${events.join(', ')}; ${seconds} s; ${found.length === 0 ? 'all promises hold' : found.join(' | ')}`,
      );
      broken.push(...found.map((sentence) => `round ${round}: ${sentence}`));
    }
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${world.words()}`);
  } finally {
    await world.close();
  }
  return broken;
}

async function playRound(world: World, round: number, random: () => number): Promise<string[]> {
  const version = round + 1;
  const made = [
    makeSensorPackage(version, world.sensorKey, IMAGE_BYTES),
    makeBoardPackage(version, world.boardKey, IMAGE_BYTES),
  ];
  const ids: string[] = [];
  for (const each of made) {
    const artifact = await world.operator.upload({
      bytes: each.file,
      name: each.fileName,
      model: each.model,
      version: each.version,
      runningVersion: each.version,
    });
    const often = { maxAttempts: 20, backOffMs: 500 };
    const draft = await world.operator.createCampaign({
      name: `round-${round}-${each.model}`,
      artifactId: artifact.id,
      policy: {
        stages: [{ name: 'all', percent: 100, gate: { minKnown: 1, maxFailureShare: 1 } }],
        timeouts: { startMs: 8000, downloadMs: 10_000, transferMs: 25_000, activateMs: 10_000, proveMs: 10_000 },
        retry: {
          firmware: often,
          device: often,
          link: often,
          gateway: often,
          server: often,
          operator: often,
          backOffMaxMs: 2000,
        },
      },
    });
    await world.operator.startCampaign(draft.id);
    ids.push(draft.id);
  }
  const events = await makeTrouble(world, random);
  for (const id of ids) {
    const campaign = await until(`round ${round} to end`, END_WITHIN_MS, async () => {
      const seen = await world.operator.campaign(id);
      return ['completed', 'halted', 'aborted'].includes(seen.state) ? seen : undefined;
    }).catch(async (error: unknown) => {
      const why = await world.operator.call('GET', `/api/v1/campaigns/${id}/why?limit=50`).catch(String);
      throw new Error(`${String(error)} after ${events.join(', ')}: ${JSON.stringify(why)}`);
    });
    if (campaign.sums.proven !== campaign.sums.total) {
      const deployments = await world.operator.deployments(id);
      const left = deployments.filter((each) => each.state !== 'proven');
      const history = left[0] ? await historyOf(await world.server.databaseUrl(), left[0].id) : '';
      const ends = left.map(
        (each) => `${each.device.name} ${each.state} ${each.outcomeCode ?? each.outcomeReason ?? ''}`,
      );
      throw new Error(`round ${round} after ${events.join(', ')}: ${ends.join('; ')}\n${history}`);
    }
  }
  return events;
}

/** A handful of blows within a few seconds; returns when everything is up again. */
async function makeTrouble(world: World, random: () => number): Promise<string[]> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const units = world.sites.flatMap((site) => site.units);
  const blows: { atMs: number; name: string; strike: () => Promise<void> }[] = [];
  const count = 3 + Math.floor(random() * 3);
  for (let n = 0; n < count; n++) {
    const atMs = 300 + random() * TROUBLE_MS;
    const kind = pick(['server', 'agent', 'agent', 'broker', 'power', 'power']);
    if (kind === 'server') {
      blows.push({
        atMs,
        name: 'server killed',
        strike: async () => {
          await world.server.crash();
          await world.server.restart();
        },
      });
    } else if (kind === 'agent') {
      const agent = pick(world.agents);
      blows.push({
        atMs,
        name: 'agent killed',
        strike: async () => {
          await agent.stop('SIGKILL');
          agent.start();
        },
      });
    } else if (kind === 'broker' && world.relay) {
      blows.push({ atMs, name: 'broker cut', strike: () => Promise.resolve(world.relay?.cut()) });
    } else {
      const unit = pick(units);
      const offMs = 100 + random() * 900;
      blows.push({
        atMs,
        name: `${unit.serial} power cut`,
        strike: () => Promise.resolve(unit.device.powerCut(offMs)),
      });
    }
  }
  blows.sort((a, b) => a.atMs - b.atMs);
  const startedMs = Date.now();
  for (const blow of blows) {
    const waitMs = startedMs + blow.atMs - Date.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    await blow.strike();
  }
  return blows.map((blow) => `${(blow.atMs / 1000).toFixed(1)} s ${blow.name}`);
}
