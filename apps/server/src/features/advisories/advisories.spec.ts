/** Advisories and exposure on a real database. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  Advisory,
  Artifact,
  CreatedApiToken,
  Exposure,
  ExposedDevice,
  ExposureSample,
  Person,
  pageOf,
  type PersonRole,
} from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite, query, TestGateway, until, type Answer } from '../fleet/fleet.fixture.js';
import { uploadArtifact } from '../reports/scripted-gateway.fixture.js';
import { ExposureSampler } from './exposure-sampler.js';

jest.setTimeout(60_000);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

let numbers = 10_000;
const freshCve = (): string => `CVE-2026-${++numbers}`;
const post = (body: unknown, token?: string) =>
  call(server, 'POST', '/api/v1/advisories', { body, ...(token !== undefined && { token }) });
const draft = (model: string, fields: Record<string, unknown> = {}, cve = freshCve()) => ({
  cve,
  title: 'Heap overflow in the pairing code',
  severity: 'critical',
  models: [{ model, affected: '<1.4.3', ...fields }],
});
const advise = async (...args: Parameters<typeof draft>): Promise<Advisory> =>
  (await post(draft(...args))).json(Advisory);
const exposureOf = async (id: string) => (await call(server, 'GET', `/api/v1/exposure?advisory=${id}`)).json(Exposure);
const history = async (id: string) =>
  (await call(server, 'GET', `/api/v1/exposure/history?advisory=${id}`)).json(pageOf(ExposureSample)).items;
const sampleAll = () => server.app.get(ExposureSampler, { strict: false }).sampleAll();
async function tokenOf(...roles: PersonRole[]): Promise<string> {
  const person = (await call(server, 'POST', '/api/v1/people', { body: { name: freshName('who'), roles } })).json(
    Person,
  );
  const answer = await call(server, 'POST', `/api/v1/people/${person.id}/tokens`, { body: { name: 'x' } });
  return answer.json(CreatedApiToken).token;
}

/** Devices of one model behind one gateway, by version; written as the inventory writes them. */
async function fleet(model: string, versions: (string | null)[], options: { online?: boolean; site?: string } = {}) {
  const site = options.site ?? (await makeSite(server));
  const gateway = await TestGateway.enrol(server, site);
  await query(server, 'update gateways set online = $2 where id = $1', [gateway.id, options.online ?? true]);
  await query(
    server,
    `insert into devices (org_id, site_id, gateway_id, model, identity_kind, identity_value, running_version)
     select g.org_id, g.site_id, g.id, $2, 'serial-number', $3 || n, v from gateways g, unnest($4::text[]) with ordinality x(v, n)
     where g.id = $1`,
    [gateway.id, model, freshName('sn-'), versions],
  );
  return { site, gateway: gateway.id };
}

