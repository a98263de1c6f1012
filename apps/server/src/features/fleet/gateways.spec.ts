import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EnrolResponse,
  Gateway,
  GatewayDetail,
  generateSigningKey,
  importVerifyingKey,
  keyFingerprint,
  LoginResponse,
  OrdersBody,
  pageOf,
  RootStatement,
  RootStatements,
  TimeBody,
  topicOf,
  verifyEnvelope,
  verifyRootStatement,
} from '@drydock/contracts';
import { makeTestFolder, startTestServer, type TestServer } from '../../testing.js';
import { FleetEvents, type FleetEventMap } from './fleet-events.js';
import { call, freshName, makeSite, makeToken, newEpoch, query, TestGateway, until } from './fleet.fixture.js';

const WILL = Number.MAX_SAFE_INTEGER;
let server: TestServer;
const open: TestGateway[] = [];
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()));
});
afterAll(async () => {
  await server?.stop();
});

async function enrolled(site?: string, name?: string): Promise<TestGateway> {
  const gateway = await TestGateway.enrol(server, site ?? (await makeSite(server)), name);
  open.push(gateway);
  return gateway;
}
const row = async (id: string) => (await query(server, 'select * from gateways where id = $1', [id]))[0]!;
const actions = async (id: string) =>
  (await query<{ action: string }>(server, `select action from audit where target_id = $1 order by at, id`, [id])).map(
    ({ action }) => action,
  );
async function enrolWith(token: string, name: string) {
  const { publicJwk } = await generateSigningKey();
  const body = { token, name, publicKey: publicJwk, agentVersion: '1' };
  return { publicJwk, answer: await call(server, 'POST', '/agent/v1/enrol', { token: null, body }) };
}

