/** Exactly one plan is approved, by people who did not make it. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import {
  ApprovalList,
  AuditPage,
  Campaign,
  CreatedApiToken,
  CSRF_HEADER,
  OwnSession,
  Person,
  PlanChanges,
  PlanVersions,
  Problem,
  StoredPlan,
} from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { TestBrowser } from '../access/sessions/browser.fixture.js';
import { call, freshName, query } from '../fleet/fleet.fixture.js';
import { draftOf, makeCampaign, makeScene, readCampaign } from '../reports/scripted-gateway.fixture.js';
import { ApprovalExpiry } from './approval-expiry.js';

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

const versionsOf = async (id: string) =>
  (await call(server, 'GET', `/api/v1/campaigns/${id}/plans`)).json(PlanVersions).items;

it('keeps a version of the plan for each time it was used, and says what changed since', async () => {
  const { artifact } = await makeScene(server, 1);
  const draft = draftOf(artifact, { approvals: 1, brake: { limit: 0.02 } });
  const made = await makeCampaign(server, draft);
  const path = `/api/v1/campaigns/${made.id}`;
  const put = async (policy: Record<string, unknown>) =>
    call(server, 'PUT', path, {
      body: { ...draft, policy: { ...(draft['policy'] as object), ...policy } },
      headers: { 'if-match': '*' },
    });
  // What one person types before it is used is one version.
  expect((await put({ brake: { limit: 0.03 } })).status).toBe(200);
  expect((await versionsOf(made.id)).map(({ version, usedAt }) => [version, usedAt])).toEqual([[1, null]]);
  await call(server, 'POST', `${path}/start`, { body: {} });
  await call(server, 'POST', `${path}/withdraw`, { body: { reason: 'too careful' } });
  await put({ brake: { limit: 0.05 }, approvals: 2 });
  const [now, before] = await versionsOf(made.id);
  expect(now).toMatchObject({ version: 2, current: true, fieldsSince: 0, usedAt: null });
  expect(now!.lines.map(({ path: field, from, to, looser }) => [field, from, to, looser])).toEqual([
    ['policy.brake.limit', 0.03, 0.05, true],
    ['policy.approvals', 1, 2, false],
  ]);
  expect(before).toMatchObject({ version: 1, current: false, fieldsSince: 2, lines: [] });
  expect(before!.usedAt).not.toBeNull();
  const changes = (await call(server, 'GET', `${path}/plans/1/changes`)).json(PlanChanges);
  expect([changes.from, changes.to, changes.lines.length]).toEqual([1, 2, 2]);
  const first = (await call(server, 'GET', `${path}/plans/1`)).json(StoredPlan);
  expect([first.policy.brake.limit, first.artifact.id]).toEqual([0.03, artifact.id]);
  expect(now!.planDigest).toBe((await readCampaign(server, made.id)).planDigest);
  expect((await call(server, 'GET', `${path}/plans/9`)).status).toBe(404);
});

it('changes the pace of a running campaign, within what was approved, and not over somebody else', async () => {
  const { artifact } = await makeScene(server, 1);
  const pace = { kind: 'ramp', startPerMinute: 10, doublingMinutes: 30, maxPerMinute: 60 };
  const made = await makeCampaign(server, draftOf(artifact, { approvals: 1, pace }));
  const path = `/api/v1/campaigns/${made.id}`;
  const change = (revision: number | string, to: Record<string, unknown>) =>
    call(server, 'PUT', `${path}/pace`, {
      body: { pace: { ...pace, ...to }, limits: made.policy.limits, reason: 'odd reports' },
      headers: { 'if-match': revision === '*' ? '*' : `"${revision}"` },
    });
  expect((await change('*', { maxPerMinute: 40 })).code).toBe('campaign.state');
  await call(server, 'POST', `${path}/start`, { body: {} });
  expect((await change('*', { maxPerMinute: 40 })).code).toBe('campaign.state');
  await call(server, 'POST', `${path}/approve`, { body: {}, token: await personWith('approver') });
  const seen = await readCampaign(server, made.id);
  expect(seen.state).toBe('running');
  const slower = (await change(seen.revision, { maxPerMinute: 40 })).json(Campaign);
  expect(slower.policy.pace).toEqual({ ...pace, maxPerMinute: 40 });
  const stale = await change(seen.revision, { maxPerMinute: 50 });
  expect([stale.status, stale.code]).toEqual([412, 'request.stale']);
  const [now] = await versionsOf(made.id);
  expect(now).toMatchObject({
    version: 2,
    lines: [{ path: 'policy.pace.maxPerMinute', from: 60, to: 40, looser: false }],
  });
  expect(now!.usedAt).not.toBeNull();
  // Back to what was approved, and no further.
  expect((await change(slower.revision, { maxPerMinute: 60 })).status).toBe(200);
  const looser = await change('*', { maxPerMinute: 61 });
  expect([looser.status, looser.code]).toEqual([409, 'request.conflict']);
  expect(looser.json(Problem).errors).toEqual([{ path: 'pace.maxPerMinute', message: 'Approved: 60. Asked for: 61.' }]);
  expect((await change('*', { startPerMinute: 50, maxPerMinute: 40 })).code).toBe('campaign.policy');
  const audit = (await call(server, 'GET', `/api/v1/audit?targetId=${made.id}&action=campaign.pace-changed`)).json(
    AuditPage,
  );
  expect(audit.items.map(({ params }) => params['reason'])).toEqual(['odd reports', 'odd reports']);
  await call(server, 'POST', `${path}/abort`, { body: { reason: 'done' } });
});

it('slows down what a resume let go beyond the plan, and loosens it no further', async () => {
  const { artifact } = await makeScene(server, 1);
  const limits = { unproven: 2 };
  const startAt = new Date(Date.now() + 86_400_000).toISOString();
  const made = await makeCampaign(server, draftOf(artifact, { approvals: 1, acceptUnproven: true, limits, startAt }));
  const path = `/api/v1/campaigns/${made.id}`;
  await call(server, 'POST', `${path}/start`, { body: {} });
  expect(
    (await call(server, 'POST', `${path}/approve`, { body: {}, token: await personWith('approver') })).status,
  ).toBe(200);
  // As a resume leaves it.
  await query(server, `update campaigns set policy = jsonb_set(policy, '{limits,unproven}', '4') where id = $1`, [
    made.id,
  ]);
  const change = (more: object) =>
    call(server, 'PUT', `${path}/pace`, {
      body: { pace: made.policy.pace, limits: { ...made.policy.limits, unproven: 4, ...more }, reason: 'odd' },
      headers: { 'if-match': '*' },
    });
  expect((await change({ unproven: 5 })).code).toBe('request.conflict');
  for (const slower of [{ inFlight: 5 }, { inFlight: 5, unproven: 3 }]) expect((await change(slower)).status).toBe(200);
  expect((await change({ inFlight: 5 })).code).toBe('request.conflict');
  await call(server, 'POST', `${path}/abort`, { body: { reason: 'done' } });
});

it('an approval in a browser wants a sign-in of the last minutes; a token is its own proof', async () => {
  const { artifact } = await makeScene(server, 1);
  const made = await makeCampaign(server, draftOf(artifact, { approvals: 2 }));
  const path = `/api/v1/campaigns/${made.id}`;
  await call(server, 'POST', `${path}/start`, { body: {} });
  const [token, other] = [await personWith('approver'), await personWith('approver')];
  const browser = new TestBrowser(server.baseUrl);
  const session = OwnSession.parse(
    (await browser.ask('POST', '/api/v1/session', { body: { with: 'token', token } })).body,
  );
  expect(session.confirmedAt).not.toBeNull();
  await query(server, `update sessions set confirmed_at = now() - interval '11 minutes' where id = $1`, [session.id]);
  const headers = { [CSRF_HEADER]: session.csrfToken };
  const approve = () => browser.ask('POST', `${path}/approve`, { body: {}, headers });
  const late = await approve();
  expect([late.status, late.body['code']]).toEqual([403, 'sign-in.again']);
  const confirm = (given: string) =>
    browser.ask('POST', '/api/v1/session/confirm', { body: { with: 'token', token: given }, headers });
  // Somebody else's proof is none.
  expect((await confirm(other)).body['code']).toBe('sign-in.refused');
  expect((await approve()).body['code']).toBe('sign-in.again');
  expect((await confirm(token)).status).toBe(200);
  expect((await approve()).status).toBe(200);
  expect((await call(server, 'POST', `${path}/approve`, { body: {}, token: other })).json(Campaign).state).toBe(
    'running',
  );
  await call(server, 'POST', `${path}/abort`, { body: { reason: 'done' } });
});

it('a browser that was left open makes itself no proof of its person, and opens no gate', async () => {
  const body = { name: freshName('who'), email: `${freshName('who')}@example.com`, roles: ['admin'] };
  const person = (await call(server, 'POST', '/api/v1/people', { body })).json(Person);
  const token = (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } })).json(
    CreatedApiToken,
  ).token;
  const browser = new TestBrowser(server.baseUrl);
  const session = OwnSession.parse(
    (await browser.ask('POST', '/api/v1/session', { body: { with: 'token', token } })).body,
  );
  const headers = { [CSRF_HEADER]: session.csrfToken };
  const proofs = async (): Promise<unknown[]> => {
    const made: unknown[] = [];
    for (const [method, path, given] of [
      ['POST', `people/${person.id}/tokens`, { name: 'y' }],
      ['POST', `people/${person.id}/password-link`, undefined],
      ['PUT', 'me/password', { password: 'a password of its own' }],
      // Nor does it open a gate; there is no such campaign.
      ['POST', `campaigns/${person.id}/stages/0/approve`, {}],
    ] as const) {
      const answer = await browser.ask(method, `/api/v1/${path}`, { headers, ...(given && { body: given }) });
      made.push(answer.body['code'] ?? answer.status);
    }
    return made;
  };
  await query(server, `update sessions set confirmed_at = now() - interval '11 minutes' where id = $1`, [session.id]);
  expect(await proofs()).toEqual(Array(4).fill('sign-in.again'));
  await browser.ask('POST', '/api/v1/session/confirm', { body: { with: 'token', token }, headers });
  expect(await proofs()).toEqual([201, 201, 204, 'request.not-found']);
});

it('a plan that nobody approves within 72 hours is a draft again, by a rule that the audit names', async () => {
  const { artifact } = await makeScene(server, 1);
  const made = await makeCampaign(server, draftOf(artifact, { approvals: 1 }));
  const path = `/api/v1/campaigns/${made.id}`;
  const expiry = server.app.get(ApprovalExpiry, { strict: false });
  const asked = async (hours: number) => {
    await query(
      server,
      `update campaign_plans set used_at = now() - make_interval(hours => $2) where campaign_id = $1`,
      [made.id, hours],
    );
    await expiry.endOverdue();
    return readCampaign(server, made.id);
  };
  await call(server, 'POST', `${path}/start`, { body: {} });
  expect((await asked(71)).state).toBe('awaiting-approval');
  const item = (await call(server, 'GET', '/api/v1/approvals'))
    .json(ApprovalList)
    .items.find((one) => one.campaign.id === made.id)!;
  expect(Date.parse(item.endsAt!) - Date.parse(item.askedAt)).toBe(72 * 3_600_000);
  expect(await asked(73)).toMatchObject({
    state: 'draft',
    stateBy: 'rule approval.expired',
    stateReason: 'not approved within 72 hours',
    counts: {},
  });
  const audit = (await call(server, 'GET', `/api/v1/audit?targetId=${made.id}&action=campaign.approval-expired`)).json(
    AuditPage,
  );
  expect(audit.items).toMatchObject([{ actor: { kind: 'rule', name: 'approval.expired' }, params: { hours: 72 } }]);
  // Put up again, its time begins anew.
  expect((await call(server, 'POST', `${path}/start`, { body: {} })).status).toBe(200);
  await expiry.endOverdue();
  expect((await readCampaign(server, made.id)).state).toBe('awaiting-approval');
  await call(server, 'POST', `${path}/abort`, { body: { reason: 'done' } });
});

it('refuses a name that a page of the dashboard has', async () => {
  const { artifact } = await makeScene(server, 1);
  const answer = await call(server, 'POST', '/api/v1/campaigns', { body: { ...draftOf(artifact), name: 'new' } });
  expect([answer.status, answer.code]).toEqual([422, 'campaign.policy']);
  expect(answer.json(Problem).errors).toEqual([
    { path: 'name', message: 'The name new is taken by a page of the dashboard. Choose another name.' },
  ]);
});
