/** What the page of a campaign shows against the same question asked of SQL. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import {
  Campaign,
  CampaignForecast,
  CampaignPage,
  CampaignSeries,
  DecisionPage,
  FailureGroups,
  FilterValues,
  GroupComparison,
  LiveEvent,
  MemberPage,
  PauseAnswer,
  Problem,
  WaitingReasons,
  type Artifact,
} from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import { readCampaign, type ScriptedGateway } from '../reports/scripted-gateway.fixture.js';
import { ForecastService } from './campaign/forecast.service.js';
import { keepCampaignPoints, thinHistory } from './history/campaign-points.js';
import { counted, get, makePagesScene } from './pages.fixture.js';

jest.setTimeout(90_000);
let server: TestServer;
let gateway: ScriptedGateway;
let artifact: Artifact;
let campaign: Campaign;
let path: string;

beforeAll(async () => {
  server = await startTestServer();
  ({ gateway, artifact, campaign } = await makePagesScene(server));
  path = `/api/v1/campaigns/${campaign.id}`;
});
afterAll(async () => {
  await server?.stop();
});

describe('the page of a campaign', () => {
  it('has counters that equal SQL, by name as well', async () => {
    const shown = await readCampaign(server, campaign.id);
    const states = await counted(server, campaign.id);
    expect(shown.counts).toEqual(states);
    expect(shown.parts).toEqual({
      proven: 2,
      unproven: 1,
      failed: 2,
      reverted: 0,
      lost: 0,
      inFlight: states['transferring'],
      mayStillStart: states['granted'] ?? 0,
      waiting: states['planned'],
      setAside: 0,
    });
    const ended5 = { of: 5 };
    expect(shown.shares).toMatchObject({
      ended: 5,
      proven: { n: 2, ...ended5 },
      failedOrReverted: { n: 2, ...ended5 },
      notKnown: { n: 1, ...ended5 },
      failure: { n: 2, of: 4, share: 0.5 },
    });
    expect(shown.stages[0]!.gateLines.map(({ rule, state, missing }) => `${rule} ${state} ${missing}`)).toEqual([
      'known counting 3',
      'share counting 2',
      'approval not-begun 1',
    ]);
    expect(shown.stages[1]!.gateLines).toEqual([]);
    expect(shown.stage).toEqual({ index: 0, of: 2, name: 'first', state: 'open' });
    expect(shown.planDigest).toMatch(/^[0-9a-f]{64}$/);
    const named = await get(server, `/api/v1/campaigns-by-name/${shown.name}`, Campaign);
    expect(named.id).toBe(campaign.id);
    expect((await call(server, 'GET', '/api/v1/campaigns-by-name/nobody')).code).toBe('request.not-found');
    const page = await get(server, `/api/v1/campaigns?state=running,paused&name=${shown.name}&live=true`, CampaignPage);
    expect(page.items.map(({ id }) => id)).toEqual([campaign.id]);
    expect(
      (await get(server, `/api/v1/campaigns?text=${shown.name.slice(1, 4)}&model=nothing`, CampaignPage)).items,
    ).toEqual([]);
    expect((await call(server, 'GET', '/api/v1/campaigns?state=running,gone')).status).toBe(422);
  });

  it('tells what a pause would promise, apart for gateways that are there and that are away', async () => {
    const whole = await get(server, `${path}/exposure`, PauseAnswer);
    expect(whole.byReach.connected).toMatchObject({ mayStillStart: whole.mayStillStart, running: 1, gateways: 1 });
    expect(whole.byReach.absent).toMatchObject({ mayStillStart: 0, running: 0, gateways: 0 });
    await query(server, 'update gateways set online = false where id = $1', [gateway.id]);
    const away = await get(server, `${path}/exposure`, PauseAnswer);
    await query(server, 'update gateways set online = true where id = $1', [gateway.id]);
    expect(away.byReach.absent).toMatchObject({ mayStillStart: whole.mayStillStart, running: 1, gateways: 1 });
    expect(away.mayStillStart).toBe(whole.mayStillStart);
  });

  it('lists members by filter, with their reasons and totals', async () => {
    const all: MemberPage['items'] = [];
    for (let after: string | undefined; ;) {
      const page = await get(server, `${path}/members?limit=5${after ? `&after=${after}` : ''}`, MemberPage);
      expect(page.total).toBe(12);
      all.push(...page.items);
      if (page.next === undefined) break;
      after = page.next;
    }
    const ids = await query<{ id: string }>(
      server,
      'select id from deployments where campaign_id = $1 order by position, id',
      [campaign.id],
    );
    expect(all.map(({ id }) => id)).toEqual(ids.map(({ id }) => id));
    for (const member of all) expect(member.reason === null).toBe(member.state === 'proven');
    const filtered = async (filter: string) =>
      get(server, `${path}/members?filter=${encodeURIComponent(filter)}`, MemberPage);
    expect((await filtered('state==failed')).total).toBe(2);
    expect((await filtered('state=in=(failed,unproven);stage==first')).items).toHaveLength(3);
    expect((await filtered('state!=failed,stage==rest')).total).toBe(10);
    const byCode = await filtered('code==artifact.*;gateway==*');
    expect([byCode.items.length, byCode.total]).toEqual([2, null]);
    expect((await filtered('code!=artifact.*')).items).toHaveLength(10);
    const wrong = await call(server, 'GET', `${path}/members?filter=statte==failed`);
    expect(wrong.json(Problem).errors![0]).toMatchObject({ at: 0, length: 6, nearest: 'state' });
    // Selectors of campaigns know nothing of members.
    const preview = await call(server, 'POST', '/api/v1/devices/filter-preview', { body: { filter: 'state==failed' } });
    expect(preview.status).toBe(400);
    const waiting = await get(server, `${path}/waiting`, WaitingReasons);
    expect(waiting.waiting).toBe((await counted(server, campaign.id))['planned']);
    expect(waiting.reasons.reduce((sum, reason) => sum + reason.n, 0)).toBe(waiting.looked);
    expect(waiting.looked).toBe(waiting.waiting);
  });

  it('groups failures by code and place', async () => {
    const groups = await get(server, `${path}/failures/groups`, FailureGroups);
    expect(groups).toMatchObject({ tried: 8, failed: 2, complete: true });
    expect(groups.items).toMatchObject([{ code: 'artifact.wrong-hardware', n: 2, blame: 'operator', group: null }]);
    const byGateway = await get(server, `${path}/failures/groups?by=gateway`, FailureGroups);
    // All were tried there: nothing to compare with.
    expect(byGateway.items[0]!.group).toMatchObject({
      key: gateway.id,
      there: { n: 2, of: 8 },
      elsewhere: { n: 0, of: 0 },
      credible: false,
    });
    const byModel = await get(server, `${path}/failures/groups?by=model`, FailureGroups);
    expect(byModel.items[0]!.group).toMatchObject({ key: artifact.model, there: { n: 2, of: 8 } });
  });

  it('puts two groups side by side, counted as SQL counts them, and says whether they credibly differ', async () => {
    const [known] = await query<{ ids: string[] }>(
      server,
      `select array_agg(device_id::text) as ids from deployments where campaign_id = $1 and state = 'proven'`,
      [campaign.id],
    );
    const compare = async (a: string, b: string) =>
      get(server, `${path}/compare?${new URLSearchParams({ a, b }).toString()}`, GroupComparison);
    const parted = await compare(`device=in=(${known!.ids.join(',')})`, `device=out=(${known!.ids.join(',')})`);
    expect(parted).toMatchObject({
      a: { failed: { n: 0, of: 2 } },
      b: { failed: { n: 2, of: 2 } },
      both: 0,
      looked: 4,
      complete: true,
      credible: false,
      sentence: 'No credible difference: fewer than 3 failed in both together, which says too little.',
    });
    const same = await compare('from==1.0.0', 'stage==first;state!=lost');
    expect(same).toMatchObject({ a: { failed: { n: 2, of: 4 } }, b: { failed: { n: 2, of: 4 } }, both: 4 });
    expect(same.a.words).toContain('version before');
    expect((await compare('from==9.*', 'state==*')).sentence).toBe(
      'Group A has no device with a known result: nothing can be compared.',
    );
    const wrong = await call(server, 'GET', `${path}/compare?a=statte==failed&b=state==failed`);
    expect([wrong.status, wrong.json(Problem).errors![0]!.path]).toEqual([400, 'query.a']);
    expect((await get(server, `/api/v1/filter/values?field=from&campaign=${campaign.id}`, FilterValues)).items).toEqual(
      [{ value: '1.0.0', count: 12 }],
    );
  });

  it('is found in the list by the language of filters', async () => {
    const found = async (filter: string) =>
      (await get(server, `/api/v1/campaigns?filter=${encodeURIComponent(filter)}`, CampaignPage)).items.map(
        ({ name }) => name,
      );
    expect(await found(`name==${campaign.name}`)).toEqual([campaign.name]);
    expect(await found(`state=in=(running,halted);model==${artifact.model};live==true`)).toEqual([campaign.name]);
    expect(await found(`stage==first;artifact==${artifact.sha256.slice(0, 12)}*;owner==*`)).toEqual([campaign.name]);
    expect(await found('state!=running,live==false')).toEqual([]);
    const wrong = await call(server, 'GET', '/api/v1/campaigns?filter=nmae==x');
    expect([wrong.status, wrong.json(Problem).errors![0]]).toMatchObject([400, { at: 0, length: 4, nearest: 'name' }]);
    const values = await get(server, '/api/v1/filter/values?scope=campaign&field=state&prefix=run', FilterValues);
    expect(values.items).toEqual([{ value: 'running', count: 1 }]);
  });

  it('has a series that ends now, a forecast or the reason why not, and decisions newest first', async () => {
    await keepCampaignPoints(server.dataSource.manager);
    const series = await get(server, `${path}/series?points=10`, CampaignSeries);
    expect(series.points.length).toBeLessThanOrEqual(10);
    expect(series.points.at(-1)).toMatchObject({ proven: 2, failed: 2, unproven: 1, target: 12, granted: 8 });
    expect(series.capPerMinute).toBe(600);
    // Long ago and many: thinned when read, and when they grow old.
    await query(
      server,
      `insert into campaign_points select $1, now() - n * interval '1 minute', 0, 0, 0, 0, 0, 0, 12, 0 from generate_series(10, 4000) n`,
      [campaign.id],
    );
    expect((await get(server, `${path}/series?points=500`, CampaignSeries)).points.length).toBeLessThanOrEqual(500);
    // Of a campaign that is over the last point is that of its end, with its final counts.
    await query(
      server,
      "update campaigns set state = 'aborted', state_at = now() - interval '5 minutes' where id = $1",
      [campaign.id],
    );
    const [end] = await query<{ state_at: Date }>(server, 'select state_at from campaigns where id = $1', [
      campaign.id,
    ]);
    const ended = await get(server, `${path}/series?points=50`, CampaignSeries);
    expect(ended.points.at(-1)).toMatchObject({ at: end!.state_at.toISOString(), proven: 2, failed: 2, unproven: 1 });
    await query(server, "update campaigns set state = 'running', state_at = now() where id = $1", [campaign.id]);
    await thinHistory(server.dataSource);
    const [left] = await query<{ n: number }>(
      server,
      'select count(*)::int as n from campaign_points where campaign_id = $1',
      [campaign.id],
    );
    expect(left!.n).toBeLessThan(1440 + 300);

    expect((await get(server, `${path}/forecast`, CampaignForecast)).sentence).toMatch(/^No forecast yet/);
    await server.app
      .get(ForecastService)
      .make((await query<{ id: string }>(server, 'select id from orgs'))[0]!.id, campaign.id);
    const forecast = await get(server, `${path}/forecast`, CampaignForecast);
    expect(forecast.at).not.toBeNull();
    expect(forecast.history).toHaveLength(1);
    if (forecast.p10 && forecast.p90) expect(Date.parse(forecast.p90)).toBeGreaterThanOrEqual(Date.parse(forecast.p10));
    await query(
      server,
      `insert into campaign_outlooks select campaign_id, at - interval '2 hours', p10, p50 - interval '3 hours', p90, out_p50, out_p90,
         members, members from campaign_outlooks where campaign_id = $1`,
      [campaign.id],
    );
    if (forecast.p50) {
      expect((await get(server, `${path}/forecast`, CampaignForecast)).moved).toMatchObject({
        byMs: 3 * 3_600_000,
        sentence: expect.stringMatching(/^Later by 3 hours: /),
      });
    }
    const newest = await get(server, `${path}/decisions?order=newest&limit=2`, DecisionPage);
    const next = await get(server, `${path}/decisions?order=newest&limit=2&after=${newest.next}`, DecisionPage);
    const ids = [...newest.items, ...next.items].map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((x, y) => y - x));
    const people = await get(server, `${path}/decisions?by=person`, DecisionPage);
    expect(people.items.every(({ by }) => by !== null)).toBe(true);
    expect((await get(server, `${path}/decisions?by=rule`, DecisionPage)).items.every(({ by }) => by === null)).toBe(
      true,
    );
  });

  it('is told to watchers with the same numbers', async () => {
    const watching = new AbortController();
    const stream = await fetch(`${server.baseUrl}/api/v1/events`, {
      headers: { authorization: `Bearer ${server.adminToken}` },
      signal: watching.signal,
    });
    let heard = '';
    const reading = (async () => {
      for await (const chunk of stream.body!) heard += Buffer.from(chunk as Uint8Array).toString('utf8');
    })().catch(() => undefined);
    const own = () =>
      heard
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => LiveEvent.parse(JSON.parse(line.slice(6))))
        .find((event) => event.type === 'campaign' && event.campaignId === campaign.id);
    await until(() => own() !== undefined);
    watching.abort();
    await reading;
    const shown = await readCampaign(server, campaign.id);
    expect(own()).toMatchObject({ parts: shown.parts, shares: shown.shares, exposure: { running: 1 } });
  });

  it('goes home as CSV that a spreadsheet does not run, and as JSON lines', async () => {
    await query(
      server,
      `update devices set name = '=1+1' where id in (select device_id from deployments where campaign_id = $1)`,
      [campaign.id],
    );
    const answer = await call(server, 'GET', `${path}/export`);
    expect(answer.headers.get('content-type')).toContain('text/csv');
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${campaign.name}-results.csv"`);
    const rows = parse(answer.text, { columns: true }) as Record<string, string>[];
    const states = await counted(server, campaign.id);
    expect(rows).toHaveLength(12);
    for (const [state, n] of Object.entries(states))
      expect(rows.filter((row) => row['state'] === state)).toHaveLength(n);
    expect(rows.every((row) => row['name'] === "'=1+1")).toBe(true);
    const lines = (await call(server, 'GET', `${path}/failures/export?format=json`)).text.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { code: string }).code)).toEqual([
      'artifact.wrong-hardware',
      'artifact.wrong-hardware',
    ]);
    const decided = await call(server, 'GET', `/api/v1/campaigns/${campaign.id}/decisions/export?by=rule`);
    const decisions = parse(decided.text, { columns: true }) as Record<string, string>[];
    const [kept] = await query<{ n: number }>(
      server,
      `select count(*)::int as n from decisions where campaign_id = $1 and not params ? 'by'`,
      [campaign.id],
    );
    expect([decisions.length, decisions[0]]).toMatchObject([kept!.n, { campaign: campaign.name, by: '' }]);
    const audit = parse((await call(server, 'GET', '/api/v1/audit/export')).text, { columns: true }) as Record<
      string,
      string
    >[];
    const [all] = await query<{ n: number }>(server, 'select count(*)::int as n from audit where org_id is not null');
    expect(audit.length).toBe(all!.n);
    expect((await call(server, 'GET', `/api/v1/campaigns/${artifact.id}/export`)).code).toBe('request.not-found');
  });
});
