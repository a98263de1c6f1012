/** Rules about single devices as an operator meets them: each keeps a device waiting, says why, and lets it go. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { Campaign, type Artifact, type Grant } from '@drydock/contracts';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../../testing.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { draftOf, goodLife, makeScene, readCampaign, startCampaign } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const WHYS = z.object({
  items: z.array(z.object({ deviceId: z.string(), reason: z.object({ code: z.string(), sentence: z.string() }) })),
});

it('a weak battery, a hold and a full site keep devices waiting, one reason each, until they no longer do', async () => {
  const { gateway, devices, artifact } = await makeScene(server, 4);
  const [weak, held] = devices;
  await query(server, 'update devices set battery_percent = 12 where id = $1', [weak!.id]);
  const hold = (body: object | null) =>
    call(server, 'PATCH', `/api/v1/devices/${held!.id}`, { body: { hold: body }, headers: { 'if-match': '*' } });
  expect((await hold({ note: 'on the bench' })).status).toBe(200);
  const campaign = await startCampaign(server, draftOf(artifact, { limits: { perSite: 1 }, minBatteryPercent: 30 }));
  const whys = async (): Promise<Map<string, string>> => {
    const answer = await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/why?limit=50`);
    return new Map(answer.json(WHYS).items.map(({ deviceId, reason }) => [deviceId, reason.sentence]));
  };
  await until(async () => (await readCampaign(server, campaign.id)).counts.granted === 1);
  const said = await whys();
  expect(said.get(weak!.id)).toBe('The battery is at 12 %, the campaign wants 30 %.');
  expect(said.get(held!.id)).toBe('The device is on hold: on the bench.');
  const others = devices.slice(2).map(({ id }) => said.get(id) ?? '');
  expect(others.filter((sentence) => /already has 1 of 1 updates under way\.$/.test(sentence))).toHaveLength(1);

  const done = new Set<string>();
  const work = async (of: Artifact): Promise<Campaign> => {
    for (const grant of (gateway.order?.grants ?? []) as Grant[]) {
      if (done.has(grant.deployment)) continue;
      done.add(grant.deployment);
      await gateway.report(...goodLife(grant, of));
    }
    return readCampaign(server, campaign.id);
  };
  await until(async () => (await work(artifact)).counts.proven === 2);
  // However often the engine looks, the others stay where they are.
  const engine = server.app.get(CampaignEngine, { strict: false });
  for (let look = 0; look < 3; look++) await until(async () => (await engine.tick(campaign.id)) === 'done');
  expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 2, planned: 2 });
  expect([...(await whys()).keys()].sort()).toEqual([weak!.id, held!.id].sort());
  await query(server, 'update devices set battery_percent = 90 where id = $1', [weak!.id]);
  expect((await hold(null)).status).toBe(200);
  await until(async () => (await work(artifact)).state === 'completed');
  expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 4 });
});
