/**
 * The torture run of the agent: eight Bluetooth and four UART units of mixed protocols, updated while everything goes
 * wrong that can: the agent is killed, links drop, bits flip, devices lose power, the uplink and the adapter go, the disk
 * is full, the clock jumps. Then it is quiet, and every device must end proven or with a truthful code; no unit may ever
 * run a byte that nobody sent.
 *
 * The devices and the server live in this process, the agent is the built one in a process of its own.
 */
import { spawnAgent, startScriptedServer, type SpawnedAgent } from '@drydock/agent/testing';
import { seededRandom } from '@drydock/device-sim';
import { describeArtifact } from '@drydock/dfu-core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SmallCampaign, type Progress } from './small-campaign.js';
import { openTortureSite } from './torture-site.js';

export interface TortureOptions {
  readonly seed: number;
  readonly imageBytes: number;
  /** Trouble lasts so long. */
  readonly stormMs: number;
  /** Mean pause between two troubles. */
  readonly troubleEveryMs: number;
  /** Afterwards all must have ended within this. */
  readonly calmMs: number;
  readonly say: (line: string) => void;
}

export interface TortureResult {
  readonly broken: readonly string[];
  readonly members: readonly Progress[];
  readonly troubles: Readonly<Record<string, number>>;
  readonly kills: number;
}

