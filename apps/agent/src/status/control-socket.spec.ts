import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SILENT } from '../logger.js';
import { askDaemon, openControlSocket } from './control-socket.js';
import { controlPath } from './state-folder.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'drydock-control-'));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('the status socket', () => {
  it('answers its own user, and nobody else can open it', async () => {
    // As at the first start of all: nobody made the folder yet.
    const dir = join(await folder(), 'not', 'there');
    const socket = await openControlSocket(dir, { status: () => ({ fine: true }) }, SILENT);
    cleanups.push(() => socket.close());
    expect((await stat(controlPath(dir))).mode & 0o777).toBe(0o600);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect(await askDaemon(dir, 'status', 5000)).toEqual({ fine: true });
    expect(await askDaemon(dir, 'constructor', 5000)).toMatchObject({ error: expect.any(String) });
  });

  it('takes any bytes', async () => {
    const dir = await folder();
    const socket = await openControlSocket(dir, { status: () => ({ fine: true }) }, SILENT);
    cleanups.push(() => socket.close());
    for (const bytes of [
      Buffer.from('\n'),
      Buffer.from('null\n'),
      Buffer.alloc(10_000, 0xff),
      Buffer.from('{"ask":1}\n'),
    ]) {
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const caller = connect(controlPath(dir), () => caller.write(bytes));
        caller.on('data', (part) => (text += part.toString('utf8')));
        caller.on('error', () => undefined);
        caller.on('close', () => resolve(text));
      });
      if (answer !== '') expect(JSON.parse(answer)).toMatchObject({ error: expect.any(String) });
    }
    expect(await askDaemon(dir, 'status', 5000)).toEqual({ fine: true });
  });

  it('keeps a second agent from the same folder, but not one after a crash', async () => {
    const dir = await folder();
    const first = await openControlSocket(dir, {}, SILENT);
    await expect(openControlSocket(dir, {}, SILENT)).rejects.toMatchObject({
      code: 'settings.invalid',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    // What kill -9 leaves: a socket file that nobody listens on.
    const dead = createServer().listen(controlPath(dir));
    await new Promise((resolve) => dead.once('listening', resolve));
    await new Promise((resolve) => dead.close(resolve));
    const second = await openControlSocket(dir, { status: () => 2 }, SILENT);
    cleanups.push(() => second.close());
    expect(await askDaemon(dir, 'status', 5000)).toBe(2);
  });

  it('says that nobody is there', async () => {
    await expect(askDaemon(await folder(), 'status', 1000)).rejects.toMatchObject({ code: 'gateway.no-link' });
  });
});