describe('enrolment', () => {
  it('gives a gateway its id, topics, broker, and a chain of statements it can check', async () => {
    const site = await makeSite(server);
    const gateway = await enrolled(site, 'first');
    const { enrolment } = gateway;
    expect(enrolment).toMatchObject({ site: { id: site }, gateway: { name: 'first' }, broker: { login: 'token' } });
    expect(enrolment.topicPrefix).toBe(`drydock/v1/${enrolment.org}/gateways/${gateway.id}/`);
    const payload = JSON.parse(
      Buffer.from(enrolment.rootStatements[0]!.split('.')[1]!, 'base64url').toString(),
    ) as RootStatement;
    const statement = await verifyRootStatement(enrolment.rootStatements[0]!, payload.root);
    expect(statement.server).toBe(enrolment.server);
    const shown = (await call(server, 'GET', `/api/v1/gateways/${gateway.id}`)).json(GatewayDetail);
    expect(shown.keyFingerprint).toBe(await keyFingerprint(gateway.key.publicJwk));
    expect(await actions(gateway.id)).toEqual(['gateway.enrolled']);
  });

  it('tokens are shown once, kept as a hash, and used once: of two at the same time one wins', async () => {
    const token = await makeToken(server, await makeSite(server));
    const [kept] = await query<{ found: boolean }>(
      server,
      `select bool_or(t::text like '%' || $1 || '%') as found from enrolment_tokens t`,
      [token],
    );
    expect(kept!.found).toBe(false);
    const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => enrolWith(token, `racer-${n}`)));
    expect(answers.map(({ answer }) => answer.status).sort()).toEqual([200, 403, 403, 403, 403, 403]);
    expect(answers.find(({ answer }) => answer.status === 403)!.answer.code).toBe('enrolment.token');
    expect(await query(server, `select 1 from gateways where name like 'racer-%'`)).toHaveLength(1);
  });

  it('the same key may ask again with its token: its first answer may have been lost', async () => {
    const token = await makeToken(server, await makeSite(server));
    const { publicJwk, answer } = await enrolWith(token, 'again');
    const body = { token, name: 'again', publicKey: publicJwk, agentVersion: '1' };
    const second = await call(server, 'POST', '/agent/v1/enrol', { token: null, body });
    expect(second.json(EnrolResponse).gateway).toEqual(answer.json(EnrolResponse).gateway);
  });

  it('a token ends, is taken back, and must exist', async () => {
    const site = await makeSite(server);
    const old = await makeToken(server, site);
    await query(server, `update enrolment_tokens set expires_at = now() where site_id = $1`, [site]);
    expect((await enrolWith(old, 'old')).answer.code).toBe('enrolment.token');
    const revoked = await makeToken(server, site);
    const [{ id }] = (await query<{ id: string }>(
      server,
      'select id from enrolment_tokens where site_id = $1 order by created_at desc',
      [site],
    )) as [{ id: string }];
    expect((await call(server, 'DELETE', `/api/v1/enrolment-tokens/${id}`)).status).toBe(204);
    expect((await enrolWith(revoked, 'revoked')).answer.code).toBe('enrolment.token');
    expect((await enrolWith('ddenrol_' + 'x'.repeat(43), 'none')).answer.code).toBe('enrolment.token');
    expect(await query(server, 'select 1 from gateways where site_id = $1', [site])).toEqual([]);
  });

  it('again under the same name revokes the old key at once and ends its connection', async () => {
    const site = await makeSite(server);
    const before = await enrolled(site, 'twice');
    const token = await before.token();
    const client = await before.connect(token);
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const after = await enrolled(site, 'twice');
    await closed;
    expect(after.id).toBe(before.id);
    expect((await before.login()).status).toBe(401);
    await expect(before.connect(token)).rejects.toThrow();
    expect((await call(server, 'GET', `/agent/v1/artifacts/${'0'.repeat(64)}`, { token })).status).toBe(401);
    expect((await after.login()).status).toBe(200);
    const { keys } = (await call(server, 'GET', `/api/v1/gateways/${after.id}`)).json(GatewayDetail);
    expect(keys.map(({ revokedAt }) => revokedAt === null)).toEqual([true, false]);
    expect(await actions(after.id)).toEqual(['gateway.enrolled', 'gateway.enrolled-again']);
  });

  it('a key belongs to one gateway for ever', async () => {
    const gateway = await enrolled();
    const token = await makeToken(server, await makeSite(server));
    const body = { token, name: 'thief', publicKey: gateway.key.publicJwk, agentVersion: '1' };
    const answer = await call(server, 'POST', '/agent/v1/enrol', { token: null, body });
    expect(answer.status).toBe(409);
    // The refusal took nothing: the token is still good.
    expect((await enrolWith(token, 'honest')).answer.status).toBe(200);
  });
});

describe('login', () => {
  it('gives a token for broker and downloads, and the time with the nonce', async () => {
    const gateway = await enrolled();
    const nonce = 'ab'.repeat(16);
    const envelope = await gateway.sign('login', { nonce });
    const answer = (await call(server, 'POST', '/agent/v1/login', { token: null, body: { envelope } })).json(
      LoginResponse,
    );
    const orderKey = await importVerifyingKey(server.platform.keys.orderKey.publicJwk);
    const time = await verifyEnvelope(answer.time, () => orderKey, {
      purpose: 'time',
      server: gateway.enrolment.server,
      gateway: gateway.id,
    });
    expect(TimeBody.parse(time.body).nonce).toBe(nonce);
    expect(time.epoch).toBe(gateway.epoch);
    const client = await gateway.connect(answer.token);
    expect(client.connected).toBe(true);
  });

  it('refuses other keys, other servers, other purposes, and a gateway that lends its key', async () => {
    const gateway = await enrolled();
    const other = await enrolled();
    const body = { nonce: '00'.repeat(16) };
    const bad = [
      await gateway.sign('login', body, { key: other.key }),
      await gateway.sign('login', body, { server: '00000000-0000-4000-8000-000000000000' }),
      await gateway.sign('presence', body),
      'x.y.z',
    ];
    for (const envelope of bad) {
      expect((await call(server, 'POST', '/agent/v1/login', { token: null, body: { envelope } })).code).toBe(
        'request.unauthenticated',
      );
    }
    await expect(other.connect((await gateway.login()).json(LoginResponse).token)).rejects.toThrow();
  });

  it('ends when the gateway is decommissioned, connection included', async () => {
    const gateway = await enrolled();
    const token = await gateway.token();
    const client = await gateway.connect(token);
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    const headers = { 'if-match': '*' };
    expect(
      (await call(server, 'POST', `/api/v1/gateways/${gateway.id}/decommission`, { body: { note: 'sold' }, headers }))
        .status,
    ).toBe(200);
    await closed;
    expect((await gateway.login()).status).toBe(401);
    await expect(gateway.connect(token)).rejects.toThrow();
  });

  it('root statements are public and can be asked from a version on', async () => {
    const all = (await call(server, 'GET', '/agent/v1/root', { token: null })).json(RootStatements);
    expect(all.rootStatements).toHaveLength(1);
    expect(
      (await call(server, 'GET', '/agent/v1/root?after=1', { token: null })).json(RootStatements).rootStatements,
    ).toEqual([]);
  });
});

