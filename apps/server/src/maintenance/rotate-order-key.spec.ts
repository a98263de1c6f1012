/** A change of the order key, as a server and the agents' own rules see it. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  generateSigningKey,
  PrivateJwk,
  RootStatements,
  verifyRootStatement,
  type RootStatement,
} from '@drydock/contracts';
import { connectAsync } from 'mqtt';
import { freshDatabase, makeTestFolder, startTestServer, type TestServer } from '../testing.js';
import { call, makeSite, query, TestGateway } from '../features/fleet/fleet.fixture.js';
import { readSettings } from '../settings/settings.js';
import { rotateOrderKey } from './rotate-order-key.js';

jest.setTimeout(60_000);

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function installation() {
  const dataDir = makeTestFolder();
  undo.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const database = await freshDatabase();
  undo.push(() => database.drop());
  const start = async (): Promise<TestServer> => {
    const server = await startTestServer({ dataDir, settings: { DATABASE_URL: database.url } });
    undo.push(() => server.stop());
    return server;
  };
  const settings = readSettings({ DRYDOCK_DATA_DIR: dataDir, DATABASE_URL: database.url });
  return { start, settings, keys: join(dataDir, 'keys') };
}

const rootOf = (file: string) =>
  PrivateJwk.parse((JSON.parse(readFileSync(file, 'utf8')) as { rootKey: unknown }).rootKey);
async function statements(server: TestServer, file: string): Promise<RootStatement[]> {
  const { rootStatements } = (await call(server, 'GET', '/agent/v1/root?after=0', { token: null })).json(
    RootStatements,
  );
  const { kty, crv, x } = rootOf(file);
  return Promise.all(rootStatements.map((jws) => verifyRootStatement(jws, { kty, crv, x })));
}

describe('a new order key', () => {
  it('is named by a statement of the root at once; the one before stays good for the overlap and not longer', async () => {
    const { start, settings, keys } = await installation();
    const server = await start();
    const before = server.platform.keys.orderKey;
    const gateway = await TestGateway.enrol(server, await makeSite(server));
    const oldToken = await gateway.token();
    // Offline, where it belongs.
    const offline = join(settings.dataDir, 'usb-stick.json');
    renameSync(join(keys, 'root.key.json'), offline);
    const done = await rotateOrderKey(settings, { rootKeyFile: offline, overlapHours: 2 });
    expect(done).toMatchObject({ version: 2 });
    expect(Date.parse(done.retiresAt!) - Date.now()).toBeGreaterThan(7_000_000);

    const now = await statements(server, offline);
    expect(now.map(({ version, orderKeys }) => [version, orderKeys.length])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    await server.stop();
    undo.pop();
    const second = await start();
    const { orderKey } = second.platform.keys;
    expect(orderKey.kid).toBe(done.kid);
    expect(orderKey.kid).not.toBe(before.kid);
    // A token that the old key signed still opens the broker.
    expect(await second.platform.keys.resolveOrderKey(before.kid)).toBeDefined();
    const connection = await connectAsync(second.mqttUrl, {
      protocolVersion: 4,
      username: gateway.id,
      password: oldToken,
      clientId: gateway.id,
      reconnectPeriod: 0,
    });
    await connection.endAsync(true);

    // The overlap ends.
    await query(second, `update root_statements set effective_at = now() - interval '1 second' where version = 3`);
    expect((await statements(second, offline)).at(-1)!.orderKeys).toEqual([orderKey.publicJwk]);
    await second.stop();
    undo.pop();
    const third = await start();
    expect(await third.platform.keys.resolveOrderKey(before.kid)).toBeUndefined();
    expect(await third.platform.keys.resolveOrderKey(orderKey.kid)).toBeDefined();
    expect(
      await query(third, `select params->>'kid' as kid from audit where action = 'installation.order-key-changed'`),
    ).toEqual([{ kid: orderKey.kid }]);
  });

  it('without an overlap the key before is dead, and a second change overtakes what was signed ahead', async () => {
    const { start, settings, keys } = await installation();
    const server = await start();
    const root = join(keys, 'root.key.json');
    await rotateOrderKey(settings, { rootKeyFile: root, overlapHours: 100 });
    const last = await rotateOrderKey(settings, { rootKeyFile: root, overlapHours: 0 });
    expect(last).toMatchObject({ version: 4, retiresAt: null });
    const all = await statements(server, root);
    expect(all.map(({ version, orderKeys }) => [version, orderKeys.length])).toEqual([
      [1, 1],
      [2, 2],
      [4, 1],
    ]);
    expect(await query(server, 'select version from root_statements where effective_at > now()')).toEqual([]);
    await server.stop();
    undo.pop();
    expect((await start()).platform.keys.orderKey.kid).toBe(last.kid);
  });

  it('a database that was restored from before the change learns it from the key file', async () => {
    const { start, settings, keys } = await installation();
    const server = await start();
    const done = await rotateOrderKey(settings, { rootKeyFile: join(keys, 'root.key.json'), overlapHours: 1 });
    await query(server, 'delete from root_statements where version > 1');
    await server.stop();
    undo.pop();
    const again = await start();
    expect(again.platform.keys.orderKey.kid).toBe(done.kid);
    expect((await statements(again, join(keys, 'root.key.json'))).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('is refused with another root key, and with an overlap that is none', async () => {
    const { start, settings, keys } = await installation();
    await start();
    const root = join(keys, 'root.key.json');
    const kept = readFileSync(join(keys, 'order.key.json'), 'utf8');
    const { serverId } = JSON.parse(readFileSync(root, 'utf8')) as { serverId: string };
    const foreign = join(settings.dataDir, 'foreign.json');
    writeFileSync(foreign, JSON.stringify({ serverId, rootKey: (await generateSigningKey()).privateJwk }));
    await expect(rotateOrderKey(settings, { rootKeyFile: foreign, overlapHours: 1 })).rejects.toThrow(
      'is not the root key',
    );
    await expect(rotateOrderKey(settings, { rootKeyFile: root, overlapHours: -1 })).rejects.toThrow('overlap');
    await expect(rotateOrderKey(settings, { rootKeyFile: root, overlapHours: Number.NaN })).rejects.toThrow('overlap');
    expect(readFileSync(join(keys, 'order.key.json'), 'utf8')).toBe(kept);
  });
});
