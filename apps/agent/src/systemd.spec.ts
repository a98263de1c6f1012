import { afterEach, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { spawnAgent } from './testing.js';
import { ScriptedServer } from './testing/scripted-server.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('tells the service manager that it is ready, alive and stopping', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-systemd-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  const said = join(dir, 'said');
  await writeFile(said, '');
  // In place of systemd's own: it writes down what it was asked to say.
  await writeFile(join(dir, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${said}\n`, { mode: 0o755 });
  const server = await ScriptedServer.start();
  cleanups.push(() => server.stop());
  const agent = await spawnAgent({
    stateDir: join(dir, 'state'),
    serverUrl: server.url,
    token: server.enrolToken,
    env: {
      PATH: `${dir}${delimiter}${process.env['PATH']}`,
      NOTIFY_SOCKET: join(dir, 'notify'),
      WATCHDOG_USEC: '600000',
    },
  });
  cleanups.push(() => (agent.process.kill('SIGKILL'), agent.exited));
  const words = async (): Promise<string[]> => (await readFile(said, 'utf8')).trim().split('\n');
  const until = async (what: (lines: string[]) => boolean): Promise<void> => {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
      if (what(await words())) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`it said: ${(await words()).join('; ')}`);
  };
  await until((lines) => lines.filter((line) => line === 'WATCHDOG=1').length >= 2);
  expect((await words())[0]).toBe(`READY=1 MAINPID=${agent.process.pid}`);
  agent.process.kill('SIGTERM');
  expect(await agent.exited).toBe(0);
  await until((lines) => lines.includes('STOPPING=1'));
}, 120_000);
