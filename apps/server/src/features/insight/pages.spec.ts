/** What pages show against the same question asked of SQL, on a campaign with every kind of end. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import {
  ApprovalList,
  ArtifactUse,
  Attention,
  Campaign,
  CampaignForecast,
  CampaignPage,
  CampaignPreview,
  CampaignSeries,
  DecisionPage,
  DeviceHistory,
  DeviceNow,
  FailureGroups,
  FilterFields,
  FilterValues,
  FleetVersions,
  GatewayHealth,
  LiveEvent,
  MemberPage,
  Overview,
  PauseAnswer,
  PolicyDiff,
  Problem,
  WaitingReasons,
  type Artifact,
} from '@drydock/contracts';
import type { z } from 'zod';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query, until } from '../fleet/fleet.fixture.js';
import {
  act,
  draftOf,
  ended,
  goodLife,
  makeCampaign,
  makeScene,
  readCampaign,
  startCampaign,
  touched,
  type ScriptedGateway,
} from '../reports/scripted-gateway.fixture.js';
import { ForecastService } from './campaign/forecast.service.js';
import { keepCampaignPoints, thinHistory } from './history/campaign-points.js';
import { HistoryKeeper } from './history/history-keeper.js';

jest.setTimeout(90_000);
let server: TestServer;
let gateway: ScriptedGateway;
let artifact: Artifact;
let campaign: Campaign;
let path: string;

const get = async <T extends z.ZodType>(url: string, schema: T): Promise<z.output<T>> => {
  const answer = await call(server, 'GET', url);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.text}`);
  return answer.json(schema);
};

/** Members by state, from the rows themselves. */
async function counted(id: string): Promise<Record<string, number>> {
  const rows = await query<{ state: string; n: number }>(
    server,
    'select state, count(*)::int as n from deployments where campaign_id = $1 group by state',
    [id],
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

beforeAll(async () => {
  server = await startTestServer();
  const scene = await makeScene(server, 12);
  gateway = scene.gateway;
  artifact = scene.artifact;
  campaign = await startCampaign(
    server,
    draftOf(artifact, {
      stages: [
        { name: 'first', count: 8, gate: { minKnown: 7, maxFailureShare: 0.5, approval: true } },
        { name: 'rest' },
      ],
      limits: { perGateway: 8 },
      retry: { operator: { maxAttempts: 1, backOffMs: 0 }, link: { maxAttempts: 1, backOffMs: 0 } },
      brake: { limit: 0.5, transportLimit: 0.5 },
    }),
  );
  path = `/api/v1/campaigns/${campaign.id}`;
  await until(() => gateway.order?.grants.length === 8);
  const [a, b, c, d, e, f] = gateway.order!.grants;
  await gateway.report(
    ...goodLife(a!, artifact),
    ...goodLife(b!, artifact),
    touched(c!),
    ended(c!, 'failed', { code: 'artifact.wrong-hardware' }),
    touched(d!),
    ended(d!, 'failed', { code: 'artifact.wrong-hardware' }),
    touched(e!),
    ended(e!, 'unproven', { reason: 'cannot-be-asked' }),
    touched(f!),
  );
  await until(async () => (await counted(campaign.id))['transferring'] === 1);
});
afterAll(async () => {
  await server?.stop();
});

describe('the page of a campaign', () => {
  it('has counters that equal SQL, by name as well', async () => {
    const shown = await readCampaign(server, campaign.id);
    const states = await counted(campaign.id);
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
    const named = await get(`/api/v1/campaigns-by-name/${shown.name}`, Campaign);
    expect(named.id).toBe(campaign.id);
    expect((await call(server, 'GET', '/api/v1/campaigns-by-name/nobody')).code).toBe('request.not-found');
    const page = await get(`/api/v1/campaigns?state=running,paused&name=${shown.name}&live=true`, CampaignPage);
    expect(page.items.map(({ id }) => id)).toEqual([campaign.id]);
    expect((await get(`/api/v1/campaigns?text=${shown.name.slice(1, 4)}&model=nothing`, CampaignPage)).items).toEqual(
      [],
    );
    expect((await call(server, 'GET', '/api/v1/campaigns?state=running,gone')).status).toBe(422);
  });

  it('tells what a pause would promise, apart for gateways that are there and that are away', async () => {
    const whole = await get(`${path}/exposure`, PauseAnswer);
    expect(whole.byReach.connected).toMatchObject({ mayStillStart: whole.mayStillStart, running: 1, gateways: 1 });
    expect(whole.byReach.absent).toMatchObject({ mayStillStart: 0, running: 0, gateways: 0 });
    await query(server, 'update gateways set online = false where id = $1', [gateway.id]);
    const away = await get(`${path}/exposure`, PauseAnswer);
    await query(server, 'update gateways set online = true where id = $1', [gateway.id]);
    expect(away.byReach.absent).toMatchObject({ mayStillStart: whole.mayStillStart, running: 1, gateways: 1 });
    expect(away.mayStillStart).toBe(whole.mayStillStart);
  });

  it('lists members by filter, with their reasons and totals', async () => {
    const all: MemberPage['items'] = [];
    for (let after: string | undefined; ;) {
      const page = await get(`${path}/members?limit=5${after ? `&after=${after}` : ''}`, MemberPage);
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
    const filtered = async (filter: string) => get(`${path}/members?filter=${encodeURIComponent(filter)}`, MemberPage);
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
    const waiting = await get(`${path}/waiting`, WaitingReasons);
    expect(waiting.waiting).toBe((await counted(campaign.id))['planned']);
    expect(waiting.reasons.reduce((sum, reason) => sum + reason.n, 0)).toBe(waiting.looked);
    expect(waiting.looked).toBe(waiting.waiting);
  });

  it('groups failures by code and place', async () => {
    const groups = await get(`${path}/failures/groups`, FailureGroups);
    expect(groups).toMatchObject({ tried: 8, failed: 2, complete: true });
    expect(groups.items).toMatchObject([{ code: 'artifact.wrong-hardware', n: 2, blame: 'operator', group: null }]);
    const byGateway = await get(`${path}/failures/groups?by=gateway`, FailureGroups);
    // All were tried there: nothing to compare with.
    expect(byGateway.items[0]!.group).toMatchObject({
      key: gateway.id,
      there: { n: 2, of: 8 },
      elsewhere: { n: 0, of: 0 },
      credible: false,
    });
    const byModel = await get(`${path}/failures/groups?by=model`, FailureGroups);
    expect(byModel.items[0]!.group).toMatchObject({ key: artifact.model, there: { n: 2, of: 8 } });
  });

  it('has a series that ends now, a forecast or the reason why not, and decisions newest first', async () => {
    await keepCampaignPoints(server.dataSource.manager);
    const series = await get(`${path}/series?points=10`, CampaignSeries);
    expect(series.points.length).toBeLessThanOrEqual(10);
    expect(series.points.at(-1)).toMatchObject({ proven: 2, failed: 2, unproven: 1, target: 12, granted: 8 });
    expect(series.capPerMinute).toBe(600);
    // Long ago and many: thinned when read, and when they grow old.
    await query(
      server,
      `insert into campaign_points select $1, now() - n * interval '1 minute', 0, 0, 0, 0, 0, 0, 12, 0 from generate_series(10, 4000) n`,
      [campaign.id],
    );
    expect((await get(`${path}/series?points=500`, CampaignSeries)).points.length).toBeLessThanOrEqual(500);
    await thinHistory(server.dataSource);
    const [left] = await query<{ n: number }>(
      server,
      'select count(*)::int as n from campaign_points where campaign_id = $1',
      [campaign.id],
    );
    expect(left!.n).toBeLessThan(1440 + 300);

    expect((await get(`${path}/forecast`, CampaignForecast)).sentence).toMatch(/^No forecast yet/);
    await server.app
      .get(ForecastService)
      .make((await query<{ id: string }>(server, 'select id from orgs'))[0]!.id, campaign.id);
    const forecast = await get(`${path}/forecast`, CampaignForecast);
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
      expect((await get(`${path}/forecast`, CampaignForecast)).moved).toMatchObject({
        byMs: 3 * 3_600_000,
        sentence: expect.stringMatching(/^Later by 3 hours: /),
      });
    }
    const newest = await get(`${path}/decisions?order=newest&limit=2`, DecisionPage);
    const next = await get(`${path}/decisions?order=newest&limit=2&after=${newest.next}`, DecisionPage);
    const ids = [...newest.items, ...next.items].map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((x, y) => y - x));
    const people = await get(`${path}/decisions?by=person`, DecisionPage);
    expect(people.items.every(({ by }) => by !== null)).toBe(true);
    expect((await get(`${path}/decisions?by=rule`, DecisionPage)).items.every(({ by }) => by === null)).toBe(true);
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
    const states = await counted(campaign.id);
    expect(rows).toHaveLength(12);
    for (const [state, n] of Object.entries(states))
      expect(rows.filter((row) => row['state'] === state)).toHaveLength(n);
    expect(rows.every((row) => row['name'] === "'=1+1")).toBe(true);
    const lines = (await call(server, 'GET', `${path}/failures/export?format=json`)).text.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { code: string }).code)).toEqual([
      'artifact.wrong-hardware',
      'artifact.wrong-hardware',
    ]);
    const audit = parse((await call(server, 'GET', '/api/v1/audit/export')).text, { columns: true }) as Record<
      string,
      string
    >[];
    const [all] = await query<{ n: number }>(server, 'select count(*)::int as n from audit where org_id is not null');
    expect(audit.length).toBe(all!.n);
    expect((await call(server, 'GET', `/api/v1/campaigns/${artifact.id}/export`)).code).toBe('request.not-found');
  });
});