describe('presence', () => {
  it('shows who is there and what it holds, and tells the rooms', async () => {
    const gateway = await enrolled();
    const heard: [string, unknown][] = [];
    const events = server.app.get(FleetEvents, { strict: false });
    const stop = (['gatewayOnline', 'gatewayOffline', 'presenceHeld'] as (keyof FleetEventMap)[]).map((name) =>
      events.on(name, (event) => void (event.gatewayId === gateway.id && heard.push([name, event]))),
    );
    await gateway.presence({ held: { reign: 1, revision: 7 }, protocols: ['smp', 'secure-dfu'] });
    expect(await row(gateway.id)).toMatchObject({
      online: true,
      epoch: gateway.epoch,
      held_reign: '1',
      held_revision: '7',
      protocols: ['smp', 'secure-dfu'],
    });
    await gateway.presence({ online: false, sequence: WILL });
    expect((await row(gateway.id)).online).toBe(false);
    stop.forEach((end) => end());
    expect(heard.map(([name]) => name)).toEqual(['gatewayOnline', 'presenceHeld', 'gatewayOffline', 'presenceHeld']);
    expect(heard[0]![1]).toMatchObject({ epoch: gateway.epoch, epochChanged: true });
  });

  it('keeps what a gateway says of its clock and journal, also after its last will, until it says it no more', async () => {
    const gateway = await enrolled();
    const shown = async () => (await call(server, 'GET', `/api/v1/gateways/${gateway.id}`)).json(GatewayDetail);
    const nothing = { clockOffsetMs: null, journalBytes: null, journalEntries: null };
    expect(await shown()).toMatchObject(nothing);
    const said = { clockOffsetMs: -1_795_000_000_000, journalBytes: 70_000, journalEntries: 412 };
    await gateway.presence(said);
    expect(await shown()).toMatchObject({ online: true, ...said });
    await gateway.presence({ online: false, sequence: WILL });
    expect(await shown()).toMatchObject({ online: false, ...said });
    await gateway.presence({ connection: 2, sequence: 1 });
    expect(await shown()).toMatchObject({ online: true, ...nothing });
  });

  it('an old last will, a redelivery and an overtaken message change nothing', async () => {
    const gateway = await enrolled();
    await gateway.presence({ connection: 2, sequence: 5, held: { reign: 0, revision: 3 } });
    await gateway.presence({ connection: 1, sequence: WILL, online: false });
    await gateway.presence({ connection: 2, sequence: 5, online: false });
    await gateway.presence({ connection: 2, sequence: 4, held: { reign: 0, revision: 2 } });
    expect(await row(gateway.id)).toMatchObject({
      online: true,
      connection: '2',
      presence_sequence: '5',
      held_revision: '3',
    });
  });

  it('a restart changes the epoch, and the will of the run before is of no account', async () => {
    const gateway = await enrolled();
    await gateway.presence();
    const before = gateway.epoch;
    gateway.restart();
    await gateway.presence();
    await gateway.presence({ online: false, sequence: WILL }, before);
    expect(await row(gateway.id)).toMatchObject({ online: true, epoch: gateway.epoch, state: 'active' });
    expect((await actions(gateway.id)).filter((action) => action === 'gateway.epoch-began')).toHaveLength(2);
  });

  it('rubbish and signatures of others change nothing, are acknowledged, and audited once', async () => {
    const gateway = await enrolled();
    const other = await enrolled();
    await gateway.presence();
    const before = await row(gateway.id);
    await gateway.publish('presence', await gateway.sign('presence', { online: false }, { key: other.key }));
    await gateway.publish('presence', await gateway.sign('inventory', {}));
    await gateway.publish('presence', '{"online":false}');
    await gateway.publish('presence', await gateway.sign('presence', { online: 'no' }));
    expect(await row(gateway.id)).toEqual(before);
    expect((await actions(gateway.id)).filter((action) => action === 'presence.refused')).toHaveLength(1);
  });

  it('a field that must be understood and is not refuses the message', async () => {
    const gateway = await enrolled();
    await gateway.presence();
    const { signEnvelope } = await import('@drydock/contracts');
    const envelope = {
      v: 1 as const,
      purpose: 'presence' as const,
      server: gateway.enrolment.server,
      gateway: gateway.id,
      epoch: gateway.epoch,
    };
    const body = {
      online: false,
      connection: 1,
      sequence: 99,
      agentVersion: '9',
      wire: [1],
      protocols: [],
      links: [],
      held: { reign: 0, revision: 0 },
    };
    await gateway.publish(
      'presence',
      await signEnvelope(
        { ...envelope, bodyVersion: 1, must: ['sleepy'], body: { ...body, sleepy: true } },
        gateway.key,
      ),
    );
    expect((await row(gateway.id)).online).toBe(true);
    await gateway.publish(
      'presence',
      await signEnvelope({ ...envelope, bodyVersion: 1, body: { ...body, sleepy: true } }, gateway.key),
    );
    expect((await row(gateway.id)).online).toBe(false);
  });
});

