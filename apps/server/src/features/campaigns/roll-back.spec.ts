/** A roll-back in one call, from the update to the former image proven again. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Campaign as CampaignBody, PauseAnswer, Problem, type Artifact, type Campaign } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  draftOf,
  ended,
  makeScene,
  OLD,
  proven,
  readCampaign,
  startCampaign,
  touched,
  uploadArtifact,
  type ScriptedDevice,
  type ScriptedGateway,
} from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  const counted = server && (await recount(server.dataSource.manager));
  await server?.stop();
  expect(counted).toEqual({ equal: true, differences: [] });
});

const imageOf = (artifact: Artifact) =>
  ({ image: 0, version: artifact.version, hash: artifact.runningHashes[0]!, confirmed: true }) as typeof OLD;
const rollBack = (id: string, body: Record<string, unknown> = { reason: 'it drains the battery' }) =>
  call(server, 'POST', `/api/v1/campaigns/${id}/rollback`, { body });

async function update(
  campaign: Campaign,
  gateway: ScriptedGateway,
  device: ScriptedDevice,
  artifact: Artifact,
  before: typeof OLD,
): Promise<void> {
  await until(
    () =>
      gateway.order?.grants.some((grant) => grant.device === device.id && grant.artifact.sha256 === artifact.sha256) ??
      false,
  );
  const grant = gateway.order!.grants.find((one) => one.device === device.id)!;
  await gateway.report(touched(grant, before), { ...proven(grant, artifact), before: [before] });
  expect(campaign.artifact.id).toBe(artifact.id);
}

async function firstGranted(
  gateway: ScriptedGateway,
  devices: readonly ScriptedDevice[],
  artifact: Artifact,
): Promise<ScriptedDevice> {
  const find = () => gateway.order?.grants.find((grant) => grant.artifact.sha256 === artifact.sha256);
  await until(() => find() !== undefined);
  return devices.find((device) => device.id === find()!.device)!;
}

describe('a roll-back', () => {
  it('takes back exactly the devices that were updated, to what they ran, and is proven', async () => {
    const { gateway, devices, model, artifact } = await makeScene(server, 3);
    const former = await uploadArtifact(server, model);
    for (const device of devices) {
      await gateway.gateway.inventory([gateway.sighting(device.serial, model, imageOf(former))]);
    }
    const campaign = await startCampaign(server, draftOf(artifact, { allowDowngrade: true }));
    await update(campaign, gateway, devices[0]!, artifact, imageOf(former));
    await update(campaign, gateway, devices[1]!, artifact, imageOf(former));
    const third = await gateway.grantOf(devices[2]!);
    await gateway.report(ended(third, 'failed', { touched: false, code: 'target.wrong-identity' }));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');

    const made = await rollBack(campaign.id);
    expect(made.status).toBe(201);
    const draft = made.json(CampaignBody);
    expect(draft).toMatchObject({
      name: `${campaign.name}-rollback`,
      note: 'it drains the battery',
      state: 'draft',
      rollsBack: campaign.id,
      artifact: { id: former.id },
      selector: { updatedBy: campaign.id },
      policy: { allowDowngrade: true },
    });
    const back = await act(server, draft.id, 'start', CampaignBody, {});
    expect(back.sums).toMatchObject({ total: 2 });
    // The canary is one of the two, whichever.
    const canary = await firstGranted(gateway, devices, former);
    await update(back, gateway, canary, former, imageOf(artifact));
    await update(back, gateway, canary === devices[0] ? devices[1]! : devices[0]!, former, imageOf(artifact));
    await until(async () => (await readCampaign(server, draft.id)).state === 'completed');
    expect((await readCampaign(server, draft.id)).counts).toEqual({ proven: 2 });
    // What the first campaign proved stays proven: the devices were taken back by another one.
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 2, failed: 1 });
    const running = await query(server, 'select distinct running_hash from devices where id = any($1)', [
      [devices[0]!.id, devices[1]!.id],
    ]);
    expect(running).toEqual([{ running_hash: former.runningHashes[0] }]);
    // The name is taken now; nobody runs the new artifact any more.
    const again = (await rollBack(campaign.id)).json(CampaignBody);
    expect(again.name).toBe(`${campaign.name}-rollback-2`);
    expect((await call(server, 'POST', `/api/v1/campaigns/${again.id}/start`, { body: {} })).code).toBe(
      'campaign.empty',
    );
  });

  it('asks which, where the devices ran several versions or none that is stored', async () => {
    const { gateway, devices, model, artifact } = await makeScene(server, 2);
    const former = await uploadArtifact(server, model);
    await gateway.gateway.inventory([gateway.sighting(devices[0]!.serial, model, imageOf(former))]);
    const campaign = await startCampaign(server, draftOf(artifact, { allowDowngrade: true }));
    await update(campaign, gateway, devices[0]!, artifact, imageOf(former));
    await update(campaign, gateway, devices[1]!, artifact, OLD);
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    const asked = await rollBack(campaign.id);
    expect(asked.status).toBe(409);
    const choices = asked.json(Problem).errors!.map((error) => error.message);
    expect(choices).toEqual([
      `${former.id}: 1 device(s) ran ${former.version}.`,
      `1 device(s) ran ${OLD.version}, of which no artifact is stored.`,
    ]);
    const named = await rollBack(campaign.id, { reason: 'so', artifactId: former.id });
    expect(named.json(CampaignBody).artifact.id).toBe(former.id);
    for (const artifactId of [artifact.id, '6f1c2f0e-8c53-4a7e-9d0a-000000000001']) {
      expect((await rollBack(campaign.id, { reason: 'so', artifactId })).status).toBeGreaterThanOrEqual(400);
    }
  });

  it('waits until the campaign no longer grants, and until it has updated something', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    await gateway.grantOf(devices[0]!);
    expect((await rollBack(campaign.id)).code).toBe('campaign.state');
    await act(server, campaign.id, 'pause', PauseAnswer);
    expect((await rollBack(campaign.id)).code).toBe('request.conflict');
    const unknown = await call(server, 'POST', '/api/v1/campaigns', {
      body: draftOf(artifact, {}, { updatedBy: '6f1c2f0e-8c53-4a7e-9d0a-000000000001' }),
    });
    expect(unknown.json(Problem).errors?.[0]?.path).toBe('selector.updatedBy');
  });
});
