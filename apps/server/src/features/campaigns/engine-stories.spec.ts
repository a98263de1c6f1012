/** Stories of operators, over HTTP and MQTT, on a real database: stages, approvals, brakes, quarantine, windows, reverts. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  BrakeBody,
  Campaign,
  CreatedApiToken,
  DecisionPage,
  Overview,
  Person,
  PlanVersions,
  type Artifact,
  type Grant,
} from '@drydock/contracts';
import { z } from 'zod';
import { BLOB_STORE, type BlobStore } from '../../adapters/blob-store/blob-store.port.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, until } from '../fleet/fleet.fixture.js';
import {
  act,
  draftOf,
  ended,
  goodLife,
  makeCampaign,
  makeScene,
  OLD,
  readCampaign,
  ScriptedGateway,
  startCampaign,
  step,
  touched,
  type RawReport,
} from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(180_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server?.stop();
});

const ANY = z.unknown();
type Fate = (grant: Grant, artifact: Artifact) => RawReport[];
const good: Fate = goodLife;
const failing =
  (code: string): Fate =>
  (grant) => [step(grant, 'downloading'), touched(grant), ended(grant, 'failed', { code, identity: grant.identity })];

/** The gateways do what they are granted, until the campaign has come to what is awaited. */
async function play(
  campaign: { id: string },
  artifact: Artifact,
  gateways: ReadonlyMap<ScriptedGateway, Fate>,
  isOver: (now: Campaign) => boolean,
): Promise<Campaign> {
  const done = new Set<string>();
  let now = await readCampaign(server, campaign.id);
  await until(async () => {
    for (const [gateway, fate] of gateways) {
      for (const grant of gateway.order?.grants ?? []) {
        const key = `${grant.deployment} ${grant.attempt}`;
        if (done.has(key)) continue;
        done.add(key);
        await gateway.report(...fate(grant, artifact));
      }
    }
    now = await readCampaign(server, campaign.id);
    return isOver(now);
  });
  return now;
}

const decisionsOf = async (campaign: { id: string }) =>
  (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/decisions?limit=200`)).json(DecisionPage).items;
const whysOf = async (campaign: { id: string }): Promise<Map<string, { code: string; until?: number }>> => {
  const body = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/why?limit=200`)).json(ANY) as {
    items: { deviceId: string; reason: { code: string; until?: number } }[];
  };
  return new Map(body.items.map((item) => [item.deviceId, item.reason]));
};

async function personWith(role: string): Promise<string> {
  const person = (
    await call(server, 'POST', '/api/v1/people', { body: { name: freshName('person'), roles: [role] } })
  ).json(Person);
  return (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 't' } })).json(
    CreatedApiToken,
  ).token;
}

describe('a canary that cannot be proven', () => {
  it('holds its stage and says why to everybody behind it, until a person takes unproven for known', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 3);
    const stages = [
      { name: 'canary', count: 1 },
      { name: 'all', gate: { maxFailureShare: 1 } },
    ];
    const campaign = await startCampaign(server, draftOf(artifact, { stages }));
    let canary: string | undefined;
    const mute: Fate = (grant) => {
      canary = grant.deployment;
      return [touched(grant), ended(grant, 'unproven', { reason: 'proof.no-identity', identity: grant.identity })];
    };
    const held = await play(campaign, artifact, new Map([[gateway, mute]]), (now) => now.stages[0]!.state === 'held');
    expect(held.stages[0]!.note).toMatch(
      /^too few results are known: 0 of 1; 1 ended unproven, .* resume with acceptUnproven/,
    );
    const whys = [...(await whysOf(campaign)).values()].filter(({ code }) => code !== 'end.unproven');
    expect(whys).toHaveLength(devices.length - 1);
    for (const why of whys) {
      expect(why).toMatchObject({
        code: 'stage.behind-held',
        params: { stage: 'all', openStage: 'canary', note: held.stages[0]!.note },
      });
    }

    // Without the word it is held again; with it the gate counts what it has.
    await act(server, campaign.id, 'resume', Campaign);
    await until(async () => (await readCampaign(server, campaign.id)).stages[0]!.state === 'held');
    await act(server, campaign.id, 'resume', Campaign, { reason: 'looked at it on the bench', acceptUnproven: true });
    const others: Fate = (grant, of) => (grant.deployment === canary ? [step(grant, 'proving')] : good(grant, of));
    const after = await play(campaign, artifact, new Map([[gateway, others]]), (now) => now.state === 'completed');
    expect(after.policy.acceptUnproven).toBe(true);
    expect(after.counts).toMatchObject({ unproven: 1, proven: 2 });
    const resumed = (await decisionsOf(campaign)).filter(({ kind }) => kind === 'campaign.resumed');
    expect(resumed.map(({ params }) => params['acceptUnproven'])).toEqual([undefined, true]);
  });
});

