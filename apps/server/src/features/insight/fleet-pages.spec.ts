/** What the overview and the pages of the fleet show against the same question asked of SQL. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ApprovalList,
  ArtifactsRunning,
  ArtifactUse,
  Attention,
  Campaign,
  CampaignPreview,
  CreatedApiToken,
  DeviceConversation,
  DeviceHistory,
  DeviceNow,
  FilterFields,
  FilterValues,
  FleetVersions,
  GatewayHealth,
  Overview,
  Person,
  PauseAnswer,
  PolicyDiff,
  RoleHolders,
  type Artifact,
} from '@drydock/contracts';
import { z } from 'zod';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, query, until } from '../fleet/fleet.fixture.js';
import {
  act,
  draftOf,
  goodLife,
  makeCampaign,
  makeScene,
  readCampaign,
  startCampaign,
  touched,
  type ScriptedGateway,
} from '../reports/scripted-gateway.fixture.js';
import { HistoryKeeper } from './history/history-keeper.js';
import { counted, get, LINK, makePagesScene } from './pages.fixture.js';

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

describe('the overview', () => {
  it('has counters that equal SQL', async () => {
    await server.app.get(HistoryKeeper).keepFleet();
    const overview = await get(server, '/api/v1/overview', Overview);
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
    const rescue = async (yes: boolean) =>
      (await call(server, 'GET', `/api/v1/devices?limit=5&needsRescue=${yes}`)).json(
        z.object({ items: z.array(z.unknown()) }),
      );
    expect([(await rescue(true)).items.length, (await rescue(false)).items.length]).toEqual([0, 5]);
    expect(overview.devices).toMatchObject({ total: sql!['devices'], seenIn30Days: sql!['devices'] });
    expect(overview.sums).toMatchObject({ total: sql!['total'], proven: sql!['proven'], failed: sql!['failed'] });
    expect(overview.running.map(({ id }) => id)).toContain(campaign.id);
    expect(overview.running.find(({ id }) => id === campaign.id)!.parts).toEqual(
      (await readCampaign(server, campaign.id)).parts,
    );
    expect(overview.reports.newestAgeMs).not.toBeNull();
    // Kept after the failures: none of them is younger than the first point.
    await query(server, 'delete from failure_points');
    const fresh = await get(server, '/api/v1/overview', Overview);
    expect(fresh.failures.items.reduce((sum, item) => sum + item.n, 0)).toBe(sql!['tries']);
  });

  it('puts what needs a person first, the worst of it at the top', async () => {
    const other = await makeScene(server, 2);
    const halted = await startCampaign(server, draftOf(other.artifact));
    await act(server, halted.id, 'halt', PauseAnswer);
    const third = await makeScene(server, 1);
    const waiting = await makeCampaign(server, draftOf(third.artifact, { approvals: 1 }));
    await call(server, 'POST', `/api/v1/campaigns/${waiting.id}/start`, { body: {} });
    const { attention } = await get(server, '/api/v1/overview', Overview);
    const kinds = attention.map(({ kind }: Attention) => kind);
    expect(kinds.slice(0, 2)).toEqual(['campaign.halted', 'approval.wanted']);
    expect(attention[0]!.subject.id).toBe(halted.id);

    const { items } = await get(server, '/api/v1/approvals', ApprovalList);
    expect(items).toMatchObject([
      {
        kind: 'campaign',
        campaign: { id: waiting.id },
        needed: 1,
        given: [],
        you: { may: false, because: expect.any(String) },
      },
    ]);
    expect(items[0]!.planDigest).toBe((await readCampaign(server, waiting.id)).planDigest);
    // Its author sees it, and another decides.
    const body = { name: freshName('who'), roles: ['approver'] };
    const person = (await call(server, 'POST', '/api/v1/people', { body })).json(Person);
    const { token } = (await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } })).json(
      CreatedApiToken,
    );
    const theirs = (await call(server, 'GET', '/api/v1/approvals', { token })).json(ApprovalList);
    expect(theirs.items).toMatchObject([{ campaign: { id: waiting.id }, you: { may: true, because: null } }]);
    const approved = await call(server, 'POST', `/api/v1/campaigns/${waiting.id}/approve`, { body: {}, token });
    expect(approved.status).toBe(200);
    expect((await get(server, '/api/v1/approvals', ApprovalList)).items).toEqual([]);
  });
});

describe('other pages', () => {
  it('tell the story of a device, a gateway, an artifact', async () => {
    const [failed] = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = $1 and state = 'failed' limit 1`,
      [campaign.id],
    );
    const history = await get(server, `/api/v1/devices/${failed!.device_id}/history`, DeviceHistory);
    expect(history.items).toMatchObject([
      {
        outcome: 'failed',
        code: 'artifact.wrong-hardware',
        gateway: { id: gateway.id },
        sentBytes: 1000,
        durationMs: 2000,
        ...LINK,
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
    const underWay = await get(server, `/api/v1/devices/${running!.device_id}/history`, DeviceHistory);
    expect(underWay.items).toMatchObject([{ outcome: null, rssiDbm: -55, lowestRssiDbm: null, bytesPerSecond: null }]);
    await say(100);
    await say(300);
    const now = await get(server, `/api/v1/devices/${running!.device_id}/now`, DeviceNow);
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
    const life = (await get(server, `/api/v1/devices/${proven!.device_id}/now`, DeviceNow)).life;
    expect(life).toMatchObject([{ from: [{ version: '1.0.0' }], to: [{ version: artifact.version }] }]);

    expect(now.deployment).toMatchObject({
      linkRate: null,
      progress: { samples: [{ sentBytes: 100 }, { sentBytes: 300 }] },
    });

    const said = (await get(server, `/api/v1/devices/${proven!.device_id}/conversation?limit=100`, DeviceConversation))
      .items;
    expect(said.map(({ kind }) => kind).slice(-3)).toEqual(['touched', 'downloading', 'granted']);
    expect(said[0]).toMatchObject({
      kind: 'ended',
      disposition: 'applied',
      gateway: { id: gateway.id },
      sentence: `Proven: it reads back ${artifact.version}.`,
    });
    // Page by page the same, whatever stands at one moment.
    const pages: string[] = [];
    for (let after = ''; pages.length < said.length;) {
      const url = `/api/v1/devices/${proven!.device_id}/conversation?limit=1${after}`;
      const { items, next } = await get(server, url, DeviceConversation);
      pages.push(...items.map(({ kind }) => kind));
      if (next === undefined) break;
      after = `&after=${next}`;
    }
    expect(pages).toEqual(said.map(({ kind }) => kind));
    expect((await call(server, 'GET', `/api/v1/devices/${gateway.id}/conversation`)).status).toBe(404);

    const health = await get(server, `/api/v1/gateways/${gateway.id}/health`, GatewayHealth);
    expect(health).toMatchObject({
      connected: true,
      devices: 12,
      failures: { here: { n: 2, of: 4 }, elsewhere: { of: 0 } },
    });
    const held = await query<{ state: string }>(
      server,
      `select state from deployments where gateway_id = $1 and state = any('{granted,downloading,transferring,activating,proving,cancelling,rescue}')
       order by state_at`,
      [gateway.id],
    );
    expect(health.slots.map(({ state }) => state)).toEqual(held.map(({ state }) => state));
    expect(health.slots.length).toBe(3);
    expect(health.reportsCommitted).toBeGreaterThan(10);
    const use = await get(server, `/api/v1/artifacts/${artifact.sha256}/use`, ArtifactUse);
    expect(use.campaigns).toMatchObject([{ id: campaign.id, proven: 2, total: 12 }]);
    const [runs] = await query<{ n: number }>(
      server,
      'select count(*)::int as n from devices where running_hash = any($1)',
      [artifact.runningHashes],
    );
    expect(use.runsOn).toEqual({ devices: runs!.n, exact: true });
    const inList = () => get(server, `/api/v1/artifacts-running?ids=${artifact.id},${gateway.id}`, ArtifactsRunning);
    expect((await inList()).items).toEqual([{ id: artifact.id, devices: runs!.n, exact: true }]);
    // Of so many only the hourly count knows, and it is told as that.
    await query(
      server,
      `insert into devices (org_id, site_id, model, identity_kind, identity_value, running_version)
       select d.org_id, d.site_id, d.model, 'filler', gen_random_uuid(), $2
       from (select * from devices where model = $1 limit 1) d, generate_series(1, 501)`,
      [artifact.model, artifact.runningVersion ?? artifact.version],
    );
    expect((await inList()).items).toEqual([{ id: artifact.id, devices: 501, exact: false }]);
    await query(server, `delete from devices where identity_kind = 'filler'`);
  });

  it('say what a link can do by what it did', async () => {
    const scene = await makeScene(server, 6);
    const started = await startCampaign(server, draftOf(scene.artifact, { limits: { perGateway: 6 } }));
    await until(() => scene.gateway.order?.grants.length === 6);
    const { grants } = scene.gateway.order!;
    const rates = [20_000, 10_000, 10_000, 10_000, 10_000];
    await scene.gateway.report(
      ...rates.flatMap((bytesPerSecond, index) =>
        goodLife(grants[index]!, scene.artifact).map((report) =>
          report['kind'] === 'ended' ? { ...report, bytesPerSecond } : report,
        ),
      ),
    );
    await scene.gateway.report(touched(grants[5]!));
    await until(async () => (await counted(server, started.id))['proven'] === 5);
    const [live] = await query<{ device_id: string }>(
      server,
      `select device_id from deployments where campaign_id = $1 and state = 'transferring'`,
      [started.id],
    );
    const { deployment } = await get(server, `/api/v1/devices/${live!.device_id}/now`, DeviceNow);
    expect(deployment!.linkRate).toEqual({ bytesPerSecond: expect.closeTo(16_000, 5), of: 5 });
  });

  it('say whom to ask for what a role may do', async () => {
    const names = async (role: string) => (await get(server, `/api/v1/roles/${role}/people`, RoleHolders)).names;
    const body = { name: freshName('ask me'), roles: ['operator'] };
    const person = (await call(server, 'POST', '/api/v1/people', { body })).json(Person);
    expect((await names('operator'))[0]).toBe(person.name);
    expect(await names('approver')).not.toContain(person.name);
    expect(await names('viewer')).toContain(person.name);
    const headers = { 'if-match': `"${person.revision}"` };
    await call(server, 'PATCH', `/api/v1/people/${person.id}`, { body: { disabled: true }, headers });
    expect(await names('operator')).not.toContain(person.name);
    expect((await call(server, 'GET', '/api/v1/roles/king/people')).code).toBe('request.invalid');
  });

  it('complete filters and show versions over time', async () => {
    const versions = await get(server, '/api/v1/fleet/versions?seen=all', FleetVersions);
    const [all] = await query<{ n: number }>(server, 'select sum(n)::int as n from fleet_versions');
    expect(versions.points.at(-1)!.total).toBe(all!.n);
    const point = versions.points.at(-1)!;
    // Two kinds of one model, more devices first, as SQL has them.
    const kinds = await query<{ model: string; version: string; n: number }>(
      server,
      `select model, version, n::int from fleet_versions where version <> '' and at = (select max(at) from fleet_versions)
       order by n desc, model, version`,
    );
    expect(versions.versions.map((one, at) => ({ ...one, n: point.n[at] }))).toEqual(kinds.slice(0, 6));
    const one = kinds[0]!.model;
    const ofOne = await get(server, `/api/v1/fleet/versions?seen=all&model=${one}`, FleetVersions);
    expect(ofOne.points.at(-1)!.total).toBe(
      kinds.filter(({ model }) => model === one).reduce((sum, { n }) => sum + n, 0),
    );
    expect(point.n.reduce((sum, n) => sum + n, 0) + point.other + point.unknown).toBe(point.total);
    // A version that nobody runs any more is named while the points show it, last.
    await query(
      server,
      `insert into fleet_versions (org_id, at, model, version, n, seen)
       select org_id, now() - interval '2 days', model, 'gone', 1000, 1000 from fleet_versions order by n desc limit 1`,
    );
    const seen = await get(server, '/api/v1/fleet/versions?seen=all&days=31', FleetVersions);
    expect(seen.versions.at(-1)).toMatchObject({ version: 'gone' });
    expect(seen.points.map((each) => each.n.at(-1))).toEqual([1000, 0]);
    expect((await get(server, '/api/v1/fleet/versions?seen=all&days=1', FleetVersions)).points.length).toBe(1);
    const fields = await get(server, '/api/v1/filter/fields?scope=member', FilterFields);
    expect(fields.fields.map(({ field }) => field)).toEqual(expect.arrayContaining(['model', 'state', 'code']));
    const values = async (rest: string) => (await get(server, `/api/v1/filter/values?${rest}`, FilterValues)).items;
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
    const same = await get(server, `${path}/diff?against=${campaign.id}`, PolicyDiff);
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
