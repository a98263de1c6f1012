import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Campaign as CampaignBody, DeploymentWhy, PauseAnswer, type Campaign, type Grant } from '@drydock/contracts';
import { CLOCK_MARGIN_MS } from '../../domain/clock-margin.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
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
  ScriptedGateway,
  startCampaign,
  step,
  touched,
  uploadArtifact,
  withdrawn,
} from './scripted-gateway.fixture.js';

jest.setTimeout(30_000);
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

    const ack = await gateway.report(
      { kind: 'epoch-started', agentVersion: '1', journal: 'new' },
      ...goodLife(grant, artifact),
    );
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

describe('P4: numbers and acknowledgements', () => {
  it('acknowledges duplicates again, refuses gaps with the cursor, and commits refused reports', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 2);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const first = gateway.number([touched(grant), step(grant, 'erased')]);
    const later = gateway.number([step(grant, 'complete'), step(grant, 'activating')]);

    expect((await gateway.send(later)).cursor).toBe(0);
    expect(await query(server, 'select 1 from reports where gateway_id = $1', [gateway.id])).toEqual([]);
    expect((await gateway.send(first)).cursor).toBe(2);
    expect((await gateway.send(first)).cursor).toBe(2);
    // Overlapping: the front is known, the rest is new.
    expect((await gateway.send([...first, ...later])).cursor).toBe(4);
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'activating', at_risk: true });

    const bad = gateway.number([
      { kind: 'no-such-kind' },
      { kind: 'touched', ref: { ...refOf(grant), attempt: -1 } },
      { ...step(grant, 'proving'), ref: { ...refOf(grant), deployment: devices[0]!.id } },
      { kind: 'ended', text: 'nul \u0000 and half a pair \ud800' },
      { ...step(grant, 'proving'), ref: { ...refOf(grant), attempt: 2 ** 40 } },
    ]);
    expect((await gateway.send(bad)).cursor).toBe(9);
    const rows = await query(server, 'select seq, disposition, note from reports where gateway_id = $1 order by seq', [
      gateway.id,
    ]);
    expect(rows.map((row) => row['disposition'])).toEqual([...Array(4).fill('applied'), ...Array(5).fill('refused')]);
    expect((await gateway.report(proven(grant, artifact))).cursor).toBe(10);
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'proven', at_risk: false });
  });

  it('goes on with the numbers of an earlier start, signed by the present one', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant));
    const old = gateway.gateway.epoch;
    const unsent = gateway.number([proven(grant, artifact)]);
    await gateway.restart();
    expect(await gateway.send(unsent, { of: old })).toMatchObject({ of: old, cursor: 2 });
    expect(await gateway.report({ kind: 'epoch-started', agentVersion: '1', journal: 'intact' })).toMatchObject({
      cursor: 1,
    });
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'proven', result_epoch: old });
  });

  it('takes no notice of a batch with a bad signature but a count and an audit entry', async () => {
    const { gateway, artifact, devices } = await makeScene(server, 1);
    await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const stranger = (await makeScene(server, 0)).gateway.gateway;
    const body = {
      of: gateway.gateway.epoch,
      firstSeq: 1,
      reports: [{ seq: 1, ...touched(grant) }],
      nonce: 'a'.repeat(32),
    };
    const acks = gateway.acks.length;
    // PUBACK comes: publish resolves.
    await gateway.gateway.publish('reports', await gateway.gateway.sign('reports', body, { key: stranger.key }));
    await gateway.gateway.publish('reports', 'not even a signature');
    expect(await query(server, 'select 1 from report_cursors where gateway_id = $1', [gateway.id])).toEqual([]);
    const audit = await query(
      server,
      `select params from audit where action = 'reports.bad-signature' and target_id = $1`,
      [gateway.id],
    );
    expect(audit).toHaveLength(1);
    expect(audit[0]).toMatchObject({ params: { why: 'unknown-key' } });
    expect(gateway.acks).toHaveLength(acks);
    expect((await gateway.report(touched(grant))).cursor).toBe(1);
  });

  it('refuses what is said about another gateway\u2019s attempt', async () => {
    const { gateway, artifact, devices, site } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const other = await ScriptedGateway.start(server, site);
    await other.report(proven(grant, artifact));
    const [row] = await query(server, 'select disposition, note from reports where gateway_id = $1', [other.id]);
    expect(row).toEqual({ disposition: 'refused', note: 'not-your-attempt' });
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'granted' });
  });

  it('answers time requests with a stamp that is not before the database\u2019s clock', async () => {
    const { gateway } = await makeScene(server, 0);
    const nonce = 'b'.repeat(32);
    const [before] = await query<{ ms: number }>(
      server,
      `select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
    );
    await gateway.gateway.publish('reports', await gateway.gateway.sign('time-request', { nonce }));
    await until(() => gateway.times.length > 0);
    expect(gateway.times[0]!.nonce).toBe(nonce);
    expect(gateway.times[0]!.serverTimeMs).toBeGreaterThanOrEqual(Math.floor(before!.ms));
  });
});

describe('P1: what an agent calls proven is looked at again', () => {
  it.each([
    ['another hash', { after: [{ image: 0, version: '2', hash: 'ff'.repeat(32), confirmed: true }] }, 'image-differs'],
    ['nothing read', { after: [] }, 'image-not-readable'],
    ['another unit', { identity: { kind: 'serial-number', value: 'somebody' } }, 'identity-differs'],
    ['not seen leaving', { touched: false }, 'did-not-see-it-leave'],
  ])('%s', async (_, fields, reason) => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant), { ...proven(grant, artifact), ...fields });
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'unproven', outcome_reason: reason });
  });
});

describe('P3: the next attempt', () => {
  it('comes only after the end of the last is known; reports of the older one are history', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const retry = { link: { maxAttempts: 3, backOffMs: 0 } };
    const campaign = await startCampaign(server, draftOf(artifact, { retry }));
    const first = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(first), ended(first, 'failed', { code: 'link.lost' }));
    await until(() => gateway.order?.grants.some((grant) => grant.attempt === 2) ?? false);
    const second = gateway.order!.grants[0]!;
    await gateway.report(proven(first, artifact));
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'granted', attempt: 2, tries: 1 });
    await gateway.report(proven(second, artifact));
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'proven', tries: 2 });
    const notes = await query(server, 'select note from reports where gateway_id = $1 order by seq', [gateway.id]);
    expect(notes.map((row) => row['note'])).toEqual([null, null, 'older-attempt', null]);
  });

  it('fails for good where trying again changes nothing', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(touched(grant), ended(grant, 'failed', { code: 'target.wrong-image-runs' }));
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'failed' });
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
  });

  it('gives a device to one campaign at a time', async () => {
    const { gateway, devices, artifact, model } = await makeScene(server, 1);
    const one = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const two = await startCampaign(server, draftOf(await uploadArtifact(server, model)));
    await until(async () => (await readCampaign(server, two.id)).stages[0]!.state === 'open');
    const why = await call(server, 'GET', `/api/v1/campaigns/${two.id}/devices/${devices[0]!.id}/why`);
    expect(why.json(DeploymentWhy).reason).toMatchObject({ code: 'device.claimed', params: { campaign: one.name } });
    await gateway.report(...goodLife(grant, artifact));
    await until(() => gateway.order?.grants.some((other) => other.deployment !== grant.deployment) ?? false);
  });

  it('ends silence in lost, and corrects it by the report of the same attempt', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 2);
    const campaign = await startCampaign(server, draftOf(artifact));
    const [a, b] = [await gateway.grantOf(devices[0]!), await gateway.grantOf(devices[1]!)];
    await gateway.report(touched(a), step(a, 'activating'));
    // As if the time had passed.
    await query(
      server,
      `update deployments set start_by = now() - interval '1 hour', finish_by = now() - interval '1 minute'
      where campaign_id = $1`,
      [campaign.id],
    );
    await server.app.get(CampaignEngine).tick(campaign.id);
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ lost: 2 });
    expect(await query(server, 'select in_flight from gateways where id = $1', [gateway.id])).toEqual([
      { in_flight: 0 },
    ]);
    await gateway.report(
      proven(a, artifact),
      ended(a, 'failed', { code: 'link.lost' }),
      withdrawn(b, 'start-by-passed'),
    );
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'proven', corrected: true });
    // It never started, so it is planned again (or cancelled, since the campaign had nothing left to do).
    expect(['planned', 'granted', 'cancelled']).toContain((await stateOf(campaign, devices[1]!.id))['state']);
    await until(async () => (await readCampaign(server, campaign.id)).sums.planned === 0);
  });
});

describe('P3: a copied card', () => {
  it.each([
    ['withdrawn, then touched', true],
    ['touched, then withdrawn', false],
  ])('is quarantined when two agents of one key say different things of one attempt: %s', async (_, withdrawnFirst) => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    const said = [withdrawn(grant), touched(grant)];
    for (const report of withdrawnFirst ? said : said.reverse()) await gateway.report(report);
    const state = 'select state from gateways where id = $1';
    expect(await query(server, state, [gateway.id])).toEqual([{ state: 'quarantined' }]);
    const audited = await query(
      server,
      `select params->>'deployment' as deployment from audit where action = 'gateway.quarantined' and target_id = $1`,
      [gateway.id],
    );
    expect(audited).toEqual([{ deployment: grant.deployment }]);
  });
});

describe('P3: an attempt that was heard of', () => {
  it('is not believed to have never arrived, and who says so is quarantined', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    const campaign = await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    await gateway.report(step(grant, 'downloading'));
    await gateway.report(withdrawn(grant, 'never-arrived'));
    expect(await stateOf(campaign, devices[0]!.id)).toMatchObject({ state: 'downloading' });
    expect(await query(server, 'select state from gateways where id = $1', [gateway.id])).toEqual([
      { state: 'quarantined' },
    ]);
  });

  it('that is over is told to the gateway, also when the report comes again', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 1);
    await startCampaign(server, draftOf(artifact));
    const grant = await gateway.grantOf(devices[0]!);
    expect((await gateway.report(step(grant, 'downloading'))).unapplied).toBeUndefined();
    await gateway.report(withdrawn(grant));
    const late = gateway.number([step(grant, 'downloading')]);
    const [seq] = late.map((report) => report.seq);
    expect(await gateway.send(late)).toMatchObject({ cursor: seq, unapplied: [seq] });
    expect(await gateway.send(late)).toMatchObject({ cursor: seq, unapplied: [seq] });
  });
});

describe('P2: a pause with a number', () => {
  it('counts what may still start, and falls to 0 although the gateway is cut off', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 4);
    const timeouts = { startMs: 5_000, transferMs: 1_000, activateMs: 1_000, proveMs: 1_000 };
    const campaign = await startCampaign(server, draftOf(artifact, { timeouts }));
    const grants = [];
    for (const device of devices) grants.push(await gateway.grantOf(device));
    await gateway.report(touched(grants[0]!));
    gateway.answersOrders = false;
    const answer = await act(server, campaign.id, 'pause', PauseAnswer);
    expect(answer).toMatchObject({ state: 'paused', mayStillStart: 3, running: 1, rescue: 0 });
    const latest = Math.max(...grants.map((grant) => grant.startBy));
    expect(answer.noneAfter).toBe(latest + CLOCK_MARGIN_MS);
    expect(answer.doneBy).toBeGreaterThan(answer.noneAfter);
    // The order without the grants goes out at once.
    await until(() => gateway.order!.grants.every((grant) => grant.device === devices[0]!.id));
    // A confirmation that one was not started lowers the number at once.
    await gateway.report(withdrawn(grants[1]!));
    expect((await exposureNow(campaign.id)).mayStillStart).toBe(2);
    // Nothing more is heard; the clock alone ends it.
    await query(server, `update deployments set start_by = start_by - interval '10 seconds' where campaign_id = $1`, [
      campaign.id,
    ]);
    expect(await exposureNow(campaign.id)).toMatchObject({ mayStillStart: 0, running: 1 });
    const why = await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/devices/${devices[1]!.id}/why`);
    expect(why.json(DeploymentWhy).reason.code).toBe('campaign.paused');

    gateway.answersOrders = true;
    await act(server, campaign.id, 'resume', CampaignBody);
    await gateway.grantOf(devices[1]!);
  });

  it('aborts: planned and unstarted are cancelled, what runs finishes', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 3);
    const campaign = await startCampaign(server, draftOf(artifact, { limits: { inFlight: 2 } }));
    await until(() => gateway.order?.grants.length === 2);
    const [running, waiting] = gateway.order!.grants;
    await gateway.report(touched(running!));
    const answer = await act(server, campaign.id, 'abort', PauseAnswer);
    expect(answer).toMatchObject({ state: 'aborting', mayStillStart: 1, running: 1 });
    await until(() => gateway.order!.cancellations.length === 1);
    expect(gateway.order!.cancellations[0]).toEqual({ ...refOf(waiting!), mode: 'before-start' });
    await gateway.report(withdrawn(waiting!, 'cancelled'), proven(running!, artifact));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'aborted');
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 1, cancelled: 2 });
    expect(devices).toHaveLength(3);
  });
});