describe('a bad release', () => {
  it('costs a handful of devices: the brake halts with its numbers, and going on is a person’s word', async () => {
    const { site, model, gateway, artifact } = await makeScene(server, 0);
    const second = await ScriptedGateway.start(server, site);
    await gateway.sees(25, model);
    await second.sees(25, model);
    const campaign = await startCampaign(server, draftOf(artifact, { limits: { perGateway: 8 } }));
    const bricks = failing('target.wrong-image-runs');
    const both = new Map([
      [gateway, bricks],
      [second, bricks],
    ]);
    const halted = await play(campaign, artifact, both, (now) => now.state === 'halted');
    // Ten at once at first, and nothing proven earns more: three failures ring.
    expect(halted.counts.failed).toBeLessThanOrEqual(12);
    expect(halted.counts.planned).toBeGreaterThanOrEqual(34);
    const told = (await decisionsOf(campaign)).find((decision) => decision.kind === 'campaign.halted');
    expect(told?.params).toMatchObject({ reason: expect.stringMatching(/of the first \d+ started failed/) });
    const evidence = (told?.params['evidence'] as { evidence: { failures: number; limit: number } }).evidence;
    expect(evidence).toMatchObject({ limit: 0.02 });
    expect(evidence.failures).toBeGreaterThanOrEqual(3);

    const brake = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/brake`)).json(BrakeBody);
    const own = brake.tests.find((test) => test.test === 'campaign')!;
    expect(own).toMatchObject({ rings: true, limit: 0.02 });
    // Of the methods' table for 60 % of an error level of 1 %: three among the first seven or so ring.
    expect(own.staircase[0]!.failures).toBe(3);
    expect(brake.epoch).toBe(1);

    const resumed = await act(server, campaign.id, 'resume', Campaign);
    expect(resumed.state).toBe('running');
    const again = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/brake`)).json(BrakeBody);
    expect(again.epoch).toBe(2);
    expect(again.tests.find((test) => test.test === 'campaign')).toMatchObject({ rings: false });
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'enough seen' } });
  });
});

/** What the first page says of a campaign. */
const attentionTo = async ({ id }: { id: string }) =>
  (await call(server, 'GET', '/api/v1/overview'))
    .json(Overview)
    .attention.filter(({ subject }) => subject.id === id)
    .map(({ kind, sentence }) => ({ kind, sentence }));