describe('a cloned card', () => {
  it('is quarantined when both runs prove to be alive at the same time, by what they heard', async () => {
    const gateway = await enrolled();
    const [a, b] = [gateway.epoch, newEpoch()];
    const now = Date.now();
    await gateway.presence({ connection: 1, sequence: 0 }, a);
    await gateway.presence({ connection: 1, sequence: 0 }, b);
    await query(server, `update gateway_epochs set first_seen_at = now() - interval '1 minute' where gateway_id = $1`, [
      gateway.id,
    ]);
    await gateway.presence({ connection: 1, sequence: 1, heardMs: now - 1 }, a);
    expect((await row(gateway.id)).state).toBe('active');
    await gateway.presence({ connection: 1, sequence: 1, heardMs: now }, b);
    expect(await row(gateway.id)).toMatchObject({ state: 'quarantined' });
    expect((await row(gateway.id)).state_note).toContain('Two agents');
    expect((await actions(gateway.id)).filter((action) => action === 'gateway.quarantined')).toHaveLength(1);

    // A person has looked and lets it go: what was seen before no longer counts.
    const release = await call(server, 'POST', `/api/v1/gateways/${gateway.id}/release`, {
      body: { note: 'card destroyed' },
      headers: { 'if-match': '*' },
    });
    expect(release.json(Gateway).state).toBe('active');
    await gateway.presence({ connection: 1, sequence: 2, heardMs: now + 1 }, a);
    expect((await row(gateway.id)).state).toBe('active');
  });

  it('is quarantined by the orders that both hold, where agents say no more', async () => {
    const gateway = await enrolled();
    const [a, b] = [gateway.epoch, newEpoch()];
    await gateway.presence({ connection: 1, sequence: 0 }, a);
    await gateway.presence({ connection: 1, sequence: 0 }, b);
    await query(server, `update gateway_epochs set first_seen_at = now() - interval '1 minute' where gateway_id = $1`, [
      gateway.id,
    ]);
    await query(
      server,
      'insert into orders (gateway_id, revision, built_at) values ($1, 1, now()) on conflict do nothing',
      [gateway.id],
    );
    let sequence = 0;
    await until(async () => {
      // The engine may make a newer one at any time: then the next round holds that.
      const [order] = await query<{ reign: string; revision: string }>(
        server,
        'select reign, revision from orders where gateway_id = $1',
        [gateway.id],
      );
      const held = { reign: Number(order!.reign), revision: Number(order!.revision) };
      sequence += 1;
      await gateway.presence({ connection: 1, sequence, held }, a);
      await gateway.presence({ connection: 1, sequence, held }, b);
      return (await row(gateway.id)).state === 'quarantined';
    });
  });

  it('is not seen in a restart whose last messages come after the first of the new run', async () => {
    const gateway = await enrolled();
    await gateway.presence({ heardMs: Date.now() });
    const before = gateway.epoch;
    gateway.restart();
    await gateway.presence({ heardMs: Date.now() });
    await gateway.presence({ connection: 1, sequence: 7 }, before);
    await gateway.presence({ connection: 2, sequence: 0 }, before);
    await gateway.presence({ connection: 2, sequence: WILL, online: false }, before);
    await gateway.presence({ heardMs: Date.now() });
    expect(await row(gateway.id)).toMatchObject({ state: 'active', epoch: gateway.epoch, online: true });
  });
});

