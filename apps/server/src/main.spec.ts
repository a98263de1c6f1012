/** The server as a process of its own, from the built files: starts, kills, refusals. */
import { readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freshDatabase, makeTestFolder, spawnServer, type SpawnedServer } from './testing.js';

const folders: string[] = [];
const servers: SpawnedServer[] = [];
const folder = () => {
  const made = makeTestFolder();
  folders.push(made);
  return made;
};
const start = async (dataDir: string, settings: Record<string, string> = {}) => {
  const server = await spawnServer(dataDir, settings);
  servers.push(server);
  return server;
};
afterEach(async () => {
  for (const server of servers.splice(0)) await server.kill('SIGKILL');
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

const me = async (server: SpawnedServer, token: string) =>
  (await fetch(`${server.baseUrl}/api/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status;

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const postmasterOf = (dataDir: string) =>
  Number(readFileSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);

describe('the process', () => {
  it('survives kill -9 with its data, shows its secrets once, refuses a second server on them, and leaves nothing running', async () => {
    const dataDir = folder();
    const first = await start(dataDir);
    const token = first.adminToken!;
    expect(await me(first, token)).toBe(200);
    expect(first.output()).toContain('Move that file to a place that is not online');
    const postmaster = postmasterOf(dataDir);
    await first.kill('SIGKILL');
    expect(isAlive(postmaster)).toBe(true);

    const second = await start(dataDir, { DRYDOCK_LOG_LEVEL: 'trace' });
    expect(second.adminToken).toBeUndefined();
    expect(postmasterOf(dataDir)).toBe(postmaster);
    expect(await me(second, token)).toBe(200);
    expect(second.output()).not.toContain(token);
    await expect(spawnServer(dataDir)).rejects.toThrow(`Another server is running on ${dataDir}`);
    expect(await me(second, token)).toBe(200);
    await second.kill('SIGTERM');
    expect(isAlive(postmaster)).toBe(false);

    const third = await start(dataDir);
    expect(await me(third, token)).toBe(200);
    await third.destroy();
  }, 120_000);

  it('takes another port for a taken default one and says so, but never for one that was set', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => {
      // Whether we get it or somebody else has it: it is taken.
      taken.once('error', () => resolve());
      taken.listen(3000, '127.0.0.1', resolve);
    });
    const { url, drop } = await freshDatabase();
    try {
      const dataDir = folder();
      const server = await start(dataDir, { DATABASE_URL: url, DRYDOCK_HTTP_PORT: '' });
      expect(server.baseUrl).not.toContain(':3000');
      expect(server.output()).toContain('Port 3000 was taken');
      expect(server.output()).toContain('set DRYDOCK_HTTP_PORT to choose one');
      await server.kill('SIGTERM');
      await expect(spawnServer(dataDir, { DATABASE_URL: url, DRYDOCK_HTTP_PORT: '3000' })).rejects.toThrow(
        'Setting DRYDOCK_HTTP_PORT is not valid: 127.0.0.1:3000 is taken.',
      );
    } finally {
      taken.close();
      await drop();
    }
  }, 60_000);

  it('does not start with a setting it does not know', async () => {
    await expect(spawnServer(folder(), { DRYDOCK_DATADIR: 'x' })).rejects.toThrow(
      'Unknown setting DRYDOCK_DATADIR. Did you mean DRYDOCK_DATA_DIR?',
    );
  }, 30_000);

  it('does not start with keys of another installation, or without keys on a database that has one', async () => {
    const { url, drop } = await freshDatabase();
    try {
      const first = folder();
      await (await start(first, { DATABASE_URL: url })).kill('SIGTERM');
      const empty = folder();
      await expect(spawnServer(empty, { DATABASE_URL: url })).rejects.toThrow('set DRYDOCK_KEYS_DIR');
      const beside = await start(empty, { DATABASE_URL: url, DRYDOCK_KEYS_DIR: join(first, 'keys') });
      await beside.kill('SIGTERM');
      const other = await freshDatabase();
      try {
        const stranger = folder();
        await (await start(stranger, { DATABASE_URL: other.url })).kill('SIGTERM');
        await expect(spawnServer(stranger, { DATABASE_URL: url })).rejects.toThrow(
          'must come from the same installation',
        );
      } finally {
        await other.drop();
      }
    } finally {
      await drop();
    }
  }, 60_000);
});