describe('the overview', () => {
  it('has counters that equal SQL', async () => {
    await server.app.get(HistoryKeeper).keepFleet();
    const overview = await get('/api/v1/overview', Overview);
    const [sql] = await query<Record<string, number>>(
      server,
      `select (select count(*)::int from gateways where state <> 'decommissioned') as gateways,
         (select count(*)::int from gateways where online) as online,
         (select count(*)::int from devices where state = 'active') as devices,
         (select count(*)::int from deployments) as total,
         (select count(*)::int from deployments where state = 'proven') as proven,
         (select count(*)::int from deployments where state = 'failed') as failed,
         (select count(*)::int from attempts where outcome = 'failed') as tries`,
    );
    expect(overview.gateways).toMatchObject({ total: sql!['gateways'], online: sql!['online'] });
    expect(overview.devices).toMatchObject({ total: sql!['devices'], seenIn30Days: sql!['devices'] });
    expect(overview.sums).toMatchObject({ total: sql!['total'], proven: sql!['proven'], failed: sql!['failed'] });
    expect(overview.running.map(({ id }) => id)).toContain(campaign.id);
    expect(overview.running.find(({ id }) => id === campaign.id)!.parts).toEqual(
      (await readCampaign(server, campaign.id)).parts,
    );
    expect(overview.reports.newestAgeMs).not.toBeNull();
    // Kept after the failures: none of them is younger than the first point.
    await query(server, 'delete from failure_points');
    const fresh = await get('/api/v1/overview', Overview);
    expect(fresh.failures.items.reduce((sum, item) => sum + item.n, 0)).toBe(sql!['tries']);
  });

  it('puts what needs a person first, the worst of it at the top', async () => {
    const other = await makeScene(server, 2);
    const halted = await startCampaign(server, draftOf(other.artifact));
    await act(server, halted.id, 'halt', PauseAnswer);
    const third = await makeScene(server, 1);
    const waiting = await makeCampaign(server, draftOf(third.artifact, { approvals: 1 }));
    await call(server, 'POST', `/api/v1/campaigns/${waiting.id}/start`, { body: {} });
    const { attention } = await get('/api/v1/overview', Overview);
    const kinds = attention.map(({ kind }: Attention) => kind);
    expect(kinds.slice(0, 2)).toEqual(['campaign.halted', 'approval.wanted']);
    expect(attention[0]!.subject.id).toBe(halted.id);

    const { items } = await get('/api/v1/approvals', ApprovalList);
    expect(items).toMatchObject([
      { kind: 'campaign', campaign: { id: waiting.id }, needed: 1, given: [], you: { may: true, because: null } },
    ]);
    expect(items[0]!.planDigest).toBe((await readCampaign(server, waiting.id)).planDigest);
    await act(server, waiting.id, 'approve', Campaign, {});
    expect((await get('/api/v1/approvals', ApprovalList)).items).toEqual([]);
  });
});

