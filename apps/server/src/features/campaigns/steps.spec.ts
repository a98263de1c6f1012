/** Steps that are not the campaign's artifact: versions on the way, and what an abort restores. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  Campaign as CampaignBody,
  CampaignPreview,
  DeploymentWhy,
  PauseAnswer,
  Problem,
  type Artifact,
  type Grant,
} from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  draftOf,
  ended,
  goodLife,
  makeScene,
  OLD,
  proven,
  readCampaign,
  startCampaign,
  step,
  touched,
  uploadArtifact,
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

const rowOf = async (campaignId: string, deviceId: string): Promise<Record<string, unknown>> =>
  (
    await query(server, 'select * from deployments where campaign_id = $1 and device_id = $2', [campaignId, deviceId])
  )[0]!;
const whyOf = async (campaignId: string, deviceId: string) =>
  (await call(server, 'GET', `/api/v1/campaigns/${campaignId}/devices/${deviceId}/why`)).json(DeploymentWhy).reason;
const nextGrant = async (gateway: ScriptedGateway, attempt: number): Promise<Grant> => {
  await until(() => gateway.order?.grants.some((grant) => grant.attempt === attempt) ?? false);
  return gateway.order!.grants.find((grant) => grant.attempt === attempt)!;
};
const runs = (artifact: Artifact) => ({
  image: 0,
  version: artifact.version,
  hash: artifact.runningHashes[0],
  confirmed: true,
});

describe('stepping stones', () => {
  it('goes over the stored versions that the artifact requires, as one trial, and says so', async () => {
    const { gateway, devices, model } = await makeScene(server, 1);
    const first = await uploadArtifact(server, model, { runningVersions: [OLD.version!] });
    const second = await uploadArtifact(server, model, { runningVersions: [first.version] });
    const target = await uploadArtifact(server, model, { runningVersions: [second.version] });

    const preview = (await call(server, 'POST', '/api/v1/campaigns/preview', { body: draftOf(target) })).json(
      CampaignPreview,
    );
    expect(preview).toMatchObject({ members: 1, skipped: [] });
    expect(preview.steps).toEqual([{ version: OLD.version, through: [first.version, second.version], count: 1 }]);

    const campaign = await startCampaign(server, draftOf(target));
    let running = OLD;
    for (const [index, stone] of [first, second].entries()) {
      const grant = await nextGrant(gateway, index + 1);
      expect(grant).toMatchObject({ artifact: { sha256: stone.sha256 }, mode: 'update' });
      await gateway.report(touched(grant, running), step(grant, 'erased'));
      expect(await whyOf(campaign.id, devices[0]!.id)).toMatchObject({
        code: 'requires.step',
        params: { version: stone.version },
      });
      await gateway.report(step(grant, 'activating'), { ...proven(grant, stone), before: [running] });
      running = runs(stone) as typeof OLD;
    }
    const last = await nextGrant(gateway, 3);
    expect(last.artifact.sha256).toBe(target.sha256);
    const between = await rowOf(campaign.id, devices[0]!.id);
    // One place in the order of trials, and no try of the target yet.
    expect(between).toMatchObject({ ordinal: '1', stratum_ordinal: '1', tries: 0, at_risk: false, step_kind: null });
    await gateway.report(...goodLife(last, target));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 1 });
    expect(await query(server, 'select tried from campaign_strata where campaign_id = $1', [campaign.id])).toEqual([
      { tried: '1' },
    ]);
    const outcomes = await query(server, 'select outcome from attempts where campaign_id = $1 order by attempt', [
      campaign.id,
    ]);
    expect(outcomes).toEqual([{ outcome: 'stepped' }, { outcome: 'stepped' }, { outcome: 'proven' }]);
    // A stone is part of the campaign: it stays.
    expect((await call(server, 'DELETE', `/api/v1/artifacts/${first.sha256}`)).status).toBe(409);
  });

  it('skips a device without a chain and names what is missing', async () => {
    const { gateway, devices, model } = await makeScene(server, 2);
    const stone = await uploadArtifact(server, model, { runningVersions: ['1.5.0'] });
    const target = await uploadArtifact(server, model, { runningVersions: [stone.version] });
    await gateway.gateway.inventory([gateway.sighting(devices[1]!.serial, model, { ...OLD, version: '1.5.0' })]);
    const preview = (await call(server, 'POST', '/api/v1/campaigns/preview', { body: draftOf(target) })).json(
      CampaignPreview,
    );
    expect(preview.skipped).toEqual([{ reason: 'requires', count: 1 }]);
    expect(preview.notes.join(' ')).toContain(
      `1 device(s) run ${OLD.version}: the artifact follows only ${stone.version}`,
    );
    const campaign = await startCampaign(server, draftOf(target));
    const why = await whyOf(campaign.id, devices[0]!.id);
    expect(why).toMatchObject({ code: 'requires.missing', params: { running: OLD.version, wanted: stone.version } });
    expect((await gateway.grantOf(devices[1]!)).artifact.sha256).toBe(stone.sha256);
    await act(server, campaign.id, 'abort', PauseAnswer);
  });

  it('tries a stone again that was not proven, and never calls that an unproven update', async () => {
    const { gateway, devices, model } = await makeScene(server, 1);
    const stone = await uploadArtifact(server, model);
    const target = await uploadArtifact(server, model, { runningVersions: [stone.version] });
    const retry = { firmware: { maxAttempts: 3, backOffMs: 0 } };
    const campaign = await startCampaign(server, draftOf(target, { acceptUnproven: true, retry }));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant), step(grant, 'activating'), { ...proven(grant, stone), after: [] });
    const again = await nextGrant(gateway, 2);
    expect(again.artifact.sha256).toBe(stone.sha256);
    expect(await rowOf(campaign.id, devices[0]!.id)).toMatchObject({ step_kind: 'stone', tries: 1, at_risk: true });
    // It runs after all: the agent finds nothing to do, and the way goes on.
    const found = {
      touched: false,
      reason: 'already-running',
      identity: again.identity,
      before: [runs(stone)],
      after: [runs(stone)],
    };
    await gateway.report(ended(again, 'skipped', found));
    const last = await nextGrant(gateway, 3);
    expect(last.artifact.sha256).toBe(target.sha256);
    await gateway.report(...goodLife(last, target));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
  });

  it('ends with the reason when the device came to a version that leads nowhere', async () => {
    const { gateway, devices, model } = await makeScene(server, 1);
    const stone = await uploadArtifact(server, model);
    const target = await uploadArtifact(server, model, { runningVersions: [stone.version] });
    const campaign = await startCampaign(server, draftOf(target));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant), { ...proven(grant, stone), after: [{ ...runs(stone), version: '7.7.7' }] });
    expect(await rowOf(campaign.id, devices[0]!.id)).toMatchObject({
      state: 'skipped',
      outcome_params: { running: '7.7.7', wanted: stone.version },
    });
  });
});

describe('an abort that restores', () => {
  const inRescue = async (policy: Record<string, unknown> = {}) => {
    const scene = await makeScene(server, 1);
    const former = await uploadArtifact(server, scene.model);
    const retry = { device: { maxAttempts: 3, backOffMs: 3_600_000 } };
    const campaign = await startCampaign(
      server,
      draftOf(scene.artifact, { onAbort: { restore: former.id }, retry, ...policy }),
    );
    const grant = await scene.gateway.grantOf(scene.devices[0]!);
    await scene.gateway.report(
      touched(grant),
      step(grant, 'erased'),
      ended(grant, 'failed', { code: 'target.in-bootloader', needsRescue: true }),
    );
    return { ...scene, former, campaign, device: scene.devices[0]! };
  };

  it('brings the former version back, proves it, and only then ends', async () => {
    const { gateway, former, campaign, device } = await inRescue();
    expect(await rowOf(campaign.id, device.id)).toMatchObject({ state: 'rescue' });
    await act(server, campaign.id, 'abort', PauseAnswer);
    const grant = await nextGrant(gateway, 2);
    expect(grant).toMatchObject({ mode: 'rescue', artifact: { sha256: former.sha256 }, allowDowngrade: true });
    expect((await readCampaign(server, campaign.id)).state).toBe('aborting');
    await gateway.report(touched(grant), step(grant, 'activating'), proven(grant, former));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'aborted');
    expect(await rowOf(campaign.id, device.id)).toMatchObject({
      state: 'reverted',
      outcome_reason: 'restored',
      needs_rescue: false,
      at_risk: false,
    });
    const [unit] = await query(server, 'select needs_rescue, running_hash, out_of_service from devices where id = $1', [
      device.id,
    ]);
    expect(unit).toEqual({ needs_rescue: false, running_hash: former.runningHashes[0], out_of_service: false });
    // A later sighting of the same image overturns nothing.
    await gateway.gateway.inventory([gateway.sighting(device.serial, former.model, runs(former) as typeof OLD)]);
    expect(await rowOf(campaign.id, device.id)).toMatchObject({ state: 'reverted', outcome_reason: 'restored' });
  });

  it('takes what was not proven for a failure', async () => {
    const { gateway, former, campaign, device } = await inRescue();
    await act(server, campaign.id, 'abort', PauseAnswer);
    const grant = await nextGrant(gateway, 2);
    await gateway.report(touched(grant), {
      ...proven(grant, former),
      identity: { kind: 'serial-number', value: 'else' },
    });
    expect(await rowOf(campaign.id, device.id)).toMatchObject({
      state: 'failed',
      outcome_code: 'target.not-confirmed',
    });
    await until(async () => (await readCampaign(server, campaign.id)).state === 'aborted');
  });

  it('is refused for an artifact that is unknown, of another model, or the campaign\u2019s own', async () => {
    const { artifact } = await makeScene(server, 1);
    const other = (await makeScene(server, 0)).artifact;
    const wrong = ['6f1c2f0e-8c53-4a7e-9d0a-000000000001', other.id, artifact.id];
    for (const restore of wrong) {
      const answer = await call(server, 'POST', '/api/v1/campaigns', {
        body: draftOf(artifact, { onAbort: { restore } }),
      });
      expect({ status: answer.status, path: answer.json(Problem).errors?.[0]?.path }).toEqual({
        status: 422,
        path: 'policy.onAbort.restore',
      });
    }
    const former = await uploadArtifact(server, artifact.model);
    const made = await call(server, 'POST', '/api/v1/campaigns', {
      body: draftOf(artifact, { onAbort: { restore: former.id } }),
    });
    expect(made.json(CampaignBody).policy.onAbort).toEqual({ restore: former.id });
  });
});
