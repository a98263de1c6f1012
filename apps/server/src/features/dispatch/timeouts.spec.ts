/** Retries by family, states that take too long, leases, and windows that are looked at when they are saved. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Campaign as CampaignBody, PauseAnswer, Problem, type Grant } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  downloading,
  draftOf,
  ended,
  makeScene,
  readCampaign,
  refOf,
  startCampaign,
  step,
  touched,
  withdrawn,
  type ScriptedGateway,
} from '../reports/scripted-gateway.fixture.js';
import { CampaignEngine } from './campaign-engine.js';

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

const rowOf = async (campaignId: string): Promise<Record<string, unknown>> =>
  (await query(server, 'select * from deployments where campaign_id = $1', [campaignId]))[0]!;
const nextGrant = async (gateway: ScriptedGateway, attempt: number): Promise<Grant> => {
  await until(() => gateway.order?.grants.some((grant) => grant.attempt === attempt) ?? false);
  return gateway.order!.grants.find((grant) => grant.attempt === attempt)!;
};
const passTime = async (campaignId: string, column: 'state_at' | 'touched_at'): Promise<void> => {
  await query(server, `update deployments set ${column} = ${column} - interval '20 minutes' where campaign_id = $1`, [
    campaignId,
  ]);
  // The ticker's own look may hold the campaign just now.
  await until(async () => (await server.app.get(CampaignEngine).tick(campaignId)) !== 'busy');
};
const NOW = { backOffMs: 0 };

describe('retries', () => {
  it('are counted by the blame of the error: each family has tries of its own', async () => {
    const { gateway, artifact } = await makeScene(server, 1);
    const retry = { link: { maxAttempts: 2, ...NOW }, device: { maxAttempts: 2, ...NOW } };
    const campaign = await startCampaign(server, draftOf(artifact, { retry }));
    for (const [index, code] of ['link.lost', 'target.busy', 'link.lost'].entries()) {
      const grant = await nextGrant(gateway, index + 1);
      expect(await rowOf(campaign.id)).toMatchObject({ state: 'granted', tries: index });
      await gateway.report(touched(grant), ended(grant, 'failed', { code }));
    }
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'failed', tries: 3, outcome_code: 'link.lost' });
  });
});

describe('P8: a state that takes too long', () => {
  it('a download is called back by name, counts as a try, and is tried again', async () => {
    const { gateway, artifact } = await makeScene(server, 1);
    const timeouts = { downloadMs: 600_000 };
    const retry = { gateway: { maxAttempts: 2, ...NOW } };
    const campaign = await startCampaign(server, draftOf(artifact, { timeouts, retry }));
    const first = await nextGrant(gateway, 1);
    await gateway.report(downloading(first));
    await server.app.get(CampaignEngine).tick(campaign.id);
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'downloading' });
    await passTime(campaign.id, 'state_at');
    await until(() => gateway.order!.cancellations.length === 1);
    expect(gateway.order!.cancellations).toEqual([{ ...refOf(first), mode: 'before-start' }]);
    // Only the gateway says that it is over: no second attempt before that (P3).
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'cancelling', attempt: 1 });
    await gateway.report(withdrawn(first, 'cancelled'));
    const second = await nextGrant(gateway, 2);
    expect(await rowOf(campaign.id)).toMatchObject({ tries: 1, unused_grants: 0 });
    await gateway.report(downloading(second));
    await passTime(campaign.id, 'state_at');
    await gateway.report(withdrawn(second, 'cancelled'));
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'failed', outcome_code: 'gateway.download', tries: 2 });
  });

  it('a transfer leaves at a safe point and is tried again; what activates is only watched', async () => {
    const { gateway, artifact } = await makeScene(server, 1);
    const timeouts = { transferMs: 600_000, activateMs: 1_000 };
    const retry = { link: { maxAttempts: 2, ...NOW } };
    const campaign = await startCampaign(server, draftOf(artifact, { timeouts, retry }));
    const first = await nextGrant(gateway, 1);
    await gateway.report(touched(first));
    await passTime(campaign.id, 'touched_at');
    await until(() => gateway.order!.cancellations.length === 1);
    expect(gateway.order!.cancellations).toEqual([{ ...refOf(first), mode: 'safe-point' }]);
    await gateway.report(ended(first, 'cancelled'));
    expect(
      await query(server, 'select outcome, code, blame from attempts where campaign_id = $1 and attempt = 1', [
        campaign.id,
      ]),
    ).toEqual([{ outcome: 'failed', code: 'fence.finish-by', blame: 'link' }]);
    const second = await nextGrant(gateway, 2);
    await gateway.report(touched(second), step(second, 'activating'));
    await passTime(campaign.id, 'state_at');
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'activating', cancel_mode: null });
  });

  it('ends with the campaign: what was called back is cancelled by an abort', async () => {
    const { gateway, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact, { timeouts: { downloadMs: 600_000 } }));
    const grant = await nextGrant(gateway, 1);
    await gateway.report(downloading(grant));
    await passTime(campaign.id, 'state_at');
    await act(server, campaign.id, 'abort', PauseAnswer);
    await gateway.report(withdrawn(grant, 'cancelled'));
    expect(await rowOf(campaign.id)).toMatchObject({ state: 'cancelled' });
    await until(async () => (await readCampaign(server, campaign.id)).state === 'aborted');
  });
});

describe('what a campaign promises and is asked', () => {
  it('keeps the moment that its last stop named, and drops it with the resume', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    await gateway.grantOf(devices[0]!);
    expect((await readCampaign(server, campaign.id)).noneAfter).toBeNull();
    const answer = await act(server, campaign.id, 'pause', PauseAnswer);
    expect(Date.parse((await readCampaign(server, campaign.id)).noneAfter!)).toBe(answer.noneAfter);
    expect((await act(server, campaign.id, 'resume', CampaignBody)).noneAfter).toBeNull();
  });

  it('refuses windows that never open or cannot be read, with their place, in the zones of the sites', async () => {
    const { artifact } = await makeScene(server, 0);
    const window = (rule: string) => ({ rule, from: '2024-01-01T02:00', durationMs: 3_600_000 });
    const windows = [window('FREQ=DAILY'), window('FREQ=DAILY;UNTIL=20240201T000000Z'), window('FREQ=SOMETIMES')];
    const answer = await call(server, 'POST', '/api/v1/campaigns', { body: draftOf(artifact, { windows }) });
    expect(answer.status).toBe(422);
    expect(answer.json(Problem).errors?.map((error) => error.path)).toEqual([
      'policy.windows[1].rule',
      'policy.windows[2].rule',
    ]);
  });

  it('gives shorter leases where the sessions are known', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const timeouts = { startMs: 900_000 };
    const campaign = await startCampaign(server, draftOf(artifact, { timeouts, limits: { perGateway: 2 } }));
    const grant = await gateway.grantOf(devices[0]!);
    expect(grant.startBy - Date.now()).toBeGreaterThan(600_000);
    // Twenty sessions of two minutes: a lease of 120 s * 4 / 2 + 60 s + 5 s.
    await query(
      server,
      `insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at, start_by,
         finish_by, outcome, duration_ms)
       select deployment_id, reign, 100 + n, campaign_id, device_id, gateway_id, epoch, mode, granted_at, start_by, finish_by,
         'proven', 60000 + (n % 2) * 60000
       from attempts, generate_series(1, 20) as n where campaign_id = $1 and attempt = 1`,
      [campaign.id],
    );
    await gateway.report(withdrawn(grant));
    const again = await nextGrant(gateway, 2);
    const [row] = await query<{ ms: number }>(
      server,
      `select (extract(epoch from start_by - state_at) * 1000)::float8 as ms from deployments where campaign_id = $1`,
      [campaign.id],
    );
    expect(row!.ms).toBe(305_000);
    expect(again.finishBy - again.startBy).toBe(grant.finishBy - grant.startBy);
    await query(server, 'delete from attempts where campaign_id = $1 and attempt > 100', [campaign.id]);
  });
});