describe('a campaign that nothing moves any more', () => {
  it('halts with its evidence where that keeps the next stage shut, and everybody is told; a person goes on', async () => {
    const { gateway, devices, artifact } = await makeScene(server, 3);
    const stages = [{ name: 'canary', count: 1, gate: { maxFailureShare: 1 } }, { name: 'rest' }];
    const campaign = await startCampaign(server, draftOf(artifact, { stages }));
    let granted = 0;
    const firstOne: Fate = (grant, of) =>
      granted++ === 0 ? failing('target.wrong-image-runs')(grant, of) : good(grant, of);
    const halted = await play(campaign, artifact, new Map([[gateway, firstOne]]), (now) => now.state === 'halted');
    // Its gate held; what keeps the rest from opening is the evidence, which only further devices could lower.
    expect(halted.stages.map(({ state }) => state)).toEqual(['passed', 'pending']);
    const rule =
      'the evidence is rising (1 of 1 started failed; the limit is 2 %), and nothing is left to start that could ' +
      'lower it: stage rest stays shut until a person resumes or aborts';
    expect(halted).toMatchObject({ stateReason: rule, counts: { failed: 1, planned: 2 } });
    const waiting = [...(await whysOf(campaign)).values()].filter(({ code }) => code !== 'end.failed');
    expect(waiting).toEqual([
      expect.objectContaining({ code: 'campaign.halted', params: { rule } }),
      expect.objectContaining({ code: 'campaign.halted' }),
    ]);
    expect(await attentionTo(campaign)).toEqual([
      { kind: 'campaign.halted', sentence: `${campaign.name} halted: ${rule}` },
    ]);
    await act(server, campaign.id, 'resume', Campaign, { reason: 'the device was dropped' });
    const over = await play(campaign, artifact, new Map([[gateway, good]]), (now) => now.state === 'completed');
    expect(over.counts).toEqual({ proven: devices.length - 1, failed: 1 });
  });

  it('pauses at its number of unproven results; who resumes lets as many again stand', async () => {
    const { gateway, artifact } = await makeScene(server, 3);
    const policy = { stages: [{ name: 'all' }], acceptUnproven: true, limits: { unproven: 1 } };
    const campaign = await startCampaign(server, draftOf(artifact, policy));
    const mute: Fate = (grant) => [
      touched(grant),
      ended(grant, 'unproven', { reason: 'proof.no-identity', identity: grant.identity }),
    ];
    const fates = new Map([[gateway, mute]]);
    const paused = await play(campaign, artifact, fates, (now) => now.state === 'paused');
    const reason =
      '1 results stand unproven, the limit is 1: look at those devices; resume to let 1 more stand, or abort';
    expect(paused).toMatchObject({ stateBy: 'engine', stateReason: reason, counts: { unproven: 1, planned: 2 } });
    expect(await attentionTo(campaign)).toEqual([
      { kind: 'campaign.paused', sentence: `${campaign.name} paused by itself: ${reason}` },
    ]);
    expect((await act(server, campaign.id, 'resume', Campaign)).policy.limits.unproven).toBe(2);
    const again = await play(campaign, artifact, fates, (now) => now.state === 'paused');
    expect(again.counts).toEqual({ unproven: 2, planned: 1 });
    const plans = (await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/plans`)).json(PlanVersions);
    expect(plans.items[0]!.lines).toEqual([{ path: 'policy.limits.unproven', from: 1, to: 2, looser: true }]);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });

  it('stands still while its file is missing, and says so until it is put back', async () => {
    const { devices, artifact } = await makeScene(server, 1);
    const campaign = await makeCampaign(server, draftOf(artifact));
    const store = server.app.get<BlobStore>(BLOB_STORE, { strict: false });
    await store.remove(artifact.sha256);
    await act(server, campaign.id, 'start', Campaign);
    const sentence = 'The bytes of the artifact are missing in the store. Put the file back into the store, or abort.';
    await until(async () => (await readCampaign(server, campaign.id)).standing !== null);
    expect((await readCampaign(server, campaign.id)).standing).toMatchObject({
      code: 'artifact.blob-missing',
      sentence,
    });
    expect(await attentionTo(campaign)).toEqual([
      { kind: 'campaign.standing', sentence: `${campaign.name} stands still: ${sentence}` },
    ]);
    expect((await whysOf(campaign)).get(devices[0]!.id)?.code).toBe('artifact.blob-missing');
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
    expect((await readCampaign(server, campaign.id)).standing).toBeNull();
    expect(await attentionTo(campaign)).toEqual([]);
  });
});

describe('stages', () => {
  it('by filter, by number, and the rest; a gate that wants a person waits for one', async () => {
    const { gateway, model, artifact } = await makeScene(server, 0);
    await gateway.sees(4, model);
    await gateway.sees(2, model, { ...OLD, version: '1.1.0' });
    const stages = [
      { name: 'lab', filter: 'version==1.1.0', gate: { approval: true, maxFailureShare: 0 } },
      { name: 'few', count: 1, gate: { maxFailureShare: 0 } },
      { name: 'rest' },
    ];
    const draft = draftOf(artifact, { stages });
    const preview = (await call(server, 'POST', '/api/v1/campaigns/preview', { body: draft })).json(ANY) as {
      members: number;
      stages: { size: number }[];
    };
    expect([preview.members, preview.stages.map((one) => one.size)]).toEqual([6, [2, 1, 3]]);
    const campaign = await startCampaign(server, draft);
    const held = await play(campaign, artifact, new Map([[gateway, good]]), (now) => now.stages[0]?.state === 'held');
    expect(held.stages[0]).toMatchObject({ note: 'waits for approval', approvedBy: null });
    expect(held.counts).toEqual({ proven: 2, planned: 4 });
    expect([...(await whysOf(campaign)).values()].map((why) => why.code)).toEqual(Array(4).fill('stage.approval'));
    // Going on is not what it waits for.
    expect(
      (await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/resume`, { body: { reason: 'x' } })).status,
    ).toBe(409);
    const operator = await personWith('operator');
    const path = `/api/v1/campaigns/${campaign.id}/stages/0/approve`;
    expect((await call(server, 'POST', path, { body: {}, token: operator })).status).toBe(403);
    expect((await call(server, 'POST', path, { body: {}, token: await personWith('approver') })).status).toBe(200);
    const over = await play(campaign, artifact, new Map([[gateway, good]]), (now) => now.state === 'completed');
    expect(over.counts).toEqual({ proven: 6 });
    expect(over.stages.map((one) => one.state)).toEqual(['passed', 'passed', 'passed']);
  });
});

