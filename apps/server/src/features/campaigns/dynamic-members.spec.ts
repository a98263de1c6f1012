/** Membership `dynamic`: who joins and leaves while the campaign runs. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Campaign, PauseAnswer } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  draftOf,
  goodLife,
  makeScene,
  OLD,
  readCampaign,
  startCampaign,
  uploadArtifact,
} from '../reports/scripted-gateway.fixture.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import { MembershipRefresher } from './membership-refresher.js';

jest.setTimeout(60_000);
let server: TestServer;
let refresher: MembershipRefresher;
let engine: CampaignEngine;
beforeAll(async () => {
  server = await startTestServer();
  refresher = server.app.get(MembershipRefresher, { strict: false });
  engine = server.app.get(CampaignEngine, { strict: false });
}, 60_000);
afterAll(async () => {
  const counted = server && (await recount(server.dataSource.manager));
  await server?.stop();
  expect(counted).toEqual({ equal: true, differences: [] });
});

const stages = [
  { name: 'canary', count: 1, gate: { maxFailureShare: 1 } },
  { name: 'rest', gate: { maxFailureShare: 1 } },
];

describe('dynamic membership', () => {
  it('takes a device that newly appears into the last stage, by itself, and says so', async () => {
    const { gateway, artifact, model } = await makeScene(server, 2);
    const campaign = await startCampaign(server, draftOf(artifact, { stages, membership: 'dynamic' }));
    expect(campaign.sums.total).toBe(2);
    const [late] = await gateway.sees(1, model, { ...OLD, version: '1.1.0' });
    await until(async () => (await readCampaign(server, campaign.id)).sums.total === 3);
    const [row] = await query(
      server,
      'select stage_idx, state, position from deployments where campaign_id = $1 and device_id = $2',
      [campaign.id, late!.id],
    );
    expect(row).toMatchObject({ stage_idx: 1, position: '3' });
    const strata = (await readCampaign(server, campaign.id)).strata;
    expect(strata.map(({ version, size, inFirstStage }) => [version, size, inFirstStage])).toEqual([
      [OLD.version, 2, 1],
      ['1.1.0', 1, 0],
    ]);
    const decisions = await query(
      server,
      `select params from decisions where campaign_id = $1 and kind = 'members.refreshed'`,
      [campaign.id],
    );
    expect(decisions).toEqual([{ params: { joined: 1, left: 0 } }]);
    const audited = await query(
      server,
      `select params from audit where target_id = $1 and action = 'campaign.members-refreshed'`,
      [campaign.id],
    );
    expect(audited).toEqual([{ params: { joined: 1, left: 0 } }]);
    await act(server, campaign.id, 'abort', PauseAnswer);
  });

  it('lets planned members go that match no more, and looks at most once a minute', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 3);
    const filter = 'tag!=lab';
    const campaign = await startCampaign(server, draftOf(artifact, { stages, membership: 'dynamic' }, { filter }));
    await until(() => gateway.order?.grants.length === 1);
    const [canary] = gateway.order!.grants;
    const leaves = devices.find((device) => device.id !== canary!.device)!;
    for (const id of [leaves.id, canary!.device]) {
      await call(server, 'PATCH', `/api/v1/devices/${id}`, {
        body: { tags: { lab: '' } },
        headers: { 'if-match': '*' },
      });
    }
    await refresher.refreshDue();
    expect((await readCampaign(server, campaign.id)).counts.skipped).toBeUndefined();
    await query(server, `update campaigns set members_at = members_at - interval '61 seconds' where id = $1`, [
      campaign.id,
    ]);
    await refresher.refreshDue();
    // The one that was granted stays a member.
    expect((await readCampaign(server, campaign.id)).counts).toMatchObject({ granted: 1, skipped: 1 });
    const [left] = await query(
      server,
      `select device_id, outcome_reason from deployments where campaign_id = $1 and state = 'skipped'`,
      [campaign.id],
    );
    expect(left).toEqual({ device_id: leaves.id, outcome_reason: 'left-selection' });
    await act(server, campaign.id, 'abort', PauseAnswer);
  });

  it('plans the stepping stones of those who join, and tells who cannot', async () => {
    const { gateway, artifact: stone, model } = await makeScene(server, 0);
    const target = await uploadArtifact(server, model, { runningVersions: [stone.version] });
    const [first] = await gateway.sees(1, model, { ...OLD, version: stone.version, hash: stone.runningHashes[0]! });
    const campaign = await startCampaign(server, draftOf(target, { stages, membership: 'dynamic' }));
    const [late] = await gateway.sees(1, model);
    await until(async () => (await readCampaign(server, campaign.id)).sums.total === 2);
    const [row] = await query(
      server,
      'select step_kind, step_artifact_id from deployments where campaign_id = $1 and device_id = $2',
      [campaign.id, late!.id],
    );
    expect(row).toEqual({ step_kind: 'stone', step_artifact_id: stone.id });
    expect(first).toBeDefined();
    await act(server, campaign.id, 'abort', PauseAnswer);
  });

  it('stays open with nobody left to update, takes who comes then, and ends when a person says so', async () => {
    const { gateway, artifact, model } = await makeScene(server, 0);
    const { id } = await startCampaign(server, draftOf(artifact, { stages, membership: 'dynamic' }));
    await engine.tick(id);
    await engine.tick(id);
    expect(await readCampaign(server, id)).toMatchObject({ state: 'running', sums: { total: 0 } });

    const [late] = await gateway.sees(1, model);
    await until(async () => (await readCampaign(server, id)).sums.total === 1);
    const grant = await gateway.grantOf(late!);
    const early = await call(server, 'POST', `/api/v1/campaigns/${id}/complete`, { body: { reason: 'enough' } });
    expect(early.status).toBe(409);
    expect(early.text).toContain('1 members are not finished');
    await gateway.report(...goodLife(grant, artifact));
    await until(async () => (await readCampaign(server, id)).counts.proven === 1);
    await engine.tick(id);
    expect((await readCampaign(server, id)).state).toBe('running');

    const done = await call(server, 'POST', `/api/v1/campaigns/${id}/complete`, { body: { reason: 'enough' } });
    expect(done.status).toBe(200);
    expect(done.json(Campaign)).toMatchObject({ state: 'completed', stateReason: 'enough' });
    await gateway.sees(1, model);
    expect(await refresher.refresh(id)).toBeUndefined();
  });

  it('is completed by nobody while its membership is frozen', async () => {
    const { artifact } = await makeScene(server, 1);
    const { id } = await startCampaign(server, draftOf(artifact));
    const answer = await call(server, 'POST', `/api/v1/campaigns/${id}/complete`, { body: { reason: 'enough' } });
    expect(answer.status).toBe(409);
    expect(answer.text).toContain('its membership is frozen');
    await act(server, id, 'abort', PauseAnswer);
  });

  it('takes none once it is over, or paused, or frozen', async () => {
    const { gateway, devices, artifact, model } = await makeScene(server, 1);
    const over = await startCampaign(server, draftOf(artifact, { membership: 'dynamic' }));
    await gateway.report(...goodLife(await gateway.grantOf(devices[0]!), artifact));
    await until(async () => (await readCampaign(server, over.id)).counts.proven === 1);
    await act(server, over.id, 'complete', Campaign);
    const next = await uploadArtifact(server, model);
    const frozen = await startCampaign(server, draftOf(next, { allowDowngrade: true }));
    await gateway.sees(1, model);
    expect([await refresher.refresh(over.id), await refresher.refresh(frozen.id)]).toEqual([undefined, undefined]);
    expect((await readCampaign(server, over.id)).sums.total).toBe(1);
    expect((await readCampaign(server, frozen.id)).sums.total).toBe(1);
    await act(server, frozen.id, 'abort', PauseAnswer);
  });
});
