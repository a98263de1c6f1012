import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PauseAnswer, type Campaign } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  draftOf,
  ended,
  goodLife,
  makeScene,
  proven,
  readCampaign,
  refOf,
  startCampaign,
  step,
  touched,
  withdrawn,
} from './scripted-gateway.fixture.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  const counted = server && (await recount(server.dataSource.manager));
  await server?.stop();
  // P10, over everything this file did.
  expect(counted).toEqual({ equal: true, differences: [] });
});

const stateOf = async (campaign: Campaign, deviceId: string): Promise<Record<string, unknown>> =>
  (
    await query(server, 'select * from deployments where campaign_id = $1 and device_id = $2', [campaign.id, deviceId])
  )[0]!;

describe('the whole life of a deployment', () => {
  it('goes from the start of the campaign to the proof, and the campaign completes', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    expect(grant).toMatchObject({ attempt: 1, mode: 'update', protocol: 'smp', artifact: { sha256: artifact.sha256 } });
    expect(grant.finishBy).toBeGreaterThan(grant.startBy);
    expect(gateway.order!.forEpoch).toBe(gateway.gateway.epoch);

    const ack = await gateway.report({ kind: 'epoch-started', agentVersion: '1', journal: 'new' }, ...goodLife(grant, artifact));
    expect(ack).toMatchObject({ of: gateway.gateway.epoch, cursor: 8 });
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
    const done = await readCampaign(server, campaign.id);
    expect(done.counts).toEqual({ proven: 1 });
    expect(done.sums).toMatchObject({ total: 1, proven: 1, known: 1, failureShare: 0, successRate: 1, unresolved: 0 });
    expect(done.stages[0]).toMatchObject({ state: 'passed', size: 1 });
    const [device] = await query(server, 'select * from devices where id = $1', [devices[0]!.id]);
    expect(device).toMatchObject({ running_hash: artifact.runningHashes[0], fenced_until: null, needs_rescue: false });
    const [attempt] = await query(server, 'select * from attempts where campaign_id = $1', [campaign.id]);
    expect(attempt).toMatchObject({ outcome: 'proven', sent_bytes: '1000', duration_ms: '2000' });
  });
});