describe('two people', () => {
  it('approve before it starts at its time; a draft taken back needs them anew', async () => {
    const { artifact } = await makeScene(server, 2);
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const draft = draftOf(artifact, { approvals: 2, startAt });
    const campaign = await makeCampaign(server, draft);
    const on = (action: string, token?: string) =>
      call(server, 'POST', `/api/v1/campaigns/${campaign.id}/${action}`, {
        body: { reason: 'r' },
        ...(token !== undefined && { token }),
      });
    expect((await on('start')).json(Campaign)).toMatchObject({ state: 'awaiting-approval', counts: { planned: 2 } });
    const [first, second] = [await personWith('approver'), await personWith('approver')];
    expect((await on('approve', first)).json(Campaign)).toMatchObject({ state: 'awaiting-approval' });
    expect((await on('approve', first)).status).toBe(409);
    expect([...(await whysOf(campaign)).values()][0]).toMatchObject({ code: 'campaign.awaiting-approval' });
    expect((await on('withdraw')).json(Campaign)).toMatchObject({ state: 'draft', counts: {} });
    expect((await on('start')).json(Campaign).approvals).toEqual({ needed: 2, given: [] });
    await on('approve', first);
    const scheduled = (await on('approve', second)).json(Campaign);
    expect(scheduled).toMatchObject({ state: 'scheduled', startAt, startedAt: null });
    expect(scheduled.approvals.given).toHaveLength(2);
    expect([...(await whysOf(campaign)).values()][0]).toEqual(
      expect.objectContaining({ code: 'campaign.scheduled', until: Date.parse(startAt) }),
    );
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});

describe('a sick gateway', () => {
  it('is quarantined in the campaign, which goes on elsewhere; a person lets it come back', async () => {
    const { site, model, gateway, artifact } = await makeScene(server, 0);
    const [sick, third] = [await ScriptedGateway.start(server, site), await ScriptedGateway.start(server, site)];
    await gateway.sees(12, model);
    await third.sees(12, model);
    const ill = await sick.sees(16, model);
    const retry = { gateway: { maxAttempts: 3, backOffMs: 86_400_000 }, backOffMaxMs: 86_400_000 };
    const campaign = await startCampaign(server, draftOf(artifact, { retry, limits: { perGateway: 4 } }));
    const fates = new Map<ScriptedGateway, Fate>([
      [gateway, good],
      [third, good],
      [
        sick,
        (grant) => [step(grant, 'downloading'), ended(grant, 'failed', { code: 'gateway.disk-full', touched: false })],
      ],
    ]);
    const found = await play(
      campaign,
      artifact,
      fates,
      (now) => now.quarantines.length > 0 && now.counts.proven === 24,
    );
    expect(found.state).toBe('running');
    expect(found.quarantines).toEqual([
      expect.objectContaining({ kind: 'gateway', ref: { id: sick.id, name: expect.any(String) } }),
    ]);
    const whys = await whysOf(campaign);
    const waiting = ill.map((device) => whys.get(device.id)?.code);
    // A grant that is out stays out until the gateway has said that it did not start it.
    expect(new Set(waiting.filter((code) => code !== 'state.granted'))).toEqual(new Set(['gateway.quarantined']));
    const lift = `quarantines/${found.quarantines[0]!.id}/lift`;
    const lifted = await act(server, campaign.id, lift, Campaign);
    expect(lifted.quarantines).toEqual([]);
    fates.set(sick, good);
    // Those that had not been tried there are granted now.
    await play(campaign, artifact, fates, (now) => (now.counts.proven ?? 0) > 24);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});

describe('a maintenance window', () => {
  it('that is closed keeps everything waiting, and says until when', async () => {
    const { artifact, devices } = await makeScene(server, 1);
    const from = new Date(Date.now() + 6 * 3_600_000)
      .toISOString()
      .slice(0, 16)
      .replace(/^\d{4}-\d{2}-\d{2}/, '2024-01-01');
    const windows = [{ rule: 'FREQ=DAILY', from, durationMs: 3 * 3_600_000 }];
    const campaign = await startCampaign(server, draftOf(artifact, { windows }));
    await until(async () => (await whysOf(campaign)).get(devices[0]!.id)?.code === 'window.closed');
    const opens = (await whysOf(campaign)).get(devices[0]!.id)!.until!;
    expect(new Date(opens).toISOString().slice(11, 16)).toBe(from.slice(11, 16));
    expect((await readCampaign(server, campaign.id)).counts).toEqual({ planned: 1 });
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});

describe('devices that fall back', () => {
  it('re-arm the gate of a stage that has passed', async () => {
    const { gateway, model, artifact } = await makeScene(server, 0);
    const devices = await gateway.sees(6, model);
    const stages = [
      { name: 'canary', count: 2, gate: { maxFailureShare: 0.4 } },
      { name: 'rest', gate: { maxFailureShare: 0.4 } },
    ];
    const campaign = await startCampaign(server, draftOf(artifact, { stages }));
    let granted = 0;
    // The last one goes on downloading, so that the campaign is not over.
    const fate: Fate = (grant, of) => (++granted < 6 ? good(grant, of) : [step(grant, 'downloading')]);
    await play(campaign, artifact, new Map([[gateway, fate]]), (now) => now.counts.proven === 5);
    expect((await readCampaign(server, campaign.id)).stages[0]?.state).toBe('passed');
    await gateway.gateway.inventory(devices.map((device) => gateway.sighting(device.serial, model, OLD)));
    const halted = await play(campaign, artifact, new Map([[gateway, fate]]), (now) => now.state === 'halted');
    expect(halted.counts).toMatchObject({ reverted: 5 });
    // The brake rings first; whoever goes on all the same meets the gate of the stage that had passed.
    expect(halted.stateReason).toMatch(/of the first \d+ started failed/);
    await act(server, campaign.id, 'resume', Campaign);
    const again = await play(campaign, artifact, new Map([[gateway, fate]]), (now) => now.state === 'halted');
    expect(again.stages[0]).toMatchObject({ state: 'failed' });
    expect(again.stateReason).toMatch(/stage canary: failure share 100\.0 % is over 40\.0 %/);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});
