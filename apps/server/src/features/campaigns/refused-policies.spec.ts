/** What cannot work is refused when it is saved, with the place and the mend; and nobody overwrites somebody else. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Campaign, CampaignPreview, CreatedApiToken, Person, Problem, type Artifact } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite } from '../fleet/fleet.fixture.js';
import { draftOf, makeCampaign, makeScene, uploadArtifact } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
let artifact: Artifact;
beforeAll(async () => {
  server = await startTestServer();
  await makeSite(server);
  artifact = await uploadArtifact(server, freshName('model'));
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

const DAY_MS = 86_400_000;
const ALL = { name: 'all' };
/** So many days from now, as a window's first day. */
const day = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
const once = (date: string) => ({ rule: 'FREQ=DAILY;COUNT=1', from: `${date}T02:00`, durationMs: 3_600_000 });
const stages = (canary: Record<string, unknown>) => ({ stages: [{ name: 'canary', ...canary }, ALL] });

type Case = readonly [what: string, policy: object, selector: object, path: string, mend: RegExp];
const CASES: readonly Case[] = [
  [
    'percents past 100',
    {
      stages: [
        { name: 'a', percent: 60 },
        { name: 'b', percent: 60 },
      ],
    },
    {},
    'policy.stages',
    /Set the last stage to 40/,
  ],
  [
    'shares and a number past 100',
    { stages: [{ name: 'a', percent: 60 }, { name: 'b', percent: 60 }, ALL] },
    {},
    'policy.stages',
    /Lower them to 100/,
  ],
  [
    'a stage of nobody in particular',
    { stages: [{ name: 'a' }, { name: 'b', percent: 50 }] },
    {},
    'policy.stages[0]',
    /Give percent, count or filter/,
  ],
  [
    'two stages of one name',
    {
      stages: [
        { name: 'a', percent: 50 },
        { name: 'a', percent: 50 },
      ],
    },
    {},
    'policy.stages[1].name',
    /a name of its own/,
  ],
  [
    'a list without windows to choose from',
    { windows: [{ rule: 'FREQ=HOURLY', from: '2026-01-01T02:00', durationMs: 3_600_000 }] },
    {},
    'policy.windows[0].rule',
    /Use DAILY/,
  ],
  ['a window that is over', { windows: [once('2020-01-01')] }, {}, 'policy.windows[0].rule', /never opens after/],
  [
    'a window on a day that no year has',
    { windows: [{ rule: 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', from: '2026-01-01T02:00', durationMs: 3_600_000 }] },
    {},
    'policy.windows[0].rule',
    /never opens/,
  ],
  [
    'windows behind the deadline',
    { windows: [once(day(20)), once(day(25))], deadlineMs: 10 * DAY_MS },
    {},
    'policy.windows',
    /Lengthen deadlineMs or move the windows/,
  ],
  [
    'a gate that wants more than its stage has',
    stages({ count: 3, gate: { minKnown: 4 } }),
    {},
    'policy.stages[0].gate.minKnown',
    /Lower minKnown to 3 or raise count/,
  ],
  [
    'a gate that wants more versions than devices',
    stages({ count: 1, gate: { strata: ['1.0', '2.0'] } }),
    {},
    'policy.stages[0].gate.strata',
    /Raise count or name fewer/,
  ],
  [
    'a soak longer than its stage',
    stages({ percent: 5, gate: { soakMs: 2 * DAY_MS }, deadlineMs: DAY_MS }),
    {},
    'policy.stages[0].gate.soakMs',
    /Shorten the soak or lengthen deadlineMs/,
  ],
  [
    'soaks longer than the campaign',
    { ...stages({ percent: 5, gate: { soakMs: 3 * DAY_MS }, deadlineMs: 5 * DAY_MS }), deadlineMs: 2 * DAY_MS },
    {},
    'policy.deadlineMs',
    /Lengthen deadlineMs or shorten the soaks/,
  ],
  [
    'a transfer longer than the campaign',
    { deadlineMs: 3_600_000, timeouts: { transferMs: 3_600_000 } },
    {},
    'policy.timeouts.transferMs',
    /Shorten transferMs or lengthen deadlineMs/,
  ],
  [
    'a pace that may not begin',
    { pace: { kind: 'ramp', startPerMinute: 50, maxPerMinute: 10 } },
    {},
    'policy.pace.maxPerMinute',
    /Raise maxPerMinute or lower startPerMinute/,
  ],
  [
    'a threshold below the limit',
    { brake: { limit: 0.05, thresholds: [{ minTried: 10, maxFailureShare: 0.01 }] } },
    {},
    'policy.brake.thresholds[0].maxFailureShare',
    /Raise it or lower the limit/,
  ],
  [
    'a limit on what is not accepted',
    { limits: { unproven: 5 } },
    {},
    'policy.limits.unproven',
    /Set acceptUnproven to true, or leave/,
  ],
  [
    'an abort back to nowhere',
    { onAbort: { restore: '00000000-0000-4000-8000-000000000000' } },
    {},
    'policy.onAbort.restore',
    /no such artifact/,
  ],
  [
    'an advisory that nobody wrote',
    { urgent: { advisory: 'CVE-1999-0001' } },
    {},
    'policy.urgent.advisory',
    /Write it first/,
  ],
  ['no room for anybody', { limits: { inFlight: 0 } }, {}, 'body.policy.limits.inFlight', /1/],
  ['a filter that does not parse', {}, { filter: 'version==' }, 'selector.filter', /./],
  ['a filter on a field that nobody knows', {}, { filter: 'verson==1.0.0' }, 'selector.filter', /verson/],
  ['a stage by a filter that does not parse', stages({ filter: 'site=in=(a' }), {}, 'policy.stages[0].filter', /./],
  ['a field of the selector that is none', {}, { colour: 'red' }, 'body.selector', /colour/],
  ['a site that is not there', {}, { sites: ['nowhere'] }, 'selector.sites[0]', /nowhere/],
  ['another model than the artifact’s', {}, { models: ['other'] }, 'selector.models', /leave them out/],
];

describe('a policy that cannot work', () => {
  it.each(CASES)('%s is refused with the place and the mend', async (_, policy, selector, path, mend) => {
    const draft = draftOf(artifact, policy as Record<string, unknown>, selector as Record<string, unknown>);
    const answer = await call(server, 'POST', '/api/v1/campaigns', { body: draft });
    expect([400, 422]).toContain(answer.status);
    const errors = answer.json(Problem).errors ?? [];
    expect(errors.map((error) => error.path)).toContain(path);
    expect(errors.find((error) => error.path === path)!.message).toMatch(mend);
    expect(answer.json(Problem).detail).toMatch(/[^.]\.$/);
  });

  it('a redundancy group that lets nobody out is none; a word that was nearly right is named', async () => {
    const group = { name: freshName('pair'), maxOut: 0 };
    const refused = await call(server, 'POST', '/api/v1/redundancy-groups', { body: group });
    expect(refused.json(Problem).errors!.map((error) => error.path)).toEqual(['body.maxOut']);
    const typo = await call(server, 'POST', '/api/v1/campaigns', {
      body: draftOf(artifact, {}, { filter: 'verson==1.0.0' }),
    });
    expect(typo.json(Problem).errors![0]).toMatchObject({ at: 0, length: 6, nearest: 'version' });
  });

  it('gates that the members cannot fill are refused at the start; too few approvers are said before', async () => {
    const scene = await makeScene(server, 3);
    const gate = { name: 'canary', percent: 50, gate: { minKnown: 3 } };
    const campaign = await makeCampaign(
      server,
      draftOf(scene.artifact, { stages: [gate, { name: 'b', percent: 50 }] }),
    );
    const started = await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/start`, { body: {} });
    expect(started.json(Problem).errors).toEqual([
      expect.objectContaining({
        path: 'policy.stages[0].gate.minKnown',
        message: expect.stringMatching(/Lower minKnown to 2/),
      }),
    ]);
    const preview = async () =>
      (
        await call(server, 'POST', '/api/v1/campaigns/preview', { body: draftOf(scene.artifact, { approvals: 2 }) })
      ).json(CampaignPreview);
    const before = (await preview()).warnings.find(({ code }) => code === 'approvals.more-than-people');
    expect(before).toMatchObject({ path: 'policy.approvals', params: { needed: 2, people: 0 } });
    for (const name of [freshName('a'), freshName('b')]) {
      await call(server, 'POST', '/api/v1/people', { body: { name, roles: ['approver'] } });
    }
    expect((await preview()).warnings.map(({ code }) => code)).not.toContain('approvals.more-than-people');
  });
});

it('two operators at once: the second is told who changed what, and nothing is overwritten', async () => {
  const person = (
    await call(server, 'POST', '/api/v1/people', { body: { name: freshName('ada'), roles: ['operator'] } })
  ).json(Person);
  const { token } = (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 't' } })).json(
    CreatedApiToken,
  );
  const draft = draftOf(artifact, { brake: { limit: 0.02 } });
  const campaign = await makeCampaign(server, draft);
  const path = `/api/v1/campaigns/${campaign.id}`;
  const headers = { 'if-match': `"${campaign.revision}"` };
  const hers = { ...draft, note: 'tighter', policy: { ...(draft.policy as object), brake: { limit: 0.01 } } };
  const first = await call(server, 'PUT', path, { body: hers, headers, token });
  expect(first.status).toBe(200);
  // Both at once from here on: of two that saw the same, one is told.
  const mine = { ...draft, policy: { ...(draft.policy as object), brake: { limit: 0.05 } } };
  const late = await call(server, 'PUT', path, { body: mine, headers });
  expect(late.status).toBe(412);
  const problem = late.json(Problem);
  expect(problem).toMatchObject({
    code: 'request.stale',
    params: { actual: campaign.revision + 1, expected: campaign.revision },
  });
  expect(problem.errors).toEqual([
    {
      path: 'revision',
      message: expect.stringMatching(new RegExp(`^${person.name} changed it at .* Read it again.$`)),
    },
    { path: 'note', message: expect.stringMatching(/^It is "tighter" now; you sent /) },
    { path: 'policy.brake.limit', message: 'It is 0.01 now; you sent 0.05.' },
  ]);
  const kept = (await call(server, 'GET', path)).json(Campaign);
  expect(kept).toMatchObject({ note: 'tighter', revision: campaign.revision + 1, policy: { brake: { limit: 0.01 } } });
  const again = { 'if-match': `"${kept.revision}"` };
  const both = await Promise.all([0, 1].map(() => call(server, 'PUT', path, { body: mine, headers: again })));
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
});
