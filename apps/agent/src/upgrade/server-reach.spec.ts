import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SILENT } from '../logger.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { beginAnew, REACH_MS } from './fall-back-verdict.js';
import { writeLauncherState } from './launcher-state.js';
import { SelfUpgrade } from './self-upgrade.js';
import { answersAt, AnswerWatch } from './server-reach.js';
import { waitsFor } from './trial.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
const settle = (): Promise<void> => turns(8);
const SHA = 'b'.repeat(64);

it('a server is there when it answers, whatever it says; a proxy that excuses one is none', async () => {
  let status = 200;
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/under/`;
  expect(await answersAt(url, 30_000)).toBe(true);
  status = 404;
  expect(await answersAt(url, 30_000)).toBe(true);
  for (status of [502, 503, 504]) expect(await answersAt(url, 30_000)).toBe(false);
  expect(new Set(asked)).toEqual(new Set(['/under/agent/v1/root?after=0']));
  await new Promise((resolve) => server.close(resolve));
  expect(await answersAt(url, 30_000)).toBe(false);
});

it('counts as having answered only where a version could have connected', async () => {
  const clock = new VirtualClock();
  let answers = true;
  const watch = new AnswerWatch(clock, () => Promise.resolve(answers));
  expect(watch.answered).toBe(false);
  watch.start();
  await settle();
  expect(watch.answered).toBe(true);
  answers = false;
  await clock.advance(10_000, settle);
  expect(watch.answered).toBe(false);
  answers = true;
  await clock.advance(60_000, settle);
  expect(watch.answered).toBe(false);
  await clock.advance(30_000, settle);
  expect(watch.answered).toBe(true);
  watch.stop();
});

describe('the good version, after one was left', () => {
  const SILENT_SERVER = waitsFor({ online: false, acknowledged: 0, links: [], missing: [] }, [])!;
  const ANSWERED = waitsFor({ online: false, answered: true, acknowledged: 0, links: [], missing: [] }, [])!;
  const NO_ACK = waitsFor({ online: true, acknowledged: 0, links: [], missing: [] }, [])!;
  const EXCUSED = { serverAway: true };

  async function folder(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'drydock-reach-'));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    return dir;
  }

  /** A start of the good version in that state folder. @returns what it says at once, and when it has had its time. */
  async function start(stateDir: string, why: string, ackAfterMs: number): Promise<[unknown, unknown]> {
    writeLauncherState(stateDir, { v: 1, good: null, trial: null, fellBack: { sha256: SHA, version: '2.0.0', why } });
    const clock = new VirtualClock();
    const began = clock.monotonicMs();
    const self = new SelfUpgrade({
      stateDir,
      gateway: 'gw-1',
      bundle: undefined,
      clock,
      log: SILENT,
      keys: () => [],
      facts: () => ({
        online: true,
        acknowledged: clock.monotonicMs() - began >= ackAfterMs ? 1 : 0,
        links: [],
        missing: [],
      }),
      // A proxy answers all the time: that is no server.
      serverAnswers: () => Promise.resolve(true),
      restart: () => undefined,
      proven: () => undefined,
    });
    self.start();
    await settle();
    const said = (): object => {
      const { sha256, why: whyNot, ...rest } = self.who().fellBack!;
      expect([sha256, whyNot]).toEqual([SHA, why]);
      return rest;
    };
    const first = said();
    await clock.advance(REACH_MS + 5000, settle);
    const last = said();
    await self.stop();
    return [first, last];
  }

  it.each([
    [SILENT_SERVER, Infinity, [{ looking: true }, EXCUSED]],
    [ANSWERED, Infinity, [{ looking: true }, EXCUSED]],
    [NO_ACK, Infinity, [{ looking: true }, EXCUSED]],
    [ANSWERED, 5000, [{ looking: true }, {}]],
    // The outage may have ended in that very moment.
    [SILENT_SERVER, 5000, [{ looking: true }, EXCUSED]],
    ['it ended 3 times before it had proven itself', Infinity, [{}, {}]],
  ] as const)('left as "%s", acknowledged after %s ms: what it says', async (why, ackAfterMs, expected) => {
    expect(await start(await folder(), why, ackAfterMs)).toEqual(expected);
  });

  it('keeps to what it found, also when it starts again after the outage', async () => {
    const dir = await folder();
    expect(await start(dir, ANSWERED, Infinity)).toEqual([{ looking: true }, EXCUSED]);
    expect(await start(dir, ANSWERED, 0)).toEqual([EXCUSED, EXCUSED]);
    beginAnew(dir, SHA);
    expect(await start(dir, ANSWERED, 0)).toEqual([{}, {}]);
  });

  it('excuses a version once for a server that nobody knows about, not twice', async () => {
    const dir = await folder();
    expect(await start(dir, SILENT_SERVER, 0)).toEqual([EXCUSED, EXCUSED]);
    beginAnew(dir, SHA);
    expect(await start(dir, SILENT_SERVER, 0)).toEqual([{}, {}]);
    // Another version begins with a clean slate.
    beginAnew(dir, 'c'.repeat(64));
    expect(await start(dir, SILENT_SERVER, 0)).toEqual([EXCUSED, EXCUSED]);
  });
});