describe('people and gateways', () => {
  it('list by filters and pages, patch with the revision they saw', async () => {
    const site = await makeSite(server);
    const gateways = [await enrolled(site), await enrolled(site), await enrolled(site)];
    const first = gateways[0]!;
    const path = `/api/v1/gateways/${first.id}`;
    const seen = await call(server, 'GET', path);
    const headers = { 'if-match': seen.headers.get('etag')! };
    const patched = await call(server, 'PATCH', path, {
      body: { tags: { ring: 'canary' }, hold: { note: 'audit' } },
      headers,
    });
    expect(patched.json(Gateway)).toMatchObject({ tags: { ring: 'canary' }, holdNote: 'audit' });
    expect((await call(server, 'PATCH', path, { body: { tags: {} }, headers })).code).toBe('request.stale');
    expect((await call(server, 'PATCH', path, { body: { tags: {} } })).status).toBe(428);
    await first.presence();
    const list = async (filter: string) =>
      (await call(server, 'GET', `/api/v1/gateways?site=${site}&${filter}`)).json(pageOf(Gateway));
    expect((await list('tag=ring%3Dcanary')).items.map(({ id }) => id)).toEqual([first.id]);
    expect((await list('tag=ring')).items).toHaveLength(1);
    expect((await list('online=true')).items.map(({ id }) => id)).toEqual([first.id]);
    const page = await list('limit=2');
    const rest = await list(`limit=2&after=${page.next}`);
    expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual(gateways.map(({ id }) => id).sort());
    expect(rest.next).toBeUndefined();
    expect((await call(server, 'GET', '/api/v1/gateways?after=bm9uZQ')).code).toBe('request.invalid');
    expect(await actions(first.id)).toContain('gateway.changed');
  });

  it('ask for another log level for a while: with the order, in the audit trail, ended by its time or by hand', async () => {
    const gateway = await enrolled();
    const client = await gateway.connect();
    const orders: OrdersBody[] = [];
    client.on('message', (_, payload) => {
      const [, body] = payload.toString().split('.');
      const envelope = JSON.parse(Buffer.from(body!, 'base64url').toString()) as { body: unknown };
      orders.push(OrdersBody.parse(envelope.body));
    });
    await client.subscribeAsync(topicOf(gateway.enrolment.topicPrefix, 'orders'), { qos: 1 });
    await gateway.presence();
    const patch = (logLevel: unknown) =>
      call(server, 'PATCH', `/api/v1/gateways/${gateway.id}`, { body: { logLevel }, headers: { 'if-match': '*' } });
    expect((await patch({ level: 'debug', minutes: 1441 })).code).toBe('request.invalid');
    expect((await patch({ level: 'silent', minutes: 1 })).code).toBe('request.invalid');
    const { logLevel } = (await patch({ level: 'debug', minutes: 30 })).json(Gateway);
    expect(logLevel?.level).toBe('debug');
    await until(() => orders.length > 0);
    expect(orders.at(-1)!.settings).toEqual({ logLevel: { level: 'debug', untilMs: Date.parse(logLevel!.until) } });
    const [entry] = await query<{ params: unknown }>(
      server,
      `select params from audit where target_id = $1 and action = 'gateway.changed'`,
      [gateway.id],
    );
    expect(entry!.params).toEqual({ logLevel: { level: 'debug', minutes: 30 } });
    // Past its time it is in no order any more, and no person is told of it.
    await query(server, `update gateways set log_level_until = now() - interval '1 second' where id = $1`, [
      gateway.id,
    ]);
    expect((await call(server, 'GET', `/api/v1/gateways/${gateway.id}`)).json(Gateway).logLevel).toBeNull();
    expect((await patch(null)).json(Gateway).logLevel).toBeNull();
    const { revision } = orders.at(-1)!;
    await until(() => orders.at(-1)!.revision > revision);
    expect(orders.at(-1)!.settings).toBeUndefined();
  });

  it('quarantine and release; a wrong move is a conflict; what is away is a 404', async () => {
    const gateway = await enrolled();
    const decide = (what: string, headers: Record<string, string> = { 'if-match': '*' }) =>
      call(server, 'POST', `/api/v1/gateways/${gateway.id}/${what}`, { body: { note: 'because' }, headers });
    expect((await decide('release')).code).toBe('request.conflict');
    expect((await decide('quarantine')).json(Gateway)).toMatchObject({ state: 'quarantined', stateNote: 'because' });
    expect((await gateway.login()).status).toBe(200);
    expect((await decide('release')).json(Gateway)).toMatchObject({ state: 'active', stateNote: null });
    expect((await call(server, 'GET', '/api/v1/gateways/00000000-0000-4000-8000-000000000000')).status).toBe(404);
  });
});