describe('writing advisories', () => {
  it('is for approvers; deleting for admins; reading for all', async () => {
    const model = freshName('model');
    const [operator, approver] = [await tokenOf('operator'), await tokenOf('approver')];
    expect((await post(draft(model), operator)).code).toBe('request.forbidden');
    const made = (await post(draft(model), approver)).json(Advisory);
    expect((await call(server, 'GET', `/api/v1/advisories/${made.id}`, { token: operator })).status).toBe(200);
    const remove = (token?: string) =>
      call(server, 'DELETE', `/api/v1/advisories/${made.id}`, {
        headers: { 'if-match': '1' },
        ...(token !== undefined && { token }),
      });
    expect((await remove(approver)).code).toBe('request.forbidden');
    expect((await remove()).status).toBe(204);
    expect(
      (
        await query<{ action: string }>(server, 'select action from audit where target_id = $1 order by at, id', [
          made.id,
        ])
      ).map(({ action }) => action),
    ).toEqual(['advisory.created', 'advisory.deleted']);
  });

  it('names the place of what cannot work', async () => {
    const model = freshName('model');
    const artifact: Artifact = await uploadArtifact(server, freshName('other'));
    const wrong: [object, string][] = [
      [draft(model, { affected: 'before 1.4' }), 'body.models.0.affected'],
      [draft(model, { affected: null }), 'body.models.0.affected'],
      [draft(model, { fixedBy: artifact.id }), 'body.models.0.fixedBy'],
      [{ ...draft(model), cve: 'CVE-1' }, 'body.cve'],
      [{ ...draft(model), models: [] }, 'body.models'],
    ];
    for (const [body, place] of wrong) {
      const answer: Answer = await post(body);
      expect(answer.status).toBe(422);
      expect(answer.text).toContain(place);
    }
  });

  it('a CVE is described once, and two who change it at once do not overwrite each other', async () => {
    const model = freshName('model');
    const made = await advise(model);
    expect((await post(draft(model, {}, made.cve))).code).toBe('request.conflict');
    const put = (revision: number, title: string) =>
      call(server, 'PUT', `/api/v1/advisories/${made.id}`, {
        body: { ...draft(model, {}, made.cve), title },
        headers: { 'if-match': String(revision) },
      });
    expect((await put(1, 'first')).json(Advisory)).toMatchObject({ title: 'first', revision: 2 });
    expect((await put(1, 'second')).code).toBe('request.stale');
    const close = await call(server, 'POST', `/api/v1/advisories/${made.id}/close`, { headers: { 'if-match': '2' } });
    expect(close.json(Advisory).state).toBe('closed');
    const open = await call(server, 'GET', '/api/v1/advisories?state=open');
    expect(open.text).not.toContain(made.id);
  });
});

describe('exposure now', () => {
  it('counts affected, unaffected and unknown apart, by model, version and site, and who is out of reach', async () => {
    const model = freshName('model');
    const here = await fleet(model, ['1.0.0', '1.4.2', '1.4.2', '1.4.3', '2.0.0', null, 'factory']);
    const silent = await fleet(model, ['1.0.0', '1.4.3'], { online: false });
    await fleet(freshName('elsewhere'), ['1.0.0']);
    const advisory = await advise(model);
    const exposure = await exposureOf(advisory.id);
    expect(exposure).toMatchObject({
      affected: { devices: 4, silent: 1 },
      unaffected: { devices: 3, silent: 1 },
      unknown: { devices: 2, silent: 0 },
      total: 9,
      moreSites: false,
    });
    expect(exposure.models).toEqual([
      {
        model,
        affected: exposure.affected,
        unaffected: exposure.unaffected,
        unknown: exposure.unknown,
      },
    ]);
    expect(exposure.versions).toHaveLength(6);
    expect(exposure.versions).toContainEqual({ model, version: null, status: 'unknown', devices: 1, silent: 0 });
    expect(exposure.versions).toContainEqual({ model, version: '1.4.2', status: 'affected', devices: 2, silent: 0 });
    expect(exposure.sites).toMatchObject([
      { site: here.site, affected: 3, unknown: 2, silent: 0 },
      { site: silent.site, affected: 1, unknown: 0, silent: 1 },
    ]);
  });

  it('a quarantined gateway, and none at all, are out of reach too; decommissioned devices are in no count', async () => {
    const model = freshName('model');
    const { gateway } = await fleet(model, ['1.0.0', '1.0.0', '1.0.0']);
    const advisory = await advise(model);
    await query(server, `update gateways set state = 'quarantined' where id = $1`, [gateway]);
    expect((await exposureOf(advisory.id)).affected).toEqual({ devices: 3, silent: 3 });
    await query(server, `update gateways set state = 'active' where id = $1`, [gateway]);
    const some = (action: string) =>
      query(
        server,
        `update devices set ${action} where id = (select id from devices where model = $1 order by id limit 1)`,
        [model],
      );
    await some('gateway_id = null');
    expect((await exposureOf(advisory.id)).affected).toEqual({ devices: 3, silent: 1 });
    await some(`state = 'decommissioned'`);
    expect((await exposureOf(advisory.id)).affected).toEqual({ devices: 2, silent: 0 });
  });

  it('lists devices page by page, each exactly once, and narrows by site and reach', async () => {
    const model = freshName('model');
    const versions = Array.from({ length: 25 }, (_, n) => `1.${n % 3}.0`);
    const here = await fleet(model, [...versions, '1.4.3']);
    await fleet(model, ['1.1.0', null, 'odd'], { online: false });
    const advisory = await advise(model);
    const list = async (filter: string) => {
      const seen: string[] = [];
      let after = '';
      for (let page = 0; page < 20; page++) {
        const path = `/api/v1/exposure/devices?advisory=${advisory.id}&limit=4${filter}${after}`;
        const answer = (await call(server, 'GET', path)).json(pageOf(ExposedDevice));
        seen.push(...answer.items.map(({ device }) => device));
        if (answer.next === undefined) return seen;
        after = `&after=${answer.next}`;
      }
      throw new Error('no end');
    };
    const affected = await list('');
    expect(new Set(affected).size).toBe(26);
    expect(affected).toHaveLength(26);
    const expected = await query<{ id: string }>(
      server,
      `select id from devices where model = $1 and running_version in ('1.0.0', '1.1.0', '1.2.0')`,
      [model],
    );
    expect([...affected].sort()).toEqual(expected.map(({ id }) => id).sort());
    expect(await list('&silent=true')).toHaveLength(1);
    expect(await list(`&site=${here.site}`)).toHaveLength(25);
    expect(await list('&status=unknown')).toHaveLength(2);
    expect(await list(`&status=unknown&site=${here.site}`)).toHaveLength(0);
  });

  it('knows only its own organisation', async () => {
    const advisory = await advise(freshName('model'));
    const [other] = await query<{ id: string }>(server, 'insert into orgs (slug) values ($1) returning id', [
      freshName('org'),
    ]);
    await query(server, 'update advisories set org_id = $2 where id = $1', [advisory.id, other!.id]);
    expect((await call(server, 'GET', `/api/v1/exposure?advisory=${advisory.id}`)).status).toBe(404);
    expect((await call(server, 'GET', `/api/v1/advisories/${advisory.id}`)).status).toBe(404);
  });
});

