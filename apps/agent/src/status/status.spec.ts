import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readStatus } from '../commands/status.js';
import type { AirTime } from '../deployments/air-time.js';
import type { Attempt } from '../deployments/attempt.js';
import { LogHistory } from '../log/log-history.js';
import { LogLevelSwitch } from '../log/log-level.js';
import { RemoteLogLevel } from '../log/remote-log-level.js';
import type { Logger } from '../logger.js';
import { EMPTY_SITE } from '../site/site-file.js';
import { spawnAgent, type SpawnedAgent } from '../testing.js';
import { ScriptedServer } from '../testing/scripted-server.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { bareStatus, type DaemonLog } from './collect-status.js';
import { airTimeNow } from './air-time-now.js';
import { describeStatus } from './describe-status.js';
import { PlaceWatch } from './place-watch.js';

const settle = (): Promise<void> => Promise.resolve();
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-status-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
async function ended(agent: SpawnedAgent, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  agent.process.kill(signal);
  return agent.exited;
}

describe('status', () => {
  it('tells of a running agent, of one that was killed, and what happened before', async () => {
    const server = await ScriptedServer.start();
    cleanups.push(() => server.stop());
    const stateDir = await folder();
    const port = join(stateDir, 'port');
    const options = {
      stateDir,
      site: `devices:\n  - { name: p, model: pump, protocol: smp, link: "serial:${port}?baud=9600" }\n`,
    };
    const agent = await spawnAgent({ ...options, serverUrl: server.url, token: server.enrolToken });
    cleanups.push(() => ended(agent, 'SIGKILL'));
    await agent.logged('not there');
    await server.until(() => server.presences.some(({ online }) => online));
    const status = await readStatus(stateDir);
    expect(status).toMatchObject({
      running: true,
      pid: agent.process.pid,
      connection: { state: 'online', since: expect.any(String) },
      clock: { offsetMs: expect.any(Number), uncertaintyMs: expect.any(Number) },
      journal: { trouble: null },
    });
    expect(describeStatus(status).join('\n')).toContain(`runs as process ${agent.process.pid}`);
    // A second one must not write into the same journal.
    const second = await spawnAgent(options);
    expect(await second.exited).toBe(2);
    expect(await ended(agent, 'SIGKILL')).toBe('SIGKILL');

    const atRest = await readStatus(stateDir);
    expect(atRest).toMatchObject({ running: false, epoch: status.epoch, gateway: status.gateway });
    expect(atRest.happened.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['agent started', 'connected', 'not there']),
    );
    const again = await spawnAgent(options);
    cleanups.push(() => ended(again, 'SIGKILL'));
    await again.logged('agent started');
    expect((await readStatus(stateDir)).happened.filter(({ msg }) => msg === 'agent started')).toHaveLength(2);
    expect(await ended(again, 'SIGTERM')).toBe(0);
    expect((await readStatus(stateDir)).happened.at(-1)?.msg).toBe('stopped');
  }, 60_000);

  it('changes nothing in a folder where nothing is', async () => {
    const dir = await folder();
    expect(await readStatus(dir)).toMatchObject({ running: false, gateway: null, journal: { found: 'none' } });
    await writeFile(join(dir, 'journal'), Buffer.alloc(5000, 0x5a));
    await writeFile(join(dir, 'state.json'), '{"v":');
    expect(await readStatus(dir)).toMatchObject({ running: false, journal: { found: 'damaged' } });
  });
});

