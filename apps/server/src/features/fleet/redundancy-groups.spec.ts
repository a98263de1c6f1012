/** Redundancy groups: how people keep them, when a device is back in service, and that two campaigns keep the limit. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Device, DeviceWhy, Problem, RedundancyGroup, pageOf, type Campaign } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import {
  draftOf,
  ended,
  makeScene,
  startCampaign,
  touched,
  uploadArtifact,
  OLD,
  ScriptedGateway,
  type ScriptedDevice,
} from '../reports/scripted-gateway.fixture.js';
import { call, freshName, query } from './fleet.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const GROUPS = '/api/v1/redundancy-groups';
const ANY = { 'if-match': '*' };
const makeGroup = async (maxOut = 1): Promise<RedundancyGroup> =>
  (await call(server, 'POST', GROUPS, { body: { name: freshName('group'), maxOut } })).json(RedundancyGroup);
const patchDevice = (id: string, body: Record<string, unknown>) =>
  call(server, 'PATCH', `/api/v1/devices/${id}`, { body, headers: ANY });
const readDevice = async (id: string) => (await call(server, 'GET', `/api/v1/devices/${id}`)).json(Device);
const devicesOf = async (search: string) =>
  (await call(server, 'GET', `/api/v1/devices?${search}`)).json(pageOf(Device)).items.map((device) => device.id);

describe('redundancy groups', () => {
  it('are made, read, changed with their revision, and removed once empty', async () => {
    const group = await makeGroup();
    expect(group).toMatchObject({ maxOut: 1, members: 0, out: 0, revision: 1 });
    expect((await call(server, 'POST', GROUPS, { body: { name: group.name } })).status).toBe(409);
    const path = `${GROUPS}/${group.id}`;
    expect((await call(server, 'PATCH', path, { body: { maxOut: 2 } })).status).toBe(428);
    const changed = await call(server, 'PATCH', path, { body: { maxOut: 2 }, headers: { 'if-match': '1' } });
    expect(changed.json(RedundancyGroup)).toMatchObject({ maxOut: 2, revision: 2 });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect((await call(server, 'PATCH', path, { body: { maxOut: 3 }, headers: { 'if-match': '1' } })).code).toBe(
      'request.stale',
    );
    const other = await makeGroup();
    expect((await call(server, 'PATCH', path, { body: { name: other.name }, headers: ANY })).status).toBe(409);

    const { devices } = await makeScene(server, 2);
    expect((await patchDevice(devices[0]!.id, { redundancyGroup: group.id })).json(Device).redundancyGroup).toBe(
      group.id,
    );
    expect(await devicesOf(`redundancyGroup=${group.id}`)).toEqual([devices[0]!.id]);
    expect(await devicesOf(`filter=${encodeURIComponent(`group==${group.name}`)}`)).toEqual([devices[0]!.id]);
    expect((await call(server, 'GET', path)).json(RedundancyGroup)).toMatchObject({ members: 1, out: 0 });
    const listed = (await call(server, 'GET', GROUPS)).json(pageOf(RedundancyGroup)).items;
    expect(listed.map((one) => one.id)).toEqual(expect.arrayContaining([group.id, other.id]));
    expect((await call(server, 'DELETE', path, { headers: ANY })).status).toBe(409);
    await patchDevice(devices[0]!.id, { redundancyGroup: null });
    expect((await call(server, 'DELETE', path, { headers: ANY })).status).toBe(204);
    const gone = await patchDevice(devices[0]!.id, { redundancyGroup: group.id });
    expect({ status: gone.status, code: gone.json(Problem).code }).toEqual({ status: 404, code: 'request.not-found' });
  });
});

describe('a device that an update took out of service', () => {
  it('is back once its application is seen running later, or a person says so', async () => {
    const { gateway, devices, artifact, model } = await makeScene(server, 2);
    const group = await makeGroup(2);
    for (const device of devices) await patchDevice(device.id, { redundancyGroup: group.id });
    await startCampaign(server, draftOf(artifact, { brake: { limit: 0.5 } }));
    for (const device of devices) {
      const grant = await gateway.grantOf(device);
      await gateway.report(touched(grant), ended(grant, 'failed', { code: 'target.wrong-image-runs' }));
      expect((await readDevice(device.id)).outOfService).toBe(true);
    }
    const out = async () => (await call(server, 'GET', `${GROUPS}/${group.id}`)).json(RedundancyGroup).out;
    expect(await out()).toBe(2);
    // What was read before the result says nothing.
    await gateway.gateway.inventory([gateway.sighting(devices[0]!.serial, model, OLD, 0)]);
    expect((await readDevice(devices[0]!.id)).outOfService).toBe(true);
    await gateway.gateway.inventory([
      { ...gateway.sighting(devices[0]!.serial, model, OLD), mode: 'bootloader' as never },
    ]);
    expect((await readDevice(devices[0]!.id)).outOfService).toBe(true);
    await gateway.gateway.inventory([gateway.sighting(devices[0]!.serial, model, OLD)]);
    expect((await readDevice(devices[0]!.id)).outOfService).toBe(false);
    expect(await out()).toBe(1);
    expect((await patchDevice(devices[1]!.id, { inService: true })).json(Device).outOfService).toBe(false);
    expect(await out()).toBe(0);
  });
});

describe('two campaigns on pairs', () => {
  it('never have more than one of a pair out, although their engines tick at once', async () => {
    const pairs = 8;
    const { gateway, site, devices: own, artifact, model } = await makeScene(server, pairs);
    // The mates are behind another gateway: only the group's own row stands between the two engines.
    const second = await ScriptedGateway.start(server, site);
    const mates = await second.sees(pairs, model);
    const groups: string[] = [];
    for (let at = 0; at < pairs; at++) {
      const group = await makeGroup();
      groups.push(group.id);
      for (const device of [own[at]!, mates[at]!]) {
        await patchDevice(device.id, { redundancyGroup: group.id });
      }
    }
    const limits = { inFlight: 100, firstInFlight: 100, perGateway: 32 };
    const idsOf = (devices: readonly ScriptedDevice[]) => devices.map((device) => device.id);
    const engine = server.app.get(CampaignEngine);
    const asleep = async (campaign: Campaign): Promise<void> => {
      // Only this test's engines look at it.
      await query(server, `update campaigns set wake_at = '2200-01-01', dirty = false where id = $1`, [campaign.id]);
    };
    const campaigns = [
      await startCampaign(server, { ...draftOf(artifact, { limits }, { devices: idsOf(own) }) }),
      await startCampaign(server, {
        ...draftOf(await uploadArtifact(server, model), { limits }, { devices: idsOf(mates) }),
      }),
    ];
    const out = async () =>
      query<{ id: string; n: number }>(
        server,
        `select v.redundancy_group_id as id, count(*)::int as n from deployments d join devices v on v.id = d.device_id
         where v.redundancy_group_id = any($1) and d.state in ('granted', 'downloading', 'transferring', 'activating', 'proving')
         group by 1`,
        [groups],
      );
    for (let round = 0; round < 10; round++) {
      await Promise.all([...campaigns, ...campaigns].map((campaign) => engine.tick(campaign.id)));
      for (const { n } of await out()) expect(n).toBe(1);
      // All that was granted is taken back as never started, so that the next round is a race anew.
      await query(
        server,
        `with back as (update deployments d set state = 'planned', unused_grants = unused_grants + 1 where campaign_id = any($1)
           and state = 'granted' returning d.campaign_id, d.device_id, d.gateway_id),
         free as (update gateways g set in_flight = 0 where id = any($2)),
         fence as (update devices v set fenced_until = null from back where v.id = back.device_id),
         moved as (select campaign_id, count(*) as n from back group by 1)
         update campaign_counters c set n = c.n + case c.state when 'planned' then moved.n else -moved.n end
         from moved where c.campaign_id = moved.campaign_id and c.state in ('planned', 'granted')`,
        [campaigns.map((campaign) => campaign.id), [gateway.id, second.id]],
      );
      await Promise.all(campaigns.map((campaign) => asleep(campaign)));
    }
    await Promise.all(campaigns.map((campaign) => engine.tick(campaign.id)));
    expect(await out()).toHaveLength(pairs);
    const member = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = any($1) and state = 'planned' limit 1`,
      [campaigns.map((campaign) => campaign.id)],
    );
    const why = (await call(server, 'GET', `/api/v1/devices/${member[0]!.device_id}/why`)).json(DeviceWhy);
    expect(why.deployments.map((one) => one.reason.code)).toContain('redundancy.group');
  });
});
