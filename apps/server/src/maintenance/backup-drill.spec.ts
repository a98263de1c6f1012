/**
 * The drill: a backup is made while a campaign runs, work goes on, the database is lost, the backup is put into an empty
 * one, and the gateways come back. Nothing is lost and nothing counts twice.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Recount, RestoreDeclared, type Grant } from '@drydock/contracts';
import pg from 'pg';
import { readSettings, type Settings } from '../settings/settings.js';
import { freshDatabase, makeTestFolder, startTestServer, type TestServer } from '../testing.js';
import { call, query, until } from '../features/fleet/fleet.fixture.js';
import {
  downloading,
  draftOf,
  ended,
  goodLife,
  makeScene,
  proven,
  readCampaign,
  startCampaign,
  step,
  touched,
  type RawReport,
} from '../features/reports/scripted-gateway.fixture.js';
import { makeBackup } from './backup.js';
import { restoreBackup } from './restore.js';

jest.setTimeout(60_000);

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

function folder(): string {
  const path = makeTestFolder();
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A database without anything, not even a schema. */
async function emptyDatabase(): Promise<string> {
  const database = await freshDatabase();
  undo.push(() => database.drop());
  await sql(database.url, 'drop schema public cascade; create schema public');
  return database.url;
}

async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const answer = await client.query<Record<string, unknown>>(text);
    return answer.rows;
  } finally {
    await client.end();
  }
}

interface Installation {
  readonly server: TestServer;
  readonly settings: Settings;
  readonly dataDir: string;
  readonly url: string;
}

async function installation(extra: Record<string, string> = {}): Promise<Installation> {
  const dataDir = folder();
  const database = await freshDatabase();
  undo.push(() => database.drop());
  const server = await startTestServer({ dataDir, settings: { DATABASE_URL: database.url, ...extra } });
  const environment = { DRYDOCK_DATA_DIR: dataDir, DATABASE_URL: database.url };
  return { server, settings: readSettings(environment), dataDir, url: database.url };
}

