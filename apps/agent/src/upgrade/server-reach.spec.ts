import { afterEach, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SILENT } from '../logger.js';
import { turns, VirtualClock } from '../testing/virtual-clock.js';
import { writeLauncherState } from './launcher-state.js';
import { SelfUpgrade } from './self-upgrade.js';
import { REACH_MS, takesConnection } from './server-reach.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('a port that takes connections is there, one that nobody listens at is not', async () => {
  const server: Server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await takesConnection(`https://127.0.0.1:${port}`, 30_000)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await takesConnection(`https://127.0.0.1:${port}`, 30_000)).toBe(false);
});

it.each([
  ['not connected to the server', 'never there', [{ looking: true }, { serverAway: true }]],
  ['not connected to the server', 'there late', [{ looking: true }, {}]],
  ['not connected to the server', 'connected', [{}, {}]],
  ['it ended 3 times before it had proven itself', 'never there', [{}, {}]],
] as const)('left as "%s", and the server is %s: what the good version says of it', async (why, server, expected) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'drydock-reach-'));
  cleanups.push(() => rm(stateDir, { recursive: true, force: true }));
  const sha256 = 'b'.repeat(64);
  writeLauncherState(stateDir, { v: 1, good: null, trial: null, fellBack: { sha256, version: '2.0.0', why } });
  const clock = new VirtualClock();
  const began = clock.monotonicMs();
  const self = new SelfUpgrade({
    stateDir,
    gateway: 'gw-1',
    bundle: undefined,
    clock,
    log: SILENT,
    keys: () => [],
    facts: () => ({ online: server === 'connected', acknowledged: 0, links: [], missing: [] }),
    serverAnswers: () => Promise.resolve(server === 'there late' && clock.monotonicMs() - began > REACH_MS / 2),
    restart: () => undefined,
    proven: () => undefined,
  });
  cleanups.push(() => self.stop());
  self.start();
  await turns(8);
  const said = [self.who().fellBack];
  await clock.advance(REACH_MS + 5000, () => turns(8));
  said.push(self.who().fellBack);
  expect(said).toEqual(expected.map((each) => ({ sha256, why, ...each })));
});
