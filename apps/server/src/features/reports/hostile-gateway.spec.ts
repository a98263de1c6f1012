import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AuditPage, signEnvelope } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { RestoreNotice } from '../dispatch/restore-notice.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import { readBatch } from './batch-reader.js';
import { ReportCommitter } from './report-committer.js';
import {
  draftOf,
  ended,
  makeScene,
  OLD,
  readCampaign,
  ScriptedGateway,
  startCampaign,
  touched,
  uploadArtifact,
} from './scripted-gateway.fixture.js';

jest.setTimeout(90_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  const counted = server && (await recount(server.dataSource.manager));
  await server?.stop();
  expect(counted).toEqual({ equal: true, differences: [] });
});

/** An array in an array in an array, as JSON text, since no recursion could write it. */
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
const reignNow = async (): Promise<number> =>
  Number((await query(server, 'select reign from installation'))[0]!['reign']);
const stateOfGateway = async (id: string): Promise<unknown> =>
  (await query(server, 'select state from gateways where id = $1', [id]))[0]!['state'];

describe('P4: no report of a gateway can block those after it', () => {
  it('commits what is nested too deeply, or names a must with NUL, as refused', async () => {
    const { gateway } = await makeScene(server, 0);
    const [deep] = gateway.number([{ kind: 'downloading', extra: nested(60_000) }]);
    const nonce = 'd'.repeat(32);
    const body = { of: gateway.gateway.epoch, firstSeq: 1, reports: [deep], nonce };
    // By hand, since JSON.stringify would not write it either.
    const flat = JSON.stringify({ ...body, reports: [{ ...deep, extra: 'HERE' }] });
    const text = flat.replace('"HERE"', '['.repeat(60_000) + ']'.repeat(60_000));
    const envelope = { bodyVersion: 1, must: [], body: JSON.parse(text) as unknown } as never;
    const read = readBatch(envelope)!;
    const committer = server.app.get(ReportCommitter);
    const [org] = await query(server, 'select org_id from gateways where id = $1', [gateway.id]);
    const origin = {
      orgId: String(org!['org_id']),
      gatewayId: gateway.id,
      epoch: gateway.gateway.epoch,
      of: gateway.gateway.epoch,
    };
    const committed = await committer.commit([{ origin, batch: read }]);
    expect(committed.batches).toMatchObject([{ kind: 'take', cursor: 1 }]);

    const jws = await signEnvelope(
      {
        v: 1,
        purpose: 'reports',
        server: gateway.gateway.enrolment.server,
        gateway: gateway.id,
        epoch: gateway.gateway.epoch,
        must: ['new\u0000thing'],
        bodyVersion: 1,
        body: { ...body, firstSeq: 2, reports: gateway.number([{ kind: 'x' }]) },
      },
      gateway.gateway.key,
    );
    await gateway.gateway.publish('reports', jws);
    await until(() => gateway.acks.some((ack) => ack.cursor === 2));
    const rows = await query(server, 'select disposition, note from reports where gateway_id = $1 order by seq', [
      gateway.id,
    ]);
    expect(rows.map((row) => row['disposition'])).toEqual(['refused', 'refused']);
    expect((await gateway.report({ kind: 'epoch-started', agentVersion: '1', journal: 'new' })).cursor).toBe(3);
  });

  it('does not acknowledge what it has not committed: an unknown gateway, or one under a foreign organisation', async () => {
    const { gateway } = await makeScene(server, 0);
    const batch = readBatch({
      bodyVersion: 1,
      must: [],
      body: { of: gateway.gateway.epoch, firstSeq: 1, reports: gateway.number([{ kind: 'x' }]), nonce: 'e'.repeat(32) },
    } as never)!;
    const epoch = gateway.gateway.epoch;
    const elsewhere = '00000000-0000-4000-8000-000000000001';
    const committer = server.app.get(ReportCommitter);
    const { batches, taken } = await committer.commit([
      { origin: { orgId: elsewhere, gatewayId: gateway.id, epoch, of: epoch }, batch },
      { origin: { orgId: elsewhere, gatewayId: elsewhere, epoch, of: epoch }, batch },
    ]);
    expect(batches.map(({ cursor }) => cursor)).toEqual([0, 0]);
    expect(taken).toBe(0);
    expect(await query(server, 'select 1 from reports where org_id = $1', [elsewhere])).toEqual([]);
  });

  it('audits a refused message whatever it says', async () => {
    const { gateway } = await makeScene(server, 0);
    const head = Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: 'a\u0000b', typ: 'drydock-envelope' }));
    await gateway.gateway.publish('reports', `${head.toString('base64url')}.e30.c2ln`);
    const audited = await query(
      server,
      `select params from audit where target_id = $1 and action = 'reports.bad-signature'`,
      [gateway.id],
    );
    expect(audited).toHaveLength(1);
  });
});

