import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Rehearsal } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import {
  draftOf,
  goodLife,
  makeCampaign,
  makeScene,
  readCampaign,
  startCampaign,
} from '../reports/scripted-gateway.fixture.js';
import { pastForecasts } from './past-forecasts.js';

jest.setTimeout(90_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server?.stop();
});

const rehearse = async (id: string, body: object = {}) =>
  call(server, 'POST', `/api/v1/campaigns/${id}/rehearsal`, { body: { runs: 20, seed: 5, ...body } });

describe('POST campaigns/{id}/rehearsal', () => {
  it('plays a draft, the same way with the same seed, and changes nothing', async () => {
    const { artifact } = await makeScene(server, 6);
    const campaign = await makeCampaign(server, draftOf(artifact));
    const first = (await rehearse(campaign.id)).json(Rehearsal);
    expect(first).toMatchObject({ seed: 5, runs: 20, members: 6, played: 6, reachable: 6 });
    expect(first.finish.map((one) => one.share)).toEqual([0.5, 0.9, 0.95, 0.99]);
    expect(first.finish[0]!.afterMs.p50).toBeGreaterThan(0);
    expect(first.halts.map((one) => one.failureRate)).toEqual([0.01, 0.02, 0.05, 0.2, 1]);
    expect(first.defaults).toContain('link speed');
    expect(first.load.downloadBytesPerGateway).toBe(artifact.sizeBytes);
    const again = (await rehearse(campaign.id)).json(Rehearsal);
    expect(again.halts.map((halt) => halt.hit)).toEqual(first.halts.map((halt) => halt.hit));
    expect((await readCampaign(server, campaign.id)).state).toBe('draft');
    const rows = await query(server, 'select 1 from deployments where campaign_id = $1', [campaign.id]);
    expect(rows).toHaveLength(0);
  });

  it('plays a draft that is not kept, as it would play the stored one', async () => {
    const { artifact } = await makeScene(server, 4);
    const draft = draftOf(artifact);
    const kept = await query(server, 'select id from campaigns');
    const answer = await call(server, 'POST', '/api/v1/campaigns/rehearsal', { body: { draft, runs: 20, seed: 7 } });
    const played = answer.json(Rehearsal);
    expect(played.campaign).toEqual({ id: null, name: draft.name });
    expect(await query(server, 'select id from campaigns')).toEqual(kept);
    const stored = await makeCampaign(server, draft);
    const again = (await rehearse(stored.id, { seed: 7 })).json(Rehearsal);
    expect(again.halts.map((halt) => halt.hit)).toEqual(played.halts.map((halt) => halt.hit));
    const found = await call(server, 'GET', `/api/v1/campaigns?name=${draft.name}`);
    expect((JSON.parse(found.text) as { items: { id: string }[] }).items.map((one) => one.id)).toEqual([stored.id]);
    const artifacts = await call(server, 'GET', `/api/v1/artifacts?sha256=${artifact.sha256.slice(0, 12)}`);
    expect((JSON.parse(artifacts.text) as { items: { id: string }[] }).items.map((one) => one.id)).toEqual([
      artifact.id,
    ]);
  });

  it('keeps what was said before the start, and what came', async () => {
    const { artifact, gateway, devices } = await makeScene(server, 1);
    const campaign = await makeCampaign(server, draftOf(artifact));
    await rehearse(campaign.id);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/start`, { body: {} });
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(...goodLife(grant, artifact));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    const [org] = await query<{ id: string }>(server, 'select id from orgs');
    const [past] = await pastForecasts(server.dataSource.manager, org!.id);
    expect(past!.actualMs).toBeGreaterThan(0);
    const next = await makeScene(server, 1);
    const other = await makeCampaign(server, draftOf(next.artifact));
    const { calibration } = (await rehearse(other.id)).json(Rehearsal);
    expect(calibration.of).toBe(1);
    expect(calibration.sentence).toContain('of 1 inside');
    expect((await rehearse(campaign.id)).code).toBe('campaign.state');
  });

  it('plays what is left of a campaign that runs', async () => {
    const { artifact } = await makeScene(server, 4);
    const campaign = await startCampaign(server, draftOf(artifact));
    const report = (await rehearse(campaign.id)).json(Rehearsal);
    expect(report.members).toBe(4);
  });

  it('says why it cannot', async () => {
    const { artifact } = await makeScene(server, 0);
    const campaign = await makeCampaign(server, draftOf(artifact));
    expect((await rehearse(campaign.id)).code).toBe('campaign.empty');
    expect((await rehearse('00000000-0000-4000-8000-000000000000')).code).toBe('request.not-found');
    expect((await rehearse(campaign.id, { runs: 5 })).code).toBe('request.invalid');
  });
});