describe('other pages', () => {
  it('tell the story of a device, a gateway, an artifact', async () => {
    const [failed] = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = $1 and state = 'failed' limit 1`,
      [campaign.id],
    );
    const history = await get(`/api/v1/devices/${failed!.device_id}/history`, DeviceHistory);
    expect(history.items).toMatchObject([
      {
        outcome: 'failed',
        code: 'artifact.wrong-hardware',
        gateway: { id: gateway.id },
        sentBytes: 1000,
        durationMs: 2000,
      },
    ]);
    const [running] = await query<{ id: string; device_id: string }>(
      server,
      `select id, device_id from deployments where campaign_id = $1 and state = 'transferring'`,
      [campaign.id],
    );
    const say = (sentBytes: number) =>
      gateway.gateway.publish(
        'progress',
        JSON.stringify({
          v: 1,
          items: [{ ref: { deployment: running!.id, reign: 0, attempt: 1 }, sentBytes, totalBytes: 900 }],
        }),
      );
    await say(100);
    await say(300);
    const now = await get(`/api/v1/devices/${running!.device_id}/now`, DeviceNow);
    expect(now.deployment).toMatchObject({
      id: running!.id,
      state: 'transferring',
      progress: { sentBytes: 300, totalBytes: 900 },
    });
    expect(now.heardBy).toMatchObject([{ gateway: { id: gateway.id }, chosen: true }]);
    const [proven] = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = $1 and state = 'proven' limit 1`,
      [campaign.id],
    );
    const life = (await get(`/api/v1/devices/${proven!.device_id}/now`, DeviceNow)).life;
    expect(life).toMatchObject([{ from: [{ version: '1.0.0' }], to: [{ version: artifact.version }] }]);

    const health = await get(`/api/v1/gateways/${gateway.id}/health`, GatewayHealth);
    expect(health).toMatchObject({
      connected: true,
      devices: 12,
      failures: { here: { n: 2, of: 4 }, elsewhere: { of: 0 } },
    });
    expect(health.reportsCommitted).toBeGreaterThan(10);
    const use = await get(`/api/v1/artifacts/${artifact.sha256}/use`, ArtifactUse);
    expect(use.campaigns).toMatchObject([{ id: campaign.id, proven: 2, total: 12 }]);
    const [runs] = await query<{ n: number }>(
      server,
      'select count(*)::int as n from devices where running_hash = any($1)',
      [artifact.runningHashes],
    );
    expect(use.runsOn).toEqual({ devices: runs!.n, exact: true });
  });

  it('complete filters and show versions over time', async () => {
    const versions = await get('/api/v1/fleet/versions?seen=all', FleetVersions);
    const [all] = await query<{ n: number }>(server, 'select sum(n)::int as n from fleet_versions');
    expect(versions.points.at(-1)!.total).toBe(all!.n);
    const point = versions.points.at(-1)!;
    expect(point.n.reduce((sum, n) => sum + n, 0) + point.other + point.unknown).toBe(point.total);
    const fields = await get('/api/v1/filter/fields?scope=member', FilterFields);
    expect(fields.fields.map(({ field }) => field)).toEqual(expect.arrayContaining(['model', 'state', 'code']));
    const values = async (rest: string) => (await get(`/api/v1/filter/values?${rest}`, FilterValues)).items;
    expect(await values(`field=model&prefix=${artifact.model}`)).toEqual([{ value: artifact.model, count: 12 }]);
    expect((await values(`field=state&campaign=${campaign.id}&prefix=pro`))[0]).toEqual({ value: 'proven', count: 2 });
    expect(await values(`field=code&campaign=${campaign.id}`)).toEqual([
      { value: 'artifact.wrong-hardware', count: 2 },
    ]);
    expect(await values('field=link&prefix=b')).toEqual([{ value: 'ble', count: null }]);
    for (const field of ['version', 'site', 'gateway', 'group', 'name', 'tag', 'hold', 'battery']) {
      expect(Array.isArray(await values(`field=${field}`))).toBe(true);
    }
    expect((await call(server, 'GET', '/api/v1/filter/values?field=state')).code).toBe('request.invalid');
    expect(await values("field=site&prefix=%25_'")).toEqual([]);
  });

  it('compare plans and warn of what is likely to be regretted', async () => {
    const draft = draftOf(artifact, {
      stages: [
        { name: 'first', count: 4, gate: { minKnown: 4, maxFailureShare: 0.6, approval: false } },
        { name: 'rest' },
      ],
      brake: { limit: 0.02, transportLimit: 0.5 },
    });
    const diff = (await call(server, 'POST', '/api/v1/campaigns/diff', { body: { draft, against: campaign.id } })).json(
      PolicyDiff,
    );
    expect(diff.against!.id).toBe(campaign.id);
    const looser = Object.fromEntries(diff.lines.map((line) => [line.path, line.looser]));
    expect(looser).toMatchObject({
      'policy.stages[0].count': false,
      'policy.stages[0].gate.minKnown': true,
      'policy.stages[0].gate.maxFailureShare': true,
      'policy.stages[0].gate.approval': true,
      'policy.limits.perGateway': false,
      'policy.brake.limit': false,
    });
    const same = await get(`${path}/diff?against=${campaign.id}`, PolicyDiff);
    expect(same.lines).toEqual([]);
    await query(
      server,
      `update devices set last_seen_at = now() - interval '9 days' where model = $1 and running_hash is distinct from $2`,
      [artifact.model, artifact.runningHashes[0]],
    );
    const preview = (await call(server, 'POST', '/api/v1/campaigns/preview', { body: draft })).json(CampaignPreview);
    expect(preview.warnings.map(({ code }) => code)).toEqual(['gate.needs-nearly-all', 'devices.long-unseen']);
  });
});
