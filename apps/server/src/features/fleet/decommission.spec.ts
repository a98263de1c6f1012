/** Units that leave and are replaced: on a real server, with a gateway that speaks. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Deployment, DeviceDetail, DeviceWhy, GatewayDetail, Site, pageOf } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import {
  draftOf,
  makeScene,
  proven,
  readCampaign,
  ScriptedGateway,
  startCampaign,
  touched,
} from '../reports/scripted-gateway.fixture.js';
import { call, freshName, makeSite, query, seenDevice, TestGateway, until } from './fleet.fixture.js';

jest.setTimeout(60_000);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const note = 'fell off the wall';
const ask = (path: string, body: object = { note }, revision = '*') =>
  call(server, 'POST', `/api/v1/${path}`, { body, headers: { 'if-match': revision } });
const deviceOf = async (id: string) => (await call(server, 'GET', `/api/v1/devices/${id}`)).json(DeviceDetail);
const actionsOf = async (id: string) =>
  (await query<{ action: string }>(server, 'select action from audit where target_id = $1 order by at, id', [id])).map(
    ({ action }) => action,
  );
const hold = (kind: 'sites' | 'gateways' | 'devices', id: string, value: { note: string } | null) =>
  call(server, 'PATCH', `/api/v1/${kind}/${id}`, { body: { hold: value }, headers: { 'if-match': '*' } });
const stateOf = async (campaign: string, device: string) =>
  (
    await query<{ state: string; outcome_reason: string | null }>(
      server,
      'select state, outcome_reason from deployments where campaign_id = $1 and device_id = $2',
      [campaign, device],
    )
  )[0];

describe('a device leaves', () => {
  it('what was planned for it ends, it is planned no more, and a campaign does not wait for it', async () => {
    const { site, artifact, gateway, devices } = await makeScene(server, 2);
    await hold('sites', site, { note: 'wait' });
    const campaign = await startCampaign(server, draftOf(artifact));
    const answer = await ask(`devices/${devices[0]!.id}/decommission`);
    expect(answer.json(DeviceDetail)).toMatchObject({ state: 'decommissioned', stateNote: note });
    expect(await stateOf(campaign.id, devices[0]!.id)).toEqual({ state: 'skipped', outcome_reason: 'decommissioned' });
    await hold('sites', site, null);
    const grant = await gateway.grantOf(devices[1]!);
    await gateway.report(touched(grant), proven(grant, artifact));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    const again = await call(server, 'POST', '/api/v1/campaigns', { body: draftOf(artifact) });
    const id = (JSON.parse(again.text) as { id: string }).id;
    const start = await call(server, 'POST', `/api/v1/campaigns/${id}/start`, { body: {} });
    expect(start.code).toBe('campaign.empty');
    expect(await actionsOf(devices[0]!.id)).toContain('device.decommissioned');
  });

  it('is no candidate even when a plan overtook it, and "why" says so', async () => {
    const { site, artifact, gateway, devices } = await makeScene(server, 1);
    await hold('sites', site, { note: 'wait' });
    await startCampaign(server, draftOf(artifact));
    await query(server, `update devices set state = 'decommissioned', state_note = 'gone' where id = $1`, [
      devices[0]!.id,
    ]);
    await hold('sites', site, null);
    await gateway.present();
    const reason = async () =>
      (await call(server, 'GET', `/api/v1/devices/${devices[0]!.id}/why`)).json(DeviceWhy).deployments[0]!.reason;
    // The stage opens with the first look at the campaign.
    await until(async () => (await reason()).code !== 'stage.pending');
    expect(await reason()).toMatchObject({ code: 'device.decommissioned', params: { note: 'gone' } });
    expect(gateway.order?.grants ?? []).toEqual([]);
  });

  it('not while it is being updated', async () => {
    const { artifact, gateway, devices } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    await gateway.grantOf(devices[0]!);
    const refused = await ask(`devices/${devices[0]!.id}/decommission`);
    expect(refused.code).toBe('request.conflict');
    expect(refused.text).toContain(campaign.name);
    expect((await deviceOf(devices[0]!.id)).state).toBe('active');
  });

  it('what is seen again later stays out, until a person brings it back', async () => {
    const { gateway, devices, model } = await makeScene(server, 1);
    const [device] = devices;
    await ask(`devices/${device!.id}/decommission`);
    expect((await ask(`devices/${device!.id}/decommission`)).code).toBe('request.conflict');
    await gateway.gateway.inventory([
      gateway.sighting(device!.serial, model, { image: 0, version: '1.1.0', hash: '11'.repeat(32), confirmed: true }),
    ]);
    expect(await deviceOf(device!.id)).toMatchObject({ state: 'decommissioned', runningVersion: '1.1.0' });
    const { revision } = await deviceOf(device!.id);
    expect((await ask(`devices/${device!.id}/recommission`, { note: 'mended' }, String(revision - 1))).code).toBe(
      'request.stale',
    );
    const back = await ask(`devices/${device!.id}/recommission`, { note: 'mended' }, String(revision));
    expect(back.json(DeviceDetail)).toMatchObject({ state: 'active', stateNote: null });
  });
});

describe('a device is replaced', () => {
  it('the new one gets name and tags, the old one leaves and names it', async () => {
    const { devices } = await makeScene(server, 2);
    const [old, fresh] = devices;
    await call(server, 'PATCH', `/api/v1/devices/${old!.id}`, {
      body: { name: 'pump-7', tags: { row: '7', pair: 'north' } },
      headers: { 'if-match': '*' },
    });
    await call(server, 'PATCH', `/api/v1/devices/${fresh!.id}`, {
      body: { tags: { lot: 'b' } },
      headers: { 'if-match': '*' },
    });
    const answer = await ask(`devices/${old!.id}/replace`, { by: fresh!.id, note });
    expect(answer.json(DeviceDetail)).toMatchObject({
      id: fresh!.id,
      name: 'pump-7',
      tags: { row: '7', pair: 'north', lot: 'b' },
      state: 'active',
    });
    expect(await deviceOf(old!.id)).toMatchObject({ state: 'decommissioned', replacedBy: fresh!.id });
    expect(await actionsOf(fresh!.id)).toContain('device.took-place');
  });

  it('not by itself, by another model, from another site, or by one that left', async () => {
    const here = await makeScene(server, 2);
    const there = await makeScene(server, 1);
    const [old, fresh] = here.devices;
    const replace = async (by: string) => (await ask(`devices/${old!.id}/replace`, { by, note })).code;
    expect(await replace(old!.id)).toBe('request.conflict');
    expect(await replace(there.devices[0]!.id)).toBe('request.conflict');
    await query(server, `update devices set model = 'another' where id = $1`, [fresh!.id]);
    expect(await replace(fresh!.id)).toBe('request.conflict');
    await query(server, `update devices set model = $2, state = 'decommissioned' where id = $1`, [
      fresh!.id,
      here.model,
    ]);
    expect(await replace(fresh!.id)).toBe('request.conflict');
    expect(await replace('00000000-0000-4000-8000-000000000000')).toBe('request.not-found');
    expect((await deviceOf(old!.id)).state).toBe('active');
  });
});

describe('a gateway is replaced', () => {
  it('gets name, tags and sockets; the key of the old one is dead at once', async () => {
    const site = await makeSite(server);
    const old = await ScriptedGateway.start(server, site);
    const model = freshName('model');
    const atSocket = (value: string) =>
      seenDevice(value, { identity: { kind: 'port-path', value }, model, links: [{ link: 'serial:/dev/ttyS0' }] });
    await old.gateway.inventory([atSocket('usb-1'), atSocket('usb-2')]);
    await call(server, 'PATCH', `/api/v1/gateways/${old.id}`, {
      body: { tags: { floor: '2' } },
      headers: { 'if-match': '*' },
    });
    const { name } = (await call(server, 'GET', `/api/v1/gateways/${old.id}`)).json(GatewayDetail);
    const fresh = await ScriptedGateway.start(server, site);
    // The new one has seen one of the sockets before anybody said what it is.
    await fresh.gateway.inventory([atSocket('usb-1')]);
    const answer = await ask(`gateways/${old.id}/replace`, { by: fresh.id, note });
    expect(answer.json(GatewayDetail)).toMatchObject({ id: fresh.id, name, tags: { floor: '2' }, state: 'active' });
    const left = (await call(server, 'GET', `/api/v1/gateways/${old.id}`)).json(GatewayDetail);
    expect(left).toMatchObject({ state: 'decommissioned', replacedBy: fresh.id, online: false });
    expect(left.keys.every(({ revokedAt }) => revokedAt !== null)).toBe(true);
    expect((await old.gateway.login()).status).toBe(401);
    await fresh.gateway.inventory([atSocket('usb-1'), atSocket('usb-2')]);
    const rows = await query(
      server,
      `select identity_value, state, gateway_id from devices where model = $1 order by identity_value, state`,
      [model],
    );
    expect(rows).toEqual([
      { identity_value: 'usb-1', state: 'active', gateway_id: fresh.id },
      { identity_value: 'usb-1', state: 'decommissioned', gateway_id: old.id },
      { identity_value: 'usb-2', state: 'active', gateway_id: fresh.id },
    ]);
  });

  it('not by one of another site', async () => {
    const old = await TestGateway.enrol(server, await makeSite(server));
    const fresh = await TestGateway.enrol(server, await makeSite(server));
    expect((await ask(`gateways/${old.id}/replace`, { by: fresh.id, note })).code).toBe('request.conflict');
  });
});

describe('a site leaves', () => {
  it('with its gateways, devices, plans and unused tokens', async () => {
    const { site, artifact, gateway, devices } = await makeScene(server, 2);
    await hold('sites', site, { note: 'wait' });
    const campaign = await startCampaign(server, draftOf(artifact));
    const token = await call(server, 'POST', '/api/v1/enrolment-tokens', { body: { site } });
    expect((await ask(`sites/${site}/decommission`)).json(Site)).toMatchObject({
      state: 'decommissioned',
      stateNote: note,
    });
    const members = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/deployments`)).json(
      pageOf(Deployment),
    );
    expect(members.items.map(({ state }) => state)).toEqual(['skipped', 'skipped']);
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    expect((await deviceOf(devices[0]!.id)).state).toBe('decommissioned');
    expect((await gateway.gateway.login()).status).toBe(401);
    const used = await call(server, 'POST', '/agent/v1/enrol', {
      token: null,
      body: {
        token: (JSON.parse(token.text) as { token: string }).token,
        name: 'late',
        publicKey: gateway.gateway.key.publicJwk,
        agentVersion: '1',
      },
    });
    expect(used.code).toBe('enrolment.token');
    expect((await call(server, 'POST', '/api/v1/enrolment-tokens', { body: { site } })).code).toBe('request.conflict');
    expect((await ask(`devices/${devices[0]!.id}/recommission`)).code).toBe('request.conflict');
  });
});