describe('P3: what comes late', () => {
  it('an attempt given up says nothing about a device that another attempt has taken since', async () => {
    const { gateway, devices, artifact, model, site } = await makeScene(server, 1);
    const first = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant));
    // Silence: both ends pass.
    await query(
      server,
      `update deployments set start_by = now() - interval '2 hours', finish_by = now() - interval '1 hour' where campaign_id = $1`,
      [first.id],
    );
    await query(server, 'update campaigns set wake_at = now() where id = $1', [first.id]);
    const stateOf = async (id: string): Promise<unknown> =>
      (await query(server, 'select state from deployments where campaign_id = $1', [id]))[0]!['state'];
    await until(async () => (await stateOf(first.id)) === 'lost');

    const other = await ScriptedGateway.start(server, site);
    await query(server, 'update devices set gateway_id = $2 where id = $1', [devices[0]!.id, other.id]);
    await query(
      server,
      'insert into device_gateways (device_id, gateway_id, links) select device_id, $2, links from device_gateways where device_id = $1',
      [devices[0]!.id, other.id],
    );
    const second = await startCampaign(server, draftOf(await uploadArtifact(server, model)));
    const again = await other.grantOf(devices[0]!);
    await other.report(touched(again), ended(again, 'failed', { code: 'link.lost', needsRescue: true }));
    const facts = `select running, needs_rescue, read_epoch from devices where id = $1`;
    const [before] = await query(server, facts, [devices[0]!.id]);
    expect(before).toMatchObject({ needs_rescue: true });

    await gateway.report(ended(grant, 'failed', { code: 'link.lost', after: [{ ...OLD, version: '0.0.1' }] }));
    expect(await stateOf(first.id)).toBe('failed');
    expect((await query(server, facts, [devices[0]!.id]))[0]).toEqual(before);
    await call(server, 'POST', `/api/v1/campaigns/${second.id}/abort`, { body: { reason: 'done' } });
  });
});