describe('the drill', () => {
  it('a backup of a running campaign, restored: every result is there once', async () => {
    const { server, settings, dataDir } = await installation();
    let running: TestServer | undefined = server;
    undo.push(() => (running === server ? server.stop() : undefined));
    const { gateway, devices, artifact } = await makeScene(server, 7);
    const sent: RawReport[] = [];
    const say = async (...reports: RawReport[]) => {
      const numbered = gateway.number(reports);
      sent.push(...numbered);
      await gateway.send(numbered);
    };
    // Two are held back, so that the backup knows nothing of their grants.
    for (const device of devices.slice(5)) {
      await call(server, 'PATCH', `/api/v1/devices/${device.id}`, {
        body: { hold: { note: 'later' } },
        headers: { 'if-match': '*' },
      });
    }
    const campaign = await startCampaign(server, draftOf(artifact, { limits: { perGateway: 32 } }));
    const grants: Grant[] = [];
    for (const device of devices.slice(0, 5)) grants.push(await gateway.grantOf(device));
    await say(...goodLife(grants[0]!, artifact));
    await say(...goodLife(grants[1]!, artifact));
    await say(downloading(grants[2]!), touched(grants[2]!));

    const kept = join(folder(), 'backup');
    const known = sent.length;
    const manifest = await makeBackup(settings, {
      folder: kept,
      // The snapshot is taken: what comes now is not in it, and hinders nothing.
      onSnapshot: () => say(step(grants[2]!, 'erased'), step(grants[2]!, 'complete')),
    });
    expect(manifest.missingBlobs).toEqual([]);
    expect(manifest.blobs.map(({ sha256 }) => sha256)).toContain(artifact.sha256);
    expect(existsSync(join(kept, 'keys', 'root.key.json'))).toBe(false);

    await say(step(grants[2]!, 'activating'), step(grants[2]!, 'proving'), proven(grants[2]!, artifact));
    await say(...goodLife(grants[3]!, artifact));
    await say(
      touched(grants[4]!),
      ended(grants[4]!, 'failed', { code: 'target.refused-image', params: {}, identity: grants[4]!.identity }),
    );
    for (const device of devices.slice(5)) {
      await call(server, 'PATCH', `/api/v1/devices/${device.id}`, {
        body: { hold: null },
        headers: { 'if-match': '*' },
      });
    }
    const late = [await gateway.grantOf(devices[5]!), await gateway.grantOf(devices[6]!)];
    await say(...goodLife(late[0]!, artifact));
    await say(downloading(late[1]!), touched(late[1]!));
    const heldBefore = { reign: gateway.order!.reign, revision: gateway.order!.revision };

    // The machine is lost; another takes its address.
    await gateway.close();
    await running.stop();
    running = undefined;
    const newDir = folder();
    const url = await emptyDatabase();
    const elsewhere = readSettings({ DRYDOCK_DATA_DIR: newDir, DATABASE_URL: url });
    await restoreBackup(elsewhere, kept);
    cpSync(join(dataDir, 'test-admin-token'), join(newDir, 'test-admin-token'));
    running = await startTestServer({
      dataDir: newDir,
      settings: {
        DATABASE_URL: url,
        DRYDOCK_HTTP_PORT: new URL(server.baseUrl).port,
        DRYDOCK_MQTT_PORT: new URL(server.mqttUrl).port,
      },
    });
    const restored = running;
    undo.push(() => restored.stop());

    expect(await readCampaign(restored, campaign.id)).toMatchObject({ state: 'paused' });
    const [after] = await query<{ reign: string; settling: boolean; restore_pending: boolean; far: boolean }>(
      restored,
      `select reign, settling_until > now() as settling, settling_until > now() + interval '1 year' as far, restore_pending
       from installation`,
    );
    expect(after).toEqual({ reign: '1', settling: true, far: false, restore_pending: false });
    expect(existsSync(join(newDir, 'keys', 'root.key.json'))).toBe(false);
    expect(await query(restored, 'select count(*)::int as n from reports')).toEqual([{ n: known }]);

    await gateway.connect();
    await until(() => gateway.order!.reign > heldBefore.reign);
    // What the backup knows as touched goes on; nothing else may start.
    expect(gateway.order!.grants.map(({ device }) => device)).toEqual([devices[2]!.id]);
    // The reign grew: the agent offers all it has again, then what is new.
    await gateway.send(sent);
    await say(step(late[1]!, 'complete'), step(late[1]!, 'activating'), proven(late[1]!, artifact));

    const states = async () =>
      (
        await query<{ state: string }>(
          restored,
          'select state from deployments where campaign_id = $1 order by array_position($2::uuid[], device_id)',
          [campaign.id, devices.map(({ id }) => id)],
        )
      ).map(({ state }) => state);
    expect((await states()).slice(0, 5)).toEqual(['proven', 'proven', 'proven', 'proven', 'failed']);
    const reports = await query<{ seq: string; n: number }>(
      restored,
      'select seq, count(*)::int as n from reports where gateway_id = $1 and epoch = $2 group by seq order by seq',
      [gateway.id, gateway.gateway.epoch],
    );
    expect(reports).toEqual(sent.map((_, index) => ({ seq: String(index + 1), n: 1 })));
    const recount = (await call(restored, 'GET', `/api/v1/campaigns/${campaign.id}/recount`)).json(Recount);
    expect(recount).toMatchObject({ equal: true });
    // What ran under a grant that nobody remembers is in the history, and what the device runs is known from a look at it.
    const running7 = { image: 0, version: artifact.version, hash: artifact.runningHashes[0]!, confirmed: true };
    await gateway.gateway.inventory(
      devices.slice(5).map((device) => gateway.sighting(device.serial, artifact.model, running7, sent.length)),
    );
    const versions = await query<{ running_hash: string }>(
      restored,
      'select running_hash from devices where id = any($1::uuid[])',
      [devices.slice(5).map(({ id }) => id)],
    );
    expect(versions.map((row) => row.running_hash)).toEqual([running7.hash, running7.hash]);
    await gateway.close();
  });

  it('everything that was in the database is in it again, whatever the table', async () => {
    const { server, settings, url } = await installation();
    undo.push(() => server.stop());
    await makeScene(server, 3);
    await call(server, 'POST', '/api/v1/webhooks', { body: { name: 'x', url: 'https://example.com/\u2028"\\' } });
    await call(server, 'POST', '/api/v1/advisories', {
      body: {
        cve: 'CVE-2026-1111',
        title: 'tab\tand "quotes" \\N \\. end',
        text: 'one\ntwo\r\n\\.\n\\N',
        severity: 'low',
        models: [{ model: 'm', affected: '<2' }],
      },
    });
    // A partition of long ago, which no start would make.
    await sql(
      url,
      `create table reports_20200101 partition of reports for values from ('2020-01-01T00:00:00Z') to ('2020-01-02T00:00:00Z');
       insert into reports (org_id, gateway_id, epoch, seq, received_at, kind, disposition, body)
       values (gen_random_uuid(), gen_random_uuid(), 'e', 1, '2020-01-01T12:00:00Z', 'k', 'history', '{}')`,
    );
    const signIn = { with: 'token', token: server.adminToken };
    expect((await call(server, 'POST', '/api/v1/session', { body: signIn, token: null })).status).toBe(201);
    const kept = join(folder(), 'backup');
    const manifest = await makeBackup(settings, { folder: kept });
    const target = await emptyDatabase();
    await restoreBackup(readSettings({ DRYDOCK_DATA_DIR: folder(), DATABASE_URL: target }), kept);
    const tables = (
      await sql(
        url,
        `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
           and relname <> 'migrations' order by 1`,
      )
    ).map(({ relname }) => String(relname));
    expect(manifest.tables.map(({ name }) => name).sort()).toEqual(tables);
    expect(tables.length).toBeGreaterThan(35);
    // These move while we look, or by the restore itself.
    for (const table of tables.filter(
      (name) => !['installation', 'gateways', 'api_tokens', 'audit', 'sessions'].includes(name),
    )) {
      const content = `select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as h, count(*)::int as n from "${table}" t`;
      expect([table, await sql(target, content)]).toEqual([table, await sql(url, content)]);
    }
    // Nobody comes back in who signed out after the backup was made.
    expect(await sql(target, 'select count(*)::int as n, count(ended_at)::int as ended from sessions')).toEqual([
      { n: 1, ended: 1 },
    ]);
    // Numbers go on behind the highest.
    await sql(target, `insert into audit (actor_kind, action) values ('system', 'x')`);
    const [ids] = await sql(target, 'select count(*)::int as n, count(distinct id)::int as d from audit');
    expect(ids!['n']).toBe(ids!['d']);
  });
});

