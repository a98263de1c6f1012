/** Filters over HTTP: lists, preview, refusals with their places; the battery that an inventory carries. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Device, FilterPreview, Gateway, pageOf, Problem } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import type { Actor } from '../access/actor.js';
import { readWithin } from './device-filter.js';
import { call, makeSite, seenDevice, TestGateway, until } from './fleet.fixture.js';
import { FilterPreviewService } from './filter-preview.service.js';

let server: TestServer;
let gateway: TestGateway;
let other: TestGateway;
beforeAll(async () => {
  server = await startTestServer();
  const site = await makeSite(server);
  gateway = await TestGateway.enrol(server, site, 'gw-left');
  other = await TestGateway.enrol(server, site, 'gw-right');
  await gateway.presence();
  await other.presence();
  await gateway.inventory([
    seenDevice('one', { batteryPercent: 15, links: [{ link: 'ble:AA', rssiDbm: -70 }] }),
    seenDevice('two', { running: [{ image: 0, version: '1.10.0' }], batteryPercent: 80 }),
    seenDevice('three', { running: [{ image: 0, version: '1.9.0-rc.1' }], model: 'sensor-b' }),
  ]);
  await other.inventory([seenDevice('four', { running: [{ image: 0, version: '2.0.0' }], name: 'pump 4' })]);
}, 60_000);
afterEach(async () => {
  await gateway.close();
  await other.close();
});
afterAll(async () => {
  await server?.stop();
});

const list = async (filter: string, more = ''): Promise<string[]> => {
  const answer = await call(server, 'GET', `/api/v1/devices?filter=${encodeURIComponent(filter)}${more}`);
  return answer
    .json(pageOf(Device))
    .items.map(({ identity }) => identity.value)
    .sort();
};

describe('lists', () => {
  it.each([
    ['version<1.10.0', ['one', 'three']],
    ["version=range='>=1.9.0-rc.1 <2'", ['three', 'two']],
    ['model==sensor-*;gateway==gw-left', ['one', 'three', 'two']],
    ['link==ble;signal>=-70', ['one']],
    ['battery>=20', ['two']],
    ['battery<20,name=="pump *"', ['four', 'one']],
    ['lastSeen<PT1H;hold==false', ['four', 'one', 'three', 'two']],
    ['lastSeen>PT1H', []],
  ])('of devices: %s', async (filter, expected) => {
    expect(await list(filter)).toEqual(expected);
  });

  it('of devices: a filter goes with the other conditions and with pages', async () => {
    expect(await list('version<2', '&model=sensor-b')).toEqual(['three']);
    const path = `/api/v1/devices?limit=2&filter=${encodeURIComponent('gateway==gw-left')}`;
    const first = (await call(server, 'GET', path)).json(pageOf(Device));
    const second = (await call(server, 'GET', `${path}&after=${first.next}`)).json(pageOf(Device));
    expect([...first.items, ...second.items].map(({ identity }) => identity.value).sort()).toEqual([
      'one',
      'three',
      'two',
    ]);
    expect(second.next).toBeUndefined();
  });

  it('of gateways: those behind which a device matches', async () => {
    const answer = await call(
      server,
      'GET',
      `/api/v1/gateways?filter=${encodeURIComponent('version>=1.10.0;name!=*')}`,
    );
    expect(answer.json(pageOf(Gateway)).items.map(({ name }) => name)).toEqual(['gw-left']);
  });

  it('a device shows its battery and keeps it when an inventory does not say', async () => {
    const find = async () =>
      (await call(server, 'GET', '/api/v1/devices?identity=one')).json(pageOf(Device)).items[0]!.battery;
    expect(await find()).toMatchObject({ percent: 15 });
    await gateway.inventory([seenDevice('one', { links: [{ link: 'ble:AA', rssiDbm: -70 }] })]);
    expect(await find()).toMatchObject({ percent: 15 });
  });
});

describe('preview', () => {
  const preview = async (filter: string) =>
    call(server, 'POST', '/api/v1/devices/filter-preview', { body: { filter } });

  it('says how many, of which kinds, and some of them', async () => {
    const found = (await preview('version<2;gateway=in=(gw-left,gw-right)')).json(FilterPreview);
    expect(found).toMatchObject({
      sentence: 'Devices whose running version is known and older than 2, and gateway is gw-left or gw-right.',
      count: 3,
      exact: true,
      strata: [
        { model: 'sensor-a', version: '1.0.0', count: 1 },
        { model: 'sensor-a', version: '1.10.0', count: 1 },
        { model: 'sensor-b', version: '1.9.0-rc.1', count: 1 },
      ],
      otherStrata: { strata: 0, count: 0 },
    });
    expect(found.sample!.map(({ identity }) => identity).sort()).toEqual(['one', 'three', 'two']);
  });

  it('a filter that cannot be read is refused with every place', async () => {
    const answer = await preview('modle==a;(link==bel,battery<20)');
    expect(answer.status).toBe(400);
    expect(answer.json(Problem)).toMatchObject({
      code: 'request.invalid',
      errors: [
        { path: 'body.filter', at: 0, length: 5, nearest: 'model' },
        { path: 'body.filter', at: 16, length: 3, nearest: 'ble' },
      ],
    });
    const listed = await call(server, 'GET', '/api/v1/devices?filter=version%3Clatest');
    expect(listed.status).toBe(400);
    expect(listed.json(Problem).errors).toMatchObject([{ path: 'query.filter', at: 8, length: 6 }]);
  });

  it('projects the numbers from a part of the fleet when counting takes too long', async () => {
    const [org] = (await server.dataSource.query('select id from orgs')) as { id: string }[];
    const previews = server.app.get(FilterPreviewService, { strict: false });
    const locker = server.dataSource.createQueryRunner();
    await locker.startTransaction();
    try {
      // Whoever counts waits for the lock; it is let go when the projection, which comes after, waits for it.
      await locker.query('lock table devices in access exclusive mode');
      const waiting = previews.preview({ orgId: org!.id } as Actor, 'version<2', 50);
      await until(async () => {
        const rows = (await server.dataSource.query(
          `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%tablesample%' and pid <> pg_backend_pid()`,
        )) as unknown[];
        return rows.length > 0;
      });
      await locker.rollbackTransaction();
      // So small a fleet is one page of the table: the part is all of it.
      expect(await waiting).toMatchObject({ exact: false, count: 3 });
    } finally {
      if (locker.isTransactionActive) await locker.rollbackTransaction();
      await locker.release();
    }
  });

  it('a statement that takes too long is ended, and the connection works on', async () => {
    const slow = await readWithin(server.dataSource, 20, (tx) => tx.query('select pg_sleep(5)'));
    expect(slow).toBeUndefined();
    const [row] = (await server.dataSource.query(`select current_setting('statement_timeout') as t`)) as {
      t: string;
    }[];
    expect(row!.t).toBe('0');
  });
});