it('says how long updates held each link, those that run included', () => {
  const attempt = (link: string, phase: string, startedAtMs?: number) =>
    ({ phase, startedAtMs, grant: { links: [link] } }) as unknown as Attempt;
  const held = airTimeNow(
    {
      airTime: { usage: () => new Map([['ble', 3_600_000]]) } as unknown as AirTime,
      attempts: [
        attempt('ble:C0:00:00:00:00:02', 'running', 40_000),
        attempt('serial:/dev/d1?baud=9600', 'running', 30_000),
        attempt('serial:/dev/d2?baud=9600', 'ready'),
      ],
    },
    100_000,
  );
  expect([...held]).toEqual([
    ['ble', 3_660_000],
    ['serial:/dev/d1', 70_000],
  ]);
  const quiet = { history: new LogHistory(), level: { level: 'info', endsAtMs: undefined }, lostLines: () => 0 };
  const airTime = [...held].map(([link, heldMs]) => ({ link, heldMs }));
  const startedAt = new Date(Date.now() - 7_320_000).toISOString();
  const said = describeStatus({ ...bareStatus(quiet as unknown as DaemonLog, null), startedAt, airTime });
  expect(said.filter((line) => line.includes('since the start'))).toEqual([
    '  1 h 1 min   ble  50 % since the start',
    '  1 min 10 s  serial:/dev/d1  1 % since the start',
  ]);
});

it('a port that goes and comes back is told, and looked at again', async () => {
  const dir = await folder();
  const path = join(dir, 'ttyX');
  await writeFile(path, '');
  const link = `serial:${path}?baud=9600`;
  const said: string[] = [];
  const back: string[] = [];
  const note = (facts: object, message?: string): void => void said.push(`${message} ${JSON.stringify(facts)}`);
  const log = { debug: note, info: note, warn: note, error: note } as unknown as Logger;
  let wake: (() => void) | undefined;
  const clock = { after: (_: number, fn: () => void) => ((wake = fn), () => (wake = undefined)) };
  const watch = new PlaceWatch({
    site: {
      ...EMPTY_SITE,
      devices: [{ name: 'x', model: 'pump', link, protocol: 'smp', identity: undefined }],
    },
    clock,
    log,
    back: (links, what) => back.push(...links, what),
  });
  const turn = async (): Promise<void> => {
    const before = wake;
    wake = undefined;
    if (before) before();
    else watch.start();
    while (wake === undefined) await new Promise((resolve) => setImmediate(resolve));
  };
  await turn();
  expect(said).toEqual([]);
  await rename(path, `${path}.away`);
  await turn();
  expect(said).toEqual([expect.stringContaining('went away')]);
  expect(watch.missing).toHaveLength(1);
  await turn();
  expect(said).toHaveLength(1);
  await rename(`${path}.away`, path);
  await turn();
  expect(said[1]).toContain('came back');
  expect(back).toEqual([link, `serial:${path}`]);
  await watch.stop();
});

it('another log level ends by itself', async () => {
  const clock = new VirtualClock();
  const said: string[] = [];
  const note = (_: object, message?: string): void => void said.push(message ?? '');
  const log = { level: 'info', debug: note, info: note, warn: note, error: note } as unknown as Logger & {
    level: string;
  };
  const level = new LogLevelSwitch(log, clock);
  level.set('debug', 60_000);
  expect([log.level, level.endsAtMs !== undefined]).toEqual(['debug', true]);
  await clock.advance(59_999, settle);
  expect(log.level).toBe('debug');
  await clock.advance(1, settle);
  expect([log.level, level.endsAtMs]).toEqual(['info', undefined]);
  level.set('debug', Number.MAX_SAFE_INTEGER);
  level.set('info', 0);
  expect(log.level).toBe('info');
  expect(new LogHistory().lines).toEqual([]);
});

it('the order of a server sets the level until its time is over, or an order without it comes', () => {
  const said: string[] = [];
  let now: number | null = null;
  const remote = new RemoteLogLevel({ set: (level, forMs) => void said.push(`${level} ${forMs}`) }, () => now);
  const wish = { settings: { logLevel: { level: 'debug' as const, untilMs: 100_000 } } };
  remote.take({ reign: 0, revision: 2, ...wish });
  expect(said).toEqual([]); // without a time nobody knows whether it is over
  now = 40_000;
  remote.look();
  remote.look();
  remote.take({ reign: 0, revision: 3, ...wish });
  expect(said).toEqual(['debug 60000']);
  remote.take({ reign: 0, revision: 1 }); // late
  expect(said).toHaveLength(1);
  remote.take({ reign: 1, revision: 1 });
  expect(said).toEqual(['debug 60000', ' 0']);
});
