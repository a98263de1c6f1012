/** The crash run at scale and the partition run, judged by the devices' own logs. */
import { seededRandom } from '@drydock/device-sim';
import type { PauseAnswer } from '@drydock/contracts';
import { judge } from '../judge.js';
import { until } from '../operator.js';
import type { OutsideGround } from './fleet-ground.js';
import { openFleet, type Fleet } from './fleet-world.js';

export interface FleetRunOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly gateways: number;
  readonly devicesPerGateway: number;
  /** Two servers on it; undefined: one server with everything inside. */
  readonly outside?: OutsideGround;
  /** Called with one line per round. */
  readonly say: (line: string) => void;
}

const END_WITHIN_MS = 240_000;
/** Clocks: touches are stamped by this process, promises by Postgres; both read this machine's clock. */
const CLOCK_SLACK_MS = 100;

/** A campaign over the whole fleet that nothing but trouble can slow down. */
async function startCampaign(fleet: Fleet, round: number, startMs: number): Promise<string> {
  const artifactId = await fleet.release(round);
  const often = { maxAttempts: 20, backOffMs: 500 };
  const { id } = await fleet.operator.createCampaign({
    name: `round-${round}`,
    artifactId,
    policy: {
      stages: [
        { name: 'first', percent: 10, gate: { minKnown: 1, maxFailureShare: 0.5 } },
        { name: 'all', percent: 90, gate: { minKnown: 1, maxFailureShare: 1 } },
      ],
      limits: { inFlight: 1000, firstInFlight: 400, earnedPerProven: 4, perGateway: 32 },
      pace: { kind: 'ramp', startPerMinute: 100_000, maxPerMinute: 100_000 },
      brake: { limit: 0.5, transportLimit: 0.5, baseline: false },
      timeouts: { startMs, downloadMs: 30_000, transferMs: 20_000, activateMs: 10_000, proveMs: 10_000 },
      retry: {
        firmware: often,
        device: often,
        link: often,
        gateway: often,
        server: often,
        operator: often,
        backOffMaxMs: 2_000,
      },
    },
  });
  await fleet.operator.startCampaign(id);
  return id;
}

/** Waits for the end, whatever fails on the way there. */
async function untilOver(fleet: Fleet, id: string, what: string): Promise<string> {
  return until(
    what,
    END_WITHIN_MS,
    async () => {
      const { state, stateReason, quarantines } = await fleet.operator.campaign(id);
      if (state === 'completed' || state === 'aborted') return state;
      if (state === 'halted') return `halted (${stateReason ?? 'no reason'})`;
      // What fails while servers are dead counts against the gateway that could not reach them: a person has looked.
      for (const each of quarantines) {
        await fleet.operator.call('POST', `/api/v1/campaigns/${id}/quarantines/${each.id}/lift`, { reason: 'a crash' });
      }
      return undefined;
    },
    500,
  ).catch(async (error: unknown) => {
    const why = await fleet.operator.call('GET', `/api/v1/campaigns/${id}/why?limit=20`).catch(String);
    throw new Error(`P8: ${String(error)}: ${JSON.stringify(why).slice(0, 4_000)}\n${fleet.ground.words()}`);
  });
}

/** What was sent is in the table: waits until every agent's reports are acknowledged. */
export async function untilTold(fleet: Fleet): Promise<void> {
  await until('every report to be acknowledged', 120_000, () =>
    Promise.resolve(
      fleet.agents.every((agent) => agent.journal.epochs().every(({ cursor, lastSeq }) => cursor >= lastSeq)),
    ),
  );
}

/** @returns every promise found broken, as sentences with their round; empty = all hold. */
export async function runFleet(options: FleetRunOptions): Promise<string[]> {
  const random = seededRandom(options.seed);
  const fleet = await openFleet({ ...options, cutShare: 0, parallel: 32 });
  const broken: string[] = [];
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const startedMs = Date.now();
      const id = await startCampaign(fleet, round, 15_000);
      const events = await makeTrouble(fleet, random);
      const state = await untilOver(fleet, id, `round ${round} after ${events.join(', ')} to end`);
      await untilTold(fleet);
      const found = await judge(fleet.ground.databaseUrl, [fleet.site], fleet.stateDirs);
      const { counts } = await fleet.operator.campaign(id);
      if (state === 'completed' && (counts.proven ?? 0) !== fleet.units.length) {
        found.push(`P4: completed with ${JSON.stringify(counts)} of ${fleet.units.length} devices`);
      }
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      options.say(
        `round ${round}: ${events.join(', ')}; ${seconds} s; ${state} ${JSON.stringify(counts)}; ` +
          (found.length === 0 ? 'all promises hold' : found.slice(0, 20).join(' | ')),
      );
      broken.push(...found.map((sentence) => `round ${round}: ${sentence}`));
    }
  } finally {
    await fleet.close();
  }
  return broken;
}