const FAULTS = fileURLToPath(new URL('../../../dist/soak/agent/process-faults.js', import.meta.url));
const SEEN_MS = 120_000;
const STEP_MS = 100;
/** Between the start of an agent and its end by force, at most twice. */
const WORKING_MS = 4000;
const HOUR_MS = 3_600_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function torture(options: TortureOptions): Promise<TortureResult> {
  const random = seededRandom(options.seed);
  const between = (least: number, most: number): number => least + random() * (most - least);
  const folder = await mkdtemp(join(tmpdir(), 'drydock-torture-'));
  const faultsFile = join(folder, 'faults.json');
  const faults = { diskFull: false, clockJumpMs: 0 };
  const setFaults = (news: Partial<typeof faults>): Promise<void> =>
    writeFile(faultsFile, JSON.stringify(Object.assign(faults, news)));
  await setFaults({});
  let bitErrors = false;
  const server = await startScriptedServer();
  const site = await openTortureSite({
    folder,
    imageBytes: options.imageBytes,
    random: seededRandom(options.seed + 1),
    bitErrors: () => bitErrors,
  });
  const { units } = site;
  // JSON is YAML too.
  const siteText = JSON.stringify({
    bluetooth: { adapter: site.adapter, scanSeconds: 2, everySeconds: 5 },
    identifyEverySeconds: 10,
    limits: { parallel: 12 },
    models: Object.fromEntries(units.map(({ family }) => [family.model, { protocol: family.protocol }])),
    devices: units.map(({ family, link }) => ({ name: family.model, model: family.model, link })),
  });
  const campaign = new SmallCampaign(server, units, (file) => describeArtifact(file).format);
  const stateDir = join(folder, 'agent');
  const stopped = new AbortController();
  const broken: string[] = [];
  let kills = 0;
  let killing = false;
  let agent: SpawnedAgent | undefined;

  const start = async (): Promise<void> => {
    const started = await spawnAgent({
      stateDir,
      site: siteText,
      serverUrl: server.url,
      token: server.enrolToken,
      nodeOptions: ['--import', FAULTS],
      env: { DRYDOCK_SOAK_FAULTS: faultsFile },
      logLevel: process.env['DRYDOCK_SOAK_LOG'] ?? 'warn',
    });
    agent = started;
    void started.exited.then((status) => {
      if (killing || stopped.signal.aborted) return;
      broken.push(`the agent ended by itself (${status}): ${JSON.stringify(started.log.slice(-5))}`);
    });
  };
  const kill = async (awayMs: number): Promise<void> => {
    killing = true;
    kills += 1;
    agent?.process.kill('SIGKILL');
    await agent?.exited;
    await pause(awayMs);
    killing = false;
    await start();
  };
  const cutUplink = async (ms: number): Promise<void> => {
    const port = await server.stopBroker();
    await pause(ms);
    await server.startBroker(port);
  };

  const someone = () => units[Math.floor(random() * units.length)]!;
  const troubles: readonly (readonly [name: string, weight: number, harm: () => Promise<void>])[] = [
    [
      'kill -9',
      3,
      async () => {
        // Anywhere in its work: one that is killed as soon as it is there would never do any.
        const seen = server.presences.length;
        for (let waited = 0; waited < WORKING_MS && server.presences.length === seen; waited += STEP_MS) {
          await pause(STEP_MS);
        }
        await pause(between(0, WORKING_MS));
        await kill(between(0, 800));
      },
    ],
    ['power cut', 4, async () => someone().device.powerCut(between(50, 1500))],
    ['link drop', 6, async () => someone().dropLink(random() < 0.5 ? 'graceful' : 'silent')],
    [
      'bit errors',
      2,
      async () => {
        bitErrors = true;
        await pause(between(500, 3000));
        bitErrors = false;
      },
    ],
    ['uplink loss', 1, () => cutUplink(between(300, 2500))],
    [
      'disk full',
      1,
      async () => {
        await setFaults({ diskFull: true });
        await pause(between(300, 2000));
        await setFaults({ diskFull: false });
      },
    ],
    ['clock jump', 1, () => setFaults({ clockJumpMs: Math.round(between(-24, 24)) * HOUR_MS })],
    ['adapter pulled', 1, () => site.pullAdapter(between(200, 1500))],
  ];
  const counts: Record<string, number> = {};
  const busy = new Set<string>();
  const weights = troubles.reduce((sum, [, weight]) => sum + weight, 0);
  const running = new Set<Promise<void>>();
  const harm = (): void => {
    let at = random() * weights;
    const found = troubles.find(([, weight]) => (at -= weight) < 0);
    // The same trouble twice at once would be one.
    if (!found || busy.has(found[0])) return;
    const [name, , work] = found;
    counts[name] = (counts[name] ?? 0) + 1;
    busy.add(name);
    const done = work().catch((error: unknown) => void broken.push(`${name}: ${String(error)}`));
    running.add(done);
    void done.then(() => {
      busy.delete(name);
      running.delete(done);
    });
  };

  /** Steps until it holds or the time is over. @returns whether it holds. */
  const stepUntil = async (holds: () => boolean, withinMs: number, each: () => void = () => undefined) => {
    const endMs = performance.now() + withinMs;
    let presences = server.presences.length;
    while (!holds() && performance.now() < endMs) {
      each();
      if (server.presences.length !== presences) campaign.repeat();
      presences = server.presences.length;
      await campaign.step(campaign.seen === units.length);
      await pause(STEP_MS);
    }
    return holds();
  };

  try {
    await start();
    if (!(await stepUntil(() => campaign.seen === units.length, SEEN_MS))) {
      const unseen = units.filter(({ link }) => !JSON.stringify(server.inventories).includes(link));
      return {
        broken: [`not seen: ${unseen.map(({ family }) => family.model).join(', ')}`],
        members: campaign.members,
        troubles: counts,
        kills,
      };
    }
    // Trouble begins when there is something to trouble.
    await stepUntil(() => campaign.underWay > 1 || campaign.isOver, SEEN_MS);
    const began = performance.now();
    let nextMs = began + between(0, 2 * options.troubleEveryMs);
    await stepUntil(
      () => campaign.isOver,
      options.stormMs,
      () => {
        if (performance.now() < nextMs) return;
        nextMs = performance.now() + between(0, 2 * options.troubleEveryMs);
        harm();
      },
    );
    await Promise.all(running);
    options.say(`the storm is over after ${Math.round(performance.now() - began)} ms: ${JSON.stringify(counts)}`);
    await stepUntil(() => campaign.isOver, options.calmMs);
    for (const { unit, final, history } of campaign.members) {
      if (final === undefined) broken.push(`${unit.family.model} has not ended: ${history.join(', ')}`);
      // One that says its version only when it starts can be proven, if it was found without application.
      const { ends, runningVersion } = unit.family;
      const mayEnd = [ends, 'skipped', 'failed', ...(runningVersion === undefined ? [] : ['proven'])];
      if (final !== undefined && !mayEnd.some((end) => final.startsWith(end))) {
        broken.push(`${unit.family.model} ended ${final}: ${history.join(', ')}`);
      }
    }
    if (broken.length > 0 || campaign.broken.length > 0 || process.env['DRYDOCK_SOAK_LOG'] !== undefined) {
      for (const line of agent?.log.slice(-60) ?? []) options.say(JSON.stringify(line));
    }
    return {
      broken: [...new Set([...broken, ...campaign.broken])],
      members: campaign.members,
      troubles: counts,
      kills,
    };
  } finally {
    stopped.abort();
    agent?.process.kill('SIGKILL');
    await agent?.exited;
    await site.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
