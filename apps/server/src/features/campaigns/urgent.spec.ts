/** The urgent lane: who may open it, what it takes back, and that it goes first. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  Campaign as CampaignBody,
  CreatedApiToken,
  DeploymentWhy,
  PauseAnswer,
  Person,
  Problem,
  type Campaign,
} from '@drydock/contracts';
import { inTransaction } from '../../adapters/database/transaction.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { preemptSince } from '../dispatch/preempt.js';
import { call, freshName, query, until } from '../fleet/fleet.fixture.js';
import { recount } from '../insight/recount.js';
import {
  act,
  draftOf,
  goodLife,
  makeCampaign,
  makeScene,
  readCampaign,
  ScriptedGateway,
  startCampaign,
  touched,
  uploadArtifact,
  withdrawn,
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

let numbers = 20_000;
async function advise(model: string): Promise<{ cve: string; id: string }> {
  const cve = `CVE-2026-${++numbers}`;
  const models = [{ model, affected: '<2.0.0' }];
  const answer = await call(server, 'POST', '/api/v1/advisories', {
    body: { cve, title: 'Overflow', severity: 'critical', models },
  });
  return { cve, id: (JSON.parse(answer.text) as { id: string }).id };
}

async function approver(): Promise<string> {
  const body = { name: freshName('who'), roles: ['approver'] };
  const person = (await call(server, 'POST', '/api/v1/people', { body })).json(Person);
  const answer = await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } });
  return answer.json(CreatedApiToken).token;
}

async function beginUrgent(draft: Record<string, unknown>): Promise<Campaign> {
  const campaign = await startCampaign(server, draft);
  expect(campaign).toMatchObject({ state: 'awaiting-approval', approvals: { needed: 2 }, preempted: null });
  let answer: Campaign | undefined;
  for (const token of [await approver(), await approver()]) {
    const approved = await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/approve`, { body: {}, token });
    answer = approved.json(CampaignBody);
  }
  expect(answer!.state).toBe('running');
  return answer!;
}

const statesOf = async (id: string) =>
  query(server, 'select device_id as id, state, preempted from deployments where campaign_id = $1 order by position', [
    id,
  ]);
const whyOf = async (id: string, device: string) =>
  (await call(server, 'GET', `/api/v1/campaigns/${id}/devices/${device}/why`)).json(DeploymentWhy).reason;

describe('an urgent campaign', () => {
  it('takes back what others have not started on its gateways, says how many, and goes first', async () => {
    const { gateway, devices, artifact, model } = await makeScene(server, 5);
    const elsewhere = await makeScene(server, 1);
    await startCampaign(server, draftOf(artifact, {}, { devices: devices.slice(0, 3).map((device) => device.id) }));
    const untouched = await startCampaign(server, draftOf(elsewhere.artifact));
    const [runs, ...waits] = await Promise.all(devices.slice(0, 3).map((device) => gateway.grantOf(device)));
    await elsewhere.gateway.grantOf(elsewhere.devices[0]!);
    await gateway.report(touched(runs!));

    const patch = await uploadArtifact(server, model);
    const { cve } = await advise(model);
    const window = { rule: 'FREQ=YEARLY', from: '2024-01-01T00:00', durationMs: 60_000 };
    const stages = [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }];
    const urgent = await beginUrgent(
      draftOf(
        patch,
        { urgent: { advisory: cve }, stages, windows: [window] },
        { devices: devices.slice(3).map((d) => d.id) },
      ),
    );
    expect(urgent.preempted).toBe(2);
    const told = await query(
      server,
      `select (select params->>'preempted' from decisions where campaign_id = $1 and kind = 'campaign.started') as decision,
         (select params->>'preempted' from audit where target_id = $1::text and action = 'campaign.approved'
          order by at desc limit 1) as audit`,
      [urgent.id],
    );
    expect(told).toEqual([{ decision: '2', audit: '2' }]);
    // What runs goes on; what has not started is gone from the order, and is planned again once that is confirmed.
    await until(() =>
      gateway.order!.grants.every((grant) => !waits.some((wait) => wait.deployment === grant.deployment)),
    );
    expect(gateway.order!.grants.map((grant) => grant.deployment)).toContain(runs!.deployment);
    await gateway.report(...waits.map((grant) => withdrawn(grant)));
    const mine = await Promise.all(devices.slice(3).map((device) => gateway.grantOf(device)));
    expect(mine[0]!.startBy - Date.now()).toBeLessThanOrEqual(120_000);
    expect((await statesOf(untouched.id))[0]).toMatchObject({ state: 'granted', preempted: false });
    await gateway.report(...goodLife(mine[1]!, patch));
    await gateway.report(...goodLife(mine[0]!, patch));
    await until(async () => (await readCampaign(server, urgent.id)).state === 'completed');
    await Promise.all(
      waits.map((wait) => until(() => gateway.order!.grants.some((g) => g.device === wait.device && g.attempt === 2))),
    );
  });

  it('lets no other campaign start where its devices wait', async () => {
    const { gateway, devices, artifact, model } = await makeScene(server, 3);
    const { id } = await advise(model);
    const [first, second, third] = devices;
    const stages = [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }];
    const urgent = await beginUrgent(
      draftOf(
        artifact,
        { urgent: { advisory: id }, stages, limits: { inFlight: 1 } },
        { devices: [first!.id, second!.id] },
      ),
    );
    await until(() => gateway.order?.grants.length === 1);
    const other = await startCampaign(
      server,
      draftOf(await uploadArtifact(server, model), {}, { devices: [third!.id] }),
    );
    await until(async () => (await readCampaign(server, other.id)).stages[0]!.state === 'open');
    expect(await whyOf(other.id, third!.id)).toMatchObject({
      code: 'campaign.urgent-first',
      params: { campaign: urgent.name },
    });
    // The one that waits has a partner that is being updated: it holds up nobody, and what others are granted meanwhile stays theirs.
    const waiting = gateway.order!.grants[0]!.device === first!.id ? second! : first!;
    const [group] = await query<{ id: string }>(
      server,
      `insert into redundancy_groups (id, org_id, name, max_out) select gen_random_uuid(), org_id, $2, 1 from devices
       where id = $1 returning id`,
      [waiting.id, freshName('pair')],
    );
    const pair = 'update devices set redundancy_group_id = $1 where id = any($2)';
    await query(server, pair, [group!.id, [first!.id, second!.id]]);
    const grant = await gateway.grantOf(third!);
    const taken = () => inTransaction(server.dataSource, (tx) => preemptSince(tx, urgent.id));
    expect(await taken()).toBe(0);
    expect((await statesOf(other.id))[0]).toMatchObject({ state: 'granted', preempted: false });
    await query(server, pair, [null, [first!.id, second!.id]]);
    await taken();
    expect((await statesOf(other.id))[0]).toMatchObject({ preempted: true });
    await act(server, other.id, 'pause', PauseAnswer);
    await until(() => gateway.order!.grants.every((each) => each.deployment !== grant.deployment));
    await gateway.report(withdrawn(grant));
    await act(server, other.id, 'resume', CampaignBody, { reason: 'the urgent one waits' });
    await until(async () => (await whyOf(other.id, third!.id)).code === 'campaign.urgent-first');
    // Nor does one that a person put on hold, or one that is paused.
    await query(server, `update devices set hold_note = 'bench' where id = $1`, [waiting.id]);
    expect((await whyOf(other.id, third!.id)).code).not.toBe('campaign.urgent-first');
    await act(server, urgent.id, 'pause', PauseAnswer);
    await query(server, 'update devices set hold_note = null where id = $1', [waiting.id]);
    await until(() => gateway.order!.grants.some((each) => each.device === third!.id && each.attempt === 2));
  });

  it('takes back what others were granted since it began, where its own devices find no room', async () => {
    const { site, gateway, devices, artifact, model } = await makeScene(server, 1);
    const beside = await ScriptedGateway.start(server, site);
    const [second, third] = await beside.sees(2, model);
    const { cve } = await advise(model);
    const { id } = await beginUrgent(
      draftOf(
        artifact,
        {
          urgent: { advisory: cve },
          limits: { perGateway: 1 },
          stages: [
            { name: 'canary', filter: `device==${devices[0]!.id}`, gate: { maxFailureShare: 0 } },
            { name: 'all', gate: { maxFailureShare: 1 } },
          ],
        },
        { devices: [devices[0]!.id, second!.id] },
      ),
    );
    const grant = await gateway.grantOf(devices[0]!);
    // Nobody of the urgent campaign waits there yet: its second stage has not opened.
    const other = await startCampaign(
      server,
      draftOf(await uploadArtifact(server, model), {}, { devices: [third!.id] }),
    );
    const taken = await beside.grantOf(third!);
    expect((await readCampaign(server, id)).preempted).toBe(0);

    await gateway.report(...goodLife(grant, artifact));
    await until(async () => (await readCampaign(server, id)).preempted === 1);
    await until(() => beside.order!.grants.every((each) => each.deployment !== taken.deployment));
    expect((await statesOf(other.id))[0]).toMatchObject({ preempted: true });
    await beside.report(withdrawn(taken));
    const mine = await beside.grantOf(second!);
    const told = await query(
      server,
      `select params from decisions where campaign_id = $1 and kind = 'grants.preempted'`,
      [id],
    );
    expect(told).toEqual([{ params: { preempted: 1 } }]);
    await beside.report(...goodLife(mine, artifact));
    await until(async () => (await readCampaign(server, id)).state === 'completed');
    await until(() => beside.order!.grants.some((each) => each.device === third!.id && each.attempt === 2));
  });

  it('names an advisory that is there, open and about the model, and has a short canary of its own', async () => {
    const { artifact, model } = await makeScene(server, 0);
    const { cve, id } = await advise(model);
    const foreign = await advise(freshName('model'));
    const closed = await advise(model);
    await query(server, `update advisories set state = 'closed' where id = $1`, [closed.id]);
    for (const advisory of ['CVE-1999-0001', foreign.cve, closed.cve]) {
      const answer = await call(server, 'POST', '/api/v1/campaigns', {
        body: draftOf(artifact, { urgent: { advisory } }),
      });
      expect({ status: answer.status, path: answer.json(Problem).errors?.[0]?.path }).toEqual({
        status: 422,
        path: 'policy.urgent.advisory',
      });
    }
    const draft = draftOf(artifact);
    const made = await makeCampaign(server, { ...draft, policy: { urgent: { advisory: cve } } });
    expect(made.policy.stages.map(({ name, percent, deadlineMs }) => [name, percent, deadlineMs])).toEqual([
      ['canary', 2, 3_600_000],
      ['all', 98, 7 * 86_400_000],
    ]);
    expect(made.policy.urgent).toEqual({ advisory: cve });
    expect((await makeCampaign(server, draftOf(artifact, { urgent: { advisory: id } }))).policy.stages).toHaveLength(1);
  });
});