describe('what is refused', () => {
  it('a used target, a damaged or cut off backup, other keys, a newer version: each with a sentence, and nothing is changed', async () => {
    const { server, settings, url, dataDir } = await installation();
    undo.push(() => server.stop());
    await makeScene(server, 1);
    const base = folder();
    const kept = join(base, 'backup');
    await makeBackup(settings, { folder: kept });
    const restore = async (from: string, into: string, dir = folder()) =>
      restoreBackup(readSettings({ DRYDOCK_DATA_DIR: dir, DATABASE_URL: into }), from).then(
        () => 'restored',
        (error: unknown) => (error as Error).message,
      );
    const copy = (name: string) => {
      const path = join(base, name);
      cpSync(kept, path, { recursive: true });
      return path;
    };
    expect(await restore(kept, url, dataDir)).toContain('not empty');
    await expect(makeBackup(settings, { folder: kept })).rejects.toThrow('not empty');

    const target = await emptyDatabase();
    const cut = copy('cut');
    rmSync(join(cut, 'manifest.json'));
    expect(await restore(cut, target)).toContain('no backup');
    const lacking = copy('lacking');
    rmSync(join(lacking, 'tables', 'devices.copy.gz'));
    expect(await restore(lacking, target)).toContain('lacks tables/devices.copy.gz');
    const damaged = copy('damaged');
    const [blob] = readdirSync(join(damaged, 'blobs'));
    const bytes = readFileSync(join(damaged, 'blobs', blob!));
    bytes[100]! ^= 1;
    writeFileSync(join(damaged, 'blobs', blob!), bytes);
    expect(await restore(damaged, target)).toContain('damaged');
    const newer = copy('newer');
    const path = join(newer, 'manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { migrations: string[]; tables: { file: string }[] };
    writeFileSync(path, JSON.stringify({ ...manifest, migrations: [...manifest.migrations, 'Future1900000000000'] }));
    expect(await restore(newer, target)).toContain('Future1900000000000');
    manifest.tables[0]!.file = '../../../etc/passwd';
    writeFileSync(path, JSON.stringify(manifest));
    expect(await restore(newer, target)).toContain('broken at tables.0.file');
    const foreign = folder();
    mkdirSync(join(foreign, 'keys'));
    writeFileSync(
      join(foreign, 'keys', 'order.key.json'),
      JSON.stringify({ serverId: '00000000-0000-4000-8000-000000000000' }),
    );
    expect(await restore(kept, target, foreign)).toContain('another installation');
    expect(await sql(target, `select 1 from pg_class where relname = 'devices' and relkind = 'r'`)).toEqual([]);
    expect(await restore(kept, target)).toBe('restored');
  });
});

describe('a restore by other means', () => {
  it('is declared by an admin, with a reason', async () => {
    const { server } = await installation();
    undo.push(() => server.stop());
    const { gateway, artifact } = await makeScene(server, 1);
    // This database knows of no order to it: what it may have been given by the lost one is taken back all the same.
    const { gateway: idle } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact, {}, { gateways: [gateway.id] }));
    const declare = (body: object, token?: string | null) =>
      call(server, 'POST', '/api/v1/system/restore-declared', { body, ...(token !== undefined && { token }) });
    expect((await declare({ reason: 'x' }, null)).status).toBe(401);
    expect((await declare({})).status).toBe(422);
    const answer = (await declare({ reason: 'disk of Tuesday' })).json(RestoreDeclared);
    expect(answer.reign).toBe(1);
    expect(Date.parse(answer.settlingUntil!)).toBeGreaterThan(Date.now());
    expect((await readCampaign(server, campaign.id)).state).toBe('paused');
    expect(
      await query(
        server,
        `select actor_kind, params->>'reason' as reason from audit where action = 'installation.restore-declared'`,
      ),
    ).toEqual([{ actor_kind: 'person', reason: 'disk of Tuesday' }]);
    await until(() => gateway.order?.reign === 1 && idle.order?.reign === 1);
  });
});
