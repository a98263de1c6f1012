/** Exactly one plan is approved, by people who did not make it. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { ApprovalList, Campaign, CreatedApiToken, Person, Problem } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName } from '../fleet/fleet.fixture.js';
import { draftOf, makeCampaign, makeScene } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

async function personWith(...roles: string[]): Promise<string> {
  const person = (await call(server, 'POST', '/api/v1/people', { body: { name: freshName('who'), roles } })).json(
    Person,
  );
  const answer = await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } });
  return answer.json(CreatedApiToken).token;
}

it('nobody approves a plan of their own, also not one that they only changed', async () => {
  const { artifact } = await makeScene(server, 1);
  const [maker, changer, other] = [
    await personWith('operator', 'approver'),
    await personWith('operator', 'approver'),
    await personWith('approver'),
  ];
  const draft = draftOf(artifact, { approvals: 1 });
  const made = (await call(server, 'POST', '/api/v1/campaigns', { body: draft, token: maker })).json(Campaign);
  const path = `/api/v1/campaigns/${made.id}`;
  await call(server, 'PUT', path, {
    body: { ...draft, note: 'changed' },
    token: changer,
    headers: { 'if-match': `"${made.revision}"` },
  });
  const asked = (await call(server, 'POST', `${path}/start`, { body: {} })).json(Campaign);
  expect(asked.state).toBe('awaiting-approval');
  for (const token of [maker, changer, undefined]) {
    const answer = await call(server, 'POST', `${path}/approve`, { body: {}, ...(token && { token }) });
    expect([answer.status, answer.code]).toEqual([409, 'request.conflict']);
    expect(answer.json(Problem).detail).toContain('own plan; another person must');
  }
  const seenBy = async (token: string) =>
    (await call(server, 'GET', '/api/v1/approvals', { token }))
      .json(ApprovalList)
      .items.find((item) => item.campaign.id === made.id)!.you;
  expect(await seenBy(maker)).toEqual({ may: false, because: 'It is your own plan; another person must.' });
  expect(await seenBy(other)).toEqual({ may: true, because: null });
  expect((await call(server, 'POST', `${path}/approve`, { body: {}, token: other })).status).toBe(200);
});

it('what was seen is what is approved: a plan that changed meanwhile is refused', async () => {
  const { artifact } = await makeScene(server, 1);
  const draft = draftOf(artifact, { approvals: 1 });
  const made = await makeCampaign(server, draft);
  const path = `/api/v1/campaigns/${made.id}`;
  const other = await personWith('approver');
  const start = async () => (await call(server, 'POST', `${path}/start`, { body: {} })).json(Campaign);
  const seen = (await start()).planDigest;
  const taken = (await call(server, 'POST', `${path}/withdraw`, { body: { reason: 'r' } })).json(Campaign);
  await call(server, 'PUT', path, {
    body: { ...draftOf(artifact, { approvals: 1, brake: { limit: 0.5 } }), name: draft.name },
    headers: { 'if-match': `"${taken.revision}"` },
  });
  const now = (await start()).planDigest;
  expect(now).not.toBe(seen);
  const approve = (planDigest: string) =>
    call(server, 'POST', `${path}/approve`, { body: { planDigest }, token: other });
  const late = await approve(seen);
  expect([late.status, late.code]).toEqual([409, 'request.conflict']);
  expect(late.json(Problem).detail).toContain(now.slice(0, 12));
  expect((await approve(now)).status).toBe(200);
});

it('a declined plan goes back to its makers with the reason, and what was approved is void', async () => {
  const { artifact } = await makeScene(server, 1);
  const made = await makeCampaign(server, draftOf(artifact, { approvals: 2 }));
  const path = `/api/v1/campaigns/${made.id}`;
  const [first, second] = [await personWith('approver'), await personWith('approver')];
  await call(server, 'POST', `${path}/start`, { body: {} });
  await call(server, 'POST', `${path}/approve`, { body: {}, token: first });
  expect((await call(server, 'POST', `${path}/decline`, { body: {}, token: second })).status).toBe(422);
  const operator = await personWith('operator');
  expect((await call(server, 'POST', `${path}/decline`, { body: { reason: 'r' }, token: operator })).status).toBe(403);
  const declined = await call(server, 'POST', `${path}/decline`, { body: { reason: 'too wide' }, token: second });
  expect(declined.json(Campaign)).toMatchObject({ state: 'draft', stateReason: 'too wide', counts: {} });
  const again = (await call(server, 'POST', `${path}/start`, { body: {} })).json(Campaign);
  expect(again.approvals).toEqual({ needed: 2, given: [] });
  await call(server, 'POST', `${path}/abort`, { body: { reason: 'done' } });
});