describe('one gateway cannot stop everything', () => {
  it('is believed once when it claims to know more than the database, and quarantined after', async () => {
    const { gateway, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const notice = server.app.get(RestoreNotice);
    const reign = await reignNow();
    const claim = { gatewayId: gateway.id, by: 'presence' as const };
    // A number that no later message could carry.
    const liar = (await makeScene(server, 0)).gateway;
    expect(await notice.weigh([{ ...claim, gatewayId: liar.id, reign: Number.MAX_SAFE_INTEGER }])).toBe(reign);
    expect(await stateOfGateway(liar.id)).toBe('quarantined');
    expect((await readCampaign(server, campaign.id)).state).toBe('running');

    expect(await notice.weigh([{ ...claim, reign }])).toBe(reign + 1);
    expect((await readCampaign(server, campaign.id)).state).toBe('paused');
    // News of the reign before is old news, whoever brings it, and whenever: also after the fences have run out.
    await query(server, `update installation set settling_until = now() - interval '1 minute'`);
    expect(await notice.weigh([{ ...claim, reign }])).toBe(reign + 1);
    expect(await stateOfGateway(gateway.id)).toBe('active');
    expect(await notice.weigh([{ ...claim, reign: reign + 1 }])).toBe(reign + 1);
    expect(await stateOfGateway(gateway.id)).toBe('quarantined');
    const trail = await call(server, 'GET', '/api/v1/audit?action=installation.reign-raised');
    expect(trail.json(AuditPage).items).toMatchObject([{ target: { kind: 'gateway', id: gateway.id } }]);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});

describe('people', () => {
  it('who nest without end, and want it done once, are told so', async () => {
    const response = await fetch(`${server.baseUrl}/api/v1/campaigns`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.adminToken}`,
        'content-type': 'application/json',
        'idempotency-key': 'deep',
      },
      body: `{"name":"x","selector":${'['.repeat(40_000)}${']'.repeat(40_000)}}`,
    });
    expect(response.status).toBe(422);
  });

  it('who make up a cursor are told so', async () => {
    for (const made of [
      ['----------', '1'],
      ['9999-99-99 99:99:99+00', '1'],
      ['2026-01-01 00:00:00+00', '9'.repeat(19)],
    ]) {
      const after = Buffer.from(JSON.stringify(made)).toString('base64url');
      expect((await call(server, 'GET', `/api/v1/audit?after=${after}`)).status).toBe(422);
    }
    const first = (await call(server, 'GET', '/api/v1/audit?limit=1')).json(AuditPage);
    const second = await call(server, 'GET', `/api/v1/audit?limit=1&after=${first.next ?? ''}`);
    expect(second.json(AuditPage).items[0]!.id).not.toBe(first.items[0]!.id);
  });

  it('who make up places and numbers are told so, wherever there is a list', async () => {
    const { devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const [of, device] = [`/api/v1/campaigns/${campaign.id}`, `/api/v1/devices/${devices[0]!.id}`];
    const id = devices[0]!.id;
    const times = ['x', '2026-02-30 00:00:00+00', '0000-01-01 00:00:00+00', '2026-01-01 00:00:00+99'];
    const numbers = ['x', '9'.repeat(19)];
    for (const [path, made] of [
      ...times.flatMap((at) => [
        ['/api/v1/campaigns', [at, id]] as const,
        [`${device}/conversation`, [at, '1']] as const,
        [`${device}/history`, [at, id, 1]] as const,
      ]),
      [`${device}/history`, ['2026-01-01 00:00:00+00', id, 2 ** 40]],
      ...numbers.flatMap((position) =>
        ['deployments', 'members', 'why'].map((list) => [`${of}/${list}`, [position, id]] as const),
      ),
    ] as const) {
      const after = Buffer.from(JSON.stringify(made)).toString('base64url');
      const answer = await call(server, 'GET', `${path}?after=${after}`);
      expect([path, made, answer.status]).toEqual([path, made, 422]);
    }
    const body = { reason: 'r' };
    expect((await call(server, 'POST', `${of}/strata/99999999999/release`, { body })).status).toBe(404);
    expect((await call(server, 'POST', `${of}/stages/-1/approve`, { body: {} })).status).toBe(404);
    for (const version of ['99999999999', '-99999999999', '1.5', 'x']) {
      expect((await call(server, 'GET', `${of}/plans/${version}/changes`)).status).toBe(404);
    }
    expect((await call(server, 'GET', `${of}/deployments?stage=99999999999`)).status).toBe(422);
    const second = (await call(server, 'GET', `${of}/deployments`)).status;
    expect(second).toBe(200);
    await call(server, 'POST', `${of}/abort`, { body });
  });

  it('who send NUL are told that it is their fault', async () => {
    const { artifact } = await makeScene(server, 0);
    const draft = { ...draftOf(artifact), note: 'a\u0000b' };
    expect((await call(server, 'POST', '/api/v1/campaigns', { body: draft })).status).toBe(400);
    expect((await call(server, 'GET', '/api/v1/devices?tag=a%00b')).status).toBe(422);
    expect((await call(server, 'POST', '/api/v1/sites', { body: { name: 'nul', zone: 'a\u0000b' } })).status).toBe(422);
  });
});