it('a site has a zone that exists, a name of its own, and shows its list', async () => {
  const name = freshName('place');
  const made = await call(server, 'POST', '/api/v1/sites', { body: { name, zone: 'Europe/Vienna' } });
  expect(made.status).toBe(201);
  expect((await call(server, 'POST', '/api/v1/sites', { body: { name } })).code).toBe('request.conflict');
  expect(
    (await call(server, 'POST', '/api/v1/sites', { body: { name: freshName('x'), zone: 'Middle/Earth' } })).code,
  ).toBe('request.invalid');
  expect(
    (await call(server, 'POST', '/api/v1/enrolment-tokens', { body: { site: '00000000-0000-4000-8000-000000000000' } }))
      .code,
  ).toBe('request.not-found');
});

it('a server that starts finds nobody connected to the broker inside it, until they say so', async () => {
  const dataDir = makeTestFolder();
  const first = await startTestServer({ dataDir });
  const gateway = await TestGateway.enrol(first, await makeSite(first));
  await gateway.presence();
  const online = async (of: TestServer) =>
    (await query<{ online: boolean }>(of, 'select online from gateways where id = $1', [gateway.id]))[0]!.online;
  expect(await online(first)).toBe(true);
  await gateway.close();
  await first.stop();
  const second = await startTestServer({ dataDir });
  expect(await online(second)).toBe(false);
  await second.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 30_000);
