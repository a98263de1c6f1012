import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  Campaign,
  DecisionPage,
  DeploymentPage,
  DeviceWhy,
  FailureCounts,
  Overview,
  PauseAnswer,
  Problem,
  Recount,
} from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { RestoreNotice } from '../dispatch/restore-notice.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import {
  act,
  draftOf,
  ended,
  goodLife,
  makeCampaign,
  makeScene,
  OLD,
  readCampaign,
  startCampaign,
  touched,
} from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server?.stop();
});

describe('drafts', () => {
  it('are refused with place and mend, and changed only by who saw the newest', async () => {
    const { artifact } = await makeScene(server, 1);
    const bad = { ...draftOf(artifact, { stages: [{ name: 'a', percent: 90 }] }, { sites: ['nowhere'] }) };
    const answer = await call(server, 'POST', '/api/v1/campaigns', { body: bad });
    expect(answer.status).toBe(422);
    expect(answer.json(Problem)).toMatchObject({ code: 'campaign.policy' });
    expect(answer.json(Problem).errors!.map((error) => error.path)).toEqual(['policy.stages', 'selector.sites[0]']);
    const unknown = await call(server, 'POST', '/api/v1/campaigns', { body: { ...draftOf(artifact), surprise: 1 } });
    expect(unknown.code).toBe('request.invalid');

    const draft = draftOf(artifact);
    const campaign = await makeCampaign(server, draft);
    const path = `/api/v1/campaigns/${campaign.id}`;
    const changed = { ...draft, note: 'new' };
    expect((await call(server, 'PUT', path, { body: changed })).status).toBe(428);
    const put = (revision: number) =>
      call(server, 'PUT', path, { body: changed, headers: { 'if-match': `"${revision}"` } });
    expect((await put(campaign.revision)).json(Campaign).note).toBe('new');
    expect((await put(campaign.revision)).code).toBe('request.stale');
    expect((await call(server, 'POST', `${path}/pause`, { body: { reason: 'r' } })).code).toBe('campaign.state');
  });

  it('take a filter beside the lists of the selector, and say where it is wrong', async () => {
    const { artifact, devices } = await makeScene(server, 3);
    const bad = draftOf(artifact, {}, { filter: 'hold==false;verison<2' });
    const answer = await call(server, 'POST', '/api/v1/campaigns', { body: bad });
    expect(answer.json(Problem)).toMatchObject({
      code: 'campaign.policy',
      errors: [{ path: 'selector.filter', at: 12, length: 7, nearest: 'version' }],
    });
    const [first, second] = devices.map(({ id }) => id);
    const selector = { models: [artifact.model], filter: `device=in=(${first},${second});device!=${second}` };
    const campaign = await startCampaign(server, draftOf(artifact, {}, selector));
    expect(campaign.sums.total).toBe(1);
    expect(campaign.selector).toEqual(selector);
  });

  it('that match nobody are not started', async () => {
    const { artifact } = await makeScene(server, 0);
    const campaign = await makeCampaign(server, draftOf(artifact));
    const answer = await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/start`, { body: {} });
    expect(answer.code).toBe('campaign.empty');
    expect((await readCampaign(server, campaign.id)).state).toBe('draft');
  });
});

describe('what people see', () => {
  it('sums, pages, reasons, decisions, failures, a recount, and live events', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 3);
    const watching = new AbortController();
    const stream = await fetch(`${server.baseUrl}/api/v1/events`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
      signal: watching.signal,
    });
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    let heard = '';
    const reading = (async () => {
      for await (const chunk of stream.body!) heard += Buffer.from(chunk as Uint8Array).toString('utf8');
    })().catch(() => undefined);

    const campaign = await startCampaign(server, draftOf(artifact));
    await until(() => gateway.order?.grants.length === 3);
    const [good, bad] = gateway.order!.grants;
    await gateway.report(
      ...goodLife(good!, artifact),
      touched(bad!),
      ended(bad!, 'failed', { code: 'artifact.wrong-hardware' }),
    );
    await gateway.gateway.publish(
      'progress',
      JSON.stringify({
        v: 1,
        items: [{ ref: { deployment: good!.deployment, reign: 0, attempt: 1 }, sentBytes: 5, totalBytes: 9 }],
      }),
    );
    const path = `/api/v1/campaigns/${campaign.id}`;

    const first = (await call(server, 'GET', `${path}/deployments?limit=2`)).json(DeploymentPage);
    const second = (await call(server, 'GET', `${path}/deployments?limit=2&after=${first.next}`)).json(DeploymentPage);
    expect([...first.items, ...second.items].map((item) => item.device.id).sort()).toEqual(
      devices.map((device) => device.id).sort(),
    );
    expect(second.next).toBeUndefined();
    expect((await call(server, 'GET', `${path}/deployments?state=failed`)).json(DeploymentPage).items).toHaveLength(1);

    const why = (await call(server, 'GET', `/api/v1/devices/${bad!.device}/why`)).json(DeviceWhy);
    expect(why.deployments[0]!.reason).toMatchObject({
      code: 'end.failed',
      sentence: 'Failed after 1 attempt(s): artifact.wrong-hardware.',
    });
    const failures = (await call(server, 'GET', `${path}/failures`)).json(FailureCounts);
    expect(failures.items).toMatchObject([{ code: 'artifact.wrong-hardware', n: 1, blame: 'operator' }]);
    const decisions = (await call(server, 'GET', `${path}/decisions`)).json(DecisionPage);
    expect(decisions.items.map((item) => item.kind)).toEqual(
      expect.arrayContaining(['campaign.started', 'stage.opened', 'grants.given']),
    );
    const overview = (await call(server, 'GET', '/api/v1/overview')).json(Overview);
    expect(overview.sums).toMatchObject({ proven: 1, failed: 1 });
    expect((await call(server, 'GET', `${path}/recount`)).json(Recount)).toEqual({ equal: true, differences: [] });
    await until(() => heard.includes('"type":"progress"') && heard.includes(`"campaignId":"${campaign.id}"`));
    watching.abort();
    await reading;
    const metrics = await (await fetch(`${server.baseUrl}/metrics`)).text();
    for (const name of [
      'drydock_reports_committed_total',
      'drydock_report_lag_seconds',
      'drydock_orders_outbox_age_seconds',
      'drydock_deployments_in_flight',
    ]) {
      expect(metrics).toContain(name);
    }
  });

  it('a proven device that later runs another image becomes reverted', async () => {
    const { gateway, devices, model, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(...goodLife(grant, artifact));
    // Read before the result was issued: says nothing.
    await gateway.gateway.inventory([gateway.sighting(devices[0]!.serial, model, OLD, 2)]);
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 1 });
    await gateway.gateway.inventory([gateway.sighting(devices[0]!.serial, model, OLD)]);
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ reverted: 1 });
  });
});

describe('orders', () => {
  it('come again until presence shows them, and anew for a new start of the agent', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    gateway.answersOrders = false;
    await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const held = () => query(server, 'select dirty from orders where gateway_id = $1', [gateway.id]);
    expect(await held()).toEqual([{ dirty: true }]);
    await query(server, `update orders set publish_after = now() where gateway_id = $1`, [gateway.id]);
    await until(() => gateway.orders.length >= 2);
    expect(gateway.orders[1]!.revision).toBe(gateway.orders[0]!.revision);
    gateway.answersOrders = true;
    const before = gateway.order!.revision;
    await gateway.restart();
    await until(() => gateway.order!.forEpoch === gateway.gateway.epoch);
    expect(gateway.order!.revision).toBeGreaterThan(before);
    // The grant of the earlier start is dead, and not in the order of the new one.
    expect(gateway.order!.grants).toEqual([]);
    await gateway.report(
      { kind: 'epoch-started', agentVersion: '1', journal: 'intact' },
      { kind: 'withdrawn', ref: { deployment: grant.deployment, reign: grant.reign, attempt: 1 }, why: 'epoch-ended' },
    );
    await until(() => gateway.order!.grants.some((again) => again.attempt === 2));
    await until(async () => (await held())[0]!['dirty'] === false);
  });
});

describe('after a restore', () => {
  it('the reign is raised, campaigns are paused, and nothing is granted until the fences have run out', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 2);
    const campaign = await startCampaign(server, draftOf(artifact, { limits: { inFlight: 1 } }));
    await until(() => gateway.order?.grants.length === 1);
    await gateway.gateway.presence({ held: { reign: 0, revision: 1_000 } });
    await until(async () => (await readCampaign(server, campaign.id)).state === 'paused');
    await until(() => gateway.order!.reign === 1);
    const ack = await gateway.report({ kind: 'epoch-started', agentVersion: '1', journal: 'intact' });
    expect(ack.reign).toBe(1);
    await act(server, campaign.id, 'resume', Campaign);
    const why = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/why`)).text;
    expect(why).toContain('server.settling');
    expect(devices).toHaveLength(2);
    expect(await server.app.get(RestoreNotice).raise(0, 'test')).toBe(1);
    await act(server, campaign.id, 'abort', PauseAnswer);
  });
});