describe('the engine', () => {
  it('may run twice at once and grants each device once, within the limits', async () => {
    const { gateway, artifact } = await makeScene(server, 12);
    const draft = draftOf(artifact, {
      limits: { inFlight: 5, perGateway: 32 },
      pace: { kind: 'ramp', startPerMinute: 7, maxPerMinute: 7 },
    });
    const campaign = await startCampaign(server, draft);
    const engine = server.app.get(CampaignEngine);
    await Promise.all(Array.from({ length: 6 }, () => engine.tick(campaign.id)));
    await until(async () => (await readCampaign(server, campaign.id)).counts.granted === 5);
    await until(() => gateway.order?.grants.length === 5);
    const [counted] = await query(
      server,
      'select count(*)::int as n, count(distinct device_id)::int as devices from attempts where campaign_id = $1',
      [campaign.id],
    );
    expect(counted).toEqual({ n: 5, devices: 5 });
    for (const grant of gateway.order!.grants) await gateway.report(...goodLife(grant, artifact));
    await until(async () => (await readCampaign(server, campaign.id)).counts.granted === 2);
    const states = (await readCampaign(server, campaign.id)).counts;
    expect(states).toEqual({ proven: 5, granted: 2, planned: 5 });
    const waiting = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = $1 and state = 'planned'`,
      [campaign.id],
    );
    const why = await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/devices/${waiting[0]!.device_id}/why`);
    expect(why.json(DeploymentWhy).reason).toMatchObject({ code: 'limit.rate', params: { limit: 7 } });
  });

  it('opens the second stage only through the gate, and halts when it cannot hold', async () => {
    const { gateway, artifact } = await makeScene(server, 4);
    const stages = [
      { name: 'canary', percent: 50, gate: { minKnown: 2, maxFailureShare: 0.2 } },
      { name: 'rest', percent: 50, gate: { maxFailureShare: 0.2 } },
    ];
    const campaign = await startCampaign(server, draftOf(artifact, { stages }));
    await until(() => gateway.order?.grants.length === 2);
    const [good, bad] = gateway.order!.grants;
    await gateway.report(...goodLife(good!, artifact));
    expect((await readCampaign(server, campaign.id)).stages.map((stage) => stage.state)).toEqual(['open', 'pending']);
    await gateway.report(touched(bad!), ended(bad!, 'failed', { code: 'target.wrong-image-runs' }));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'halted');
    expect((await readCampaign(server, campaign.id)).stages.map((stage) => stage.state)).toEqual(['failed', 'pending']);
    // A person answers for it: the failure no longer counts, the gate opens.
    await act(server, campaign.id, 'resume', CampaignBody);
    await until(async () => (await readCampaign(server, campaign.id)).stages[1]!.state === 'open');
    const isNew = (grant: Grant) => grant.deployment !== good!.deployment && grant.deployment !== bad!.deployment;
    await until(() => gateway.order?.grants.filter(isNew).length === 2);
    await gateway.report(...gateway.order!.grants.filter(isNew).flatMap((grant) => goodLife(grant, artifact)));
    await until(async () => (await readCampaign(server, campaign.id)).state === 'completed');
  });

  it('rescues a device without an application even while paused', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 2);
    const retry = { link: { maxAttempts: 3, backOffMs: 0 } };
    const campaign = await startCampaign(server, draftOf(artifact, { retry, limits: { inFlight: 1 } }));
    await until(() => gateway.order?.grants.length === 1);
    const grant = gateway.order!.grants[0]!;
    await gateway.report(touched(grant), step(grant, 'erased'));
    await act(server, campaign.id, 'pause', PauseAnswer);
    await gateway.report(ended(grant, 'failed', { code: 'link.lost', needsRescue: true }));
    await until(() => gateway.order!.grants.some((again) => again.mode === 'rescue'));
    const rescue = gateway.order!.grants.find((again) => again.mode === 'rescue')!;
    expect(rescue).toMatchObject({ device: grant.device, attempt: 2 });
    expect(await exposureNow(campaign.id)).toMatchObject({ mayStillStart: 0, rescue: 1 });
    await gateway.report(touched(rescue), { ...proven(rescue, artifact) });
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ proven: 1, planned: 1 });
    expect(devices).toHaveLength(2);
  });
});

const exposureNow = async (id: string) =>
  (await call(server, 'GET', `/api/v1/campaigns/${id}/exposure`)).json(PauseAnswer);