/** Kills within a few seconds; returns when everything is up again. */
async function makeTrouble(fleet: Fleet, random: () => number): Promise<string[]> {
  const { ground } = fleet;
  const kinds = ground.mortals;
  const count = kinds.length > 1 ? 2 + Math.floor(random() * 3) : 1;
  const events: string[] = [];
  for (let n = 0; n < count; n++) {
    await new Promise((resolve) => setTimeout(resolve, 300 + random() * 3_000));
    const kind = kinds[Math.floor(random() * kinds.length)]!;
    events.push(`${kind} killed`);
    if (kind === 'broker' || kind === 'database') await ground.crash(kind);
    else {
      const index = kind === 'server 1' ? 0 : 1;
      await ground.killServer(index);
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000));
      // A database that comes up meanwhile may refuse for a moment.
      await until('the server to start', 60_000, async () => {
        await ground.startServer(index);
        return true;
      });
    }
  }
  return events;
}

/** @returns every promise found broken, as sentences with their round; empty = all hold. */
export async function runPartition(options: FleetRunOptions): Promise<string[]> {
  const random = seededRandom(options.seed);
  // Few at once: what is granted waits at the gateway, where only its own clock can stop it.
  const fleet = await openFleet({ ...options, cutShare: 0.3, parallel: 3 });
  const broken: string[] = [];
  let startedBehindCut = 0;
  try {
    for (let round = 1; round <= options.rounds; round++) {
      const startedMs = Date.now();
      const id = await startCampaign(fleet, round, 6_000);
      // Those behind the cut have the file by then: what they hold they can begin without anybody.
      await until('devices behind the cut to be touched', 60_000, () =>
        Promise.resolve(
          fleet.units.some(
            ({ serial, touches }) => fleet.behindCut.has(serial) && (touches.at(-1)?.atMs ?? 0) > startedMs,
          ),
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, random() * 2_000));
      fleet.ground.cutOff(true);
      await new Promise((resolve) => setTimeout(resolve, random() * 1_500));
      const answer = await fleet.operator.pauseCampaign(id, 'the partition run');
      const answeredMs = Date.now();
      const found = await watchPause(fleet, id, answer, answeredMs, startedMs);
      fleet.ground.cutOff(false);
      await fleet.operator.resumeCampaign(id, 'the partition run');
      const state = await untilOver(fleet, id, `round ${round} to end`);
      await untilTold(fleet);
      found.push(...(await judge(fleet.ground.databaseUrl, [fleet.site], fleet.stateDirs)));
      const after = firstTouches(fleet, startedMs).filter(
        (each) => each.atMs > answeredMs && each.atMs <= answer.noneAfter,
      );
      const cutOff = after.filter((each) => fleet.behindCut.has(each.serial)).length;
      startedBehindCut += cutOff;
      const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
      options.say(
        `round ${round}: paused with ${answer.mayStillStart} that may still start within ${answer.noneAfter - answeredMs} ms, ` +
          `${answer.running} running; ${after.length} started, ${cutOff} ` +
          `of them cut off; ${seconds} s; ${state}; ${found.length === 0 ? 'all promises hold' : found.slice(0, 20).join(' | ')}`,
      );
      broken.push(...found.map((sentence) => `round ${round}: ${sentence}`));
    }
    // One round may have none by chance.
    if (options.rounds >= 3 && startedBehindCut === 0) {
      broken.push('Nobody who was cut off began anything: these rounds show nothing of P2.');
    }
  } finally {
    await fleet.close();
  }
  return broken;
}

/** First touch of each attempt since a moment, by the units' own logs. */
function firstTouches(fleet: Fleet, sinceMs: number): { serial: string; atMs: number }[] {
  return fleet.units.flatMap((unit) =>
    unit.touches
      .filter((touch) => touch.what === 'touched' && touch.atMs > sinceMs)
      .map((touch) => ({ serial: unit.serial, atMs: touch.atMs })),
  );
}

/** P2 by the devices: the number only falls, at most so many start, none after the time, though they hear nothing. */
async function watchPause(
  fleet: Fleet,
  id: string,
  answer: PauseAnswer,
  answeredMs: number,
  sinceMs: number,
): Promise<string[]> {
  const found: string[] = [];
  let last = answer.mayStillStart;
  const untilMs = answer.noneAfter + 3_000;
  while (Date.now() < untilMs) {
    const askedMs = Date.now();
    const now = (await fleet.operator.call('GET', `/api/v1/campaigns/${id}/exposure`)) as PauseAnswer;
    if (now.mayStillStart > last) found.push(`P2: the number grew from ${last} to ${now.mayStillStart}`);
    if (askedMs > answer.noneAfter && now.mayStillStart !== 0) {
      found.push(`P2: ${now.mayStillStart} may still start after noneAfter`);
    }
    last = now.mayStillStart;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const after = firstTouches(fleet, Math.max(sinceMs, answeredMs));
  if (after.length > answer.mayStillStart) {
    found.push(`P2: ${after.length} devices started after the answer, which said ${answer.mayStillStart}`);
  }
  const late = after.filter((each) => each.atMs > answer.noneAfter + CLOCK_SLACK_MS);
  if (late.length > 0) found.push(`P2: ${late.length} devices started after noneAfter`);
  return found;
}