describe('exposure over time', () => {
  it('keeps a sample when numbers moved and when a day began, and not otherwise', async () => {
    const model = freshName('model');
    await fleet(model, ['1.0.0', '1.0.0', null]);
    const advisory = await advise(model);
    expect(await history(advisory.id)).toMatchObject([{ model, affected: 2, unknown: 1, total: 3 }]);
    await sampleAll();
    expect(await history(advisory.id)).toHaveLength(1);
    await query(
      server,
      `update devices set running_version = '1.4.3' where id in (
      select id from devices where model = $1 and running_version = '1.0.0' limit 1)`,
      [model],
    );
    await sampleAll();
    expect(await history(advisory.id)).toHaveLength(1);
    const age = (interval: string) =>
      query(server, `update exposure_samples set at = at - interval '${interval}' where advisory_id = $1`, [
        advisory.id,
      ]);
    await age('1 hour');
    await sampleAll();
    expect((await history(advisory.id)).map(({ affected }) => affected)).toEqual([2, 1]);
    await sampleAll();
    expect(await history(advisory.id)).toHaveLength(2);
    await age('1 day');
    await sampleAll();
    expect((await history(advisory.id)).map(({ affected }) => affected)).toEqual([2, 1, 1]);
  });

  it('tells when the first exposed device is found and when the last is gone', async () => {
    const model = freshName('model');
    await fleet(model, ['1.0.0', null]);
    const advisory = await advise(model);
    const events = async () =>
      (
        await query<{ kind: string }>(server, `select kind from events where subject_id = $1 order by seq`, [
          advisory.id,
        ])
      ).map(({ kind }) => kind);
    expect(await events()).toEqual(['exposure.found']);
    await query(
      server,
      `update devices set running_version = '1.4.3' where model = $1 and running_version is not null`,
      [model],
    );
    await sampleAll();
    // One that says nothing is not safe.
    expect(await events()).toEqual(['exposure.found']);
    await query(server, `update devices set running_version = '1.5.0' where model = $1`, [model]);
    await sampleAll();
    await sampleAll();
    expect(await events()).toEqual(['exposure.found', 'exposure.zero']);
    await until(async () => (await history(advisory.id)).at(-1)?.affected === 0);
  });
});
