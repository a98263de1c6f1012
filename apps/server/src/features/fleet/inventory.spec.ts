import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Device, DeviceDetail, pageOf, StraySighting } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { FleetEvents } from './fleet-events.js';
import { call, freshName, makeSite, query, seenDevice, TestGateway } from './fleet.fixture.js';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
let server: TestServer;
const open: TestGateway[] = [];
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()));
});
afterAll(async () => {
  await server?.stop();
});

async function gatewayAt(site: string): Promise<TestGateway> {
  const gateway = await TestGateway.enrol(server, site);
  open.push(gateway);
  await gateway.presence();
  return gateway;
}
async function deviceBy(chip: string): Promise<Record<string, unknown> | undefined> {
  return (await query(server, `select * from devices where identity_value = $1`, [chip]))[0];
}
const detail = async (id: string) => (await call(server, 'GET', `/api/v1/devices/${id}`)).json(DeviceDetail);
const actions = async (id: string) =>
  (await query<{ action: string }>(server, `select action from audit where target_id = $1 order by at, id`, [id])).map(
    ({ action }) => action,
  );

describe('inventory', () => {
  it('makes devices of the gateway site, once, and follows what runs', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    const chip = freshName('chip');
    const changed: (readonly string[])[] = [];
    const stop = server.app
      .get(FleetEvents, { strict: false })
      .on('inventoryChanged', (event) => void changed.push(event.deviceIds));
    await gateway.inventory([
      seenDevice(chip, {
        running: [
          { image: 1, version: 'net' },
          { image: 0, version: '1.0.0', hash: A },
        ],
      }),
    ]);
    const first = (await deviceBy(chip))!;
    expect(first).toMatchObject({
      model: 'sensor-a',
      running_version: '1.0.0',
      running_hash: A,
      gateway_id: gateway.id,
      approved: true,
      mode: 'application',
    });
    await gateway.inventory([
      seenDevice(chip, {
        running: [
          { image: 1, version: 'net' },
          { image: 0, version: '1.0.0', hash: A },
        ],
      }),
    ]);
    await gateway.inventory([seenDevice(chip, { running: [{ image: 0, version: '2.0.0', hash: B }] })]);
    stop();
    expect(await deviceBy(chip)).toMatchObject({ id: first['id'], running_version: '2.0.0', running_hash: B });
    expect(changed).toEqual([[first['id']], [first['id']]]);
    expect(await actions(String(first['id']))).toEqual(['device.first-seen']);
  });

  it('counts within the epoch: what is overtaken, or of a run that is over, changes nothing', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    const chip = freshName('chip');
    const says = (version: string, sequence: number, epoch = gateway.epoch) =>
      gateway.inventory([seenDevice(chip, { running: [{ image: 0, version }] })], { sequence }, epoch);
    await says('5', 5);
    await says('4', 4);
    await says('5b', 5);
    expect((await deviceBy(chip))!['running_version']).toBe('5');
    const before = gateway.epoch;
    gateway.restart();
    await gateway.presence();
    await says('new', 1);
    await says('old', 99, before);
    expect((await deviceBy(chip))!['running_version']).toBe('new');
  });

  it('comes before the presence of its run and begins it', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    gateway.restart();
    const chip = freshName('chip');
    await gateway.inventory([seenDevice(chip)]);
    expect(await deviceBy(chip)).toBeDefined();
    const [row] = await query<{ epoch: string }>(server, 'select epoch from gateways where id = $1', [gateway.id]);
    expect(row!.epoch).toBe(gateway.epoch);
  });

  it('of a quarantined gateway is not believed', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    await call(server, 'POST', `/api/v1/gateways/${gateway.id}/quarantine`, {
      body: { note: 'odd' },
      headers: { 'if-match': '*' },
    });
    const chip = freshName('chip');
    await gateway.inventory([seenDevice(chip)]);
    expect(await deviceBy(chip)).toBeUndefined();
  });

  it('a bootloader never says what runs', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    const chip = freshName('chip');
    await gateway.inventory([seenDevice(chip)]);
    await gateway.inventory([seenDevice(chip, { mode: 'bootloader', running: [{ image: 0, version: '9.9.9' }] })]);
    expect(await deviceBy(chip)).toMatchObject({ mode: 'bootloader', running_version: '1.0.0' });
  });

  it('two gateways of a site share a device, but not a port', async () => {
    const site = await makeSite(server);
    const [one, two] = [await gatewayAt(site), await gatewayAt(site)];
    const chip = freshName('chip');
    await one.inventory([seenDevice(chip, { links: [{ link: 'ble:AA:BB:CC:DD:EE:FF', rssiDbm: -80 }] })]);
    await two.inventory([seenDevice(chip, { links: [{ link: 'ble:AA:BB:CC:DD:EE:FF', rssiDbm: -50 }] })]);
    const shared = (await deviceBy(chip))!;
    expect(shared['gateway_id']).toBe(two.id);
    expect((await detail(String(shared['id']))).seenBy.map(({ gateway }) => gateway)).toEqual([two.id, one.id]);
    const port = { identity: { kind: 'port-path' as const, value: freshName('/dev/ttyUSB') } };
    await one.inventory([seenDevice('', port)]);
    await two.inventory([seenDevice('', port)]);
    expect(await query(server, 'select 1 from devices where identity_value = $1', [port.identity.value])).toHaveLength(
      2,
    );
  });

  it('many messages of many gateways at once make each device once', async () => {
    const site = await makeSite(server);
    const gateways = await Promise.all(Array.from({ length: 4 }, () => gatewayAt(site)));
    const chips = Array.from({ length: 20 }, () => freshName('chip'));
    await Promise.all(
      gateways.flatMap((gateway) => [0, 1, 2].map(() => gateway.inventory(chips.map((chip) => seenDevice(chip))))),
    );
    const [row] = await query<{ n: string; first: string }>(
      server,
      `select count(*) as n, (select count(*) from audit where action = 'device.first-seen' and target_id in (select id::text from devices where identity_value = any($1))) as first
       from devices where identity_value = any($1)`,
      [chips],
    );
    expect([Number(row!.n), Number(row!.first)]).toEqual([20, 20]);
  });
});

describe('claims', () => {
  it('a site by approval lets nothing in by itself', async () => {
    const gateway = await gatewayAt(await makeSite(server, 'approval'));
    const chip = freshName('chip');
    await gateway.inventory([seenDevice(chip)]);
    const device = (await deviceBy(chip))!;
    expect(device['approved']).toBe(false);
    const path = `/api/v1/devices/${String(device['id'])}/approve`;
    expect((await call(server, 'POST', path, { body: {}, headers: { 'if-match': '99' } })).code).toBe('request.stale');
    const approved = await call(server, 'POST', path, {
      body: {},
      headers: { 'if-match': String(device['revision']) },
    });
    expect(approved.json(DeviceDetail).approved).toBe(true);
    await gateway.inventory([seenDevice(chip)]);
    expect((await deviceBy(chip))!['approved']).toBe(true);
  });

  it('a site by list lets in what is listed, and what is listed later', async () => {
    const site = await makeSite(server, 'list');
    const gateway = await gatewayAt(site);
    const [listed, later] = [freshName('chip'), freshName('chip')];
    const line = (value: string) => ({ identity: { kind: 'chip-id', value }, model: 'listed-model', name: 'Pump 7' });
    const put = (devices: unknown[]) =>
      call(server, 'PUT', `/api/v1/sites/${site}/devices`, { body: { devices }, headers: { 'if-match': '*' } });
    expect((await put([line(listed)])).status).toBe(200);
    await gateway.inventory([seenDevice(listed), seenDevice(later)]);
    expect(await deviceBy(listed)).toMatchObject({ approved: true, model: 'listed-model', name: 'Pump 7' });
    expect(await deviceBy(later)).toMatchObject({ approved: false, model: 'sensor-a' });
    await put([line(listed), line(later)]);
    expect(await deviceBy(later)).toMatchObject({ approved: true, model: 'sensor-a', name: 'Pump 7' });
  });

  it('a device that another site claims waits for a person, and the claim changes nothing else', async () => {
    const [home, away] = [await makeSite(server), await makeSite(server)];
    const [owner, claimer] = [await gatewayAt(home), await gatewayAt(away)];
    const chip = freshName('chip');
    await owner.inventory([seenDevice(chip)]);
    await claimer.inventory([
      seenDevice(chip, { running: [{ image: 0, version: '6.6.6' }], links: [{ link: 'serial:/dev/evil' }] }),
    ]);
    await claimer.inventory([seenDevice(chip)]);
    const device = (await deviceBy(chip))!;
    const id = String(device['id']);
    expect(device).toMatchObject({
      approved: false,
      site_id: home,
      gateway_id: owner.id,
      running_version: '1.0.0',
      links: [{ link: 'serial:/dev/ttyUSB0' }],
    });
    expect((await actions(id)).filter((action) => action === 'device.claimed-elsewhere')).toHaveLength(1);
    const approve = (site?: string) =>
      call(server, 'POST', `/api/v1/devices/${id}/approve`, {
        body: site ? { site } : {},
        headers: { 'if-match': '*' },
      });
    // Which one is it? The person has to say.
    expect((await approve()).code).toBe('request.invalid');
    expect((await approve(await makeSite(server))).code).toBe('request.conflict');
    expect((await approve(home)).json(DeviceDetail)).toMatchObject({
      approved: true,
      claims: [{ gateway: claimer.id, state: 'refused' }],
    });
    await claimer.inventory([seenDevice(chip)]);
    expect((await deviceBy(chip))!['approved']).toBe(true);
    // Later the device really moves.
    expect((await approve(away)).json(DeviceDetail)).toMatchObject({
      approved: true,
      site: away,
      gateway: claimer.id,
      claims: [],
    });
    await claimer.inventory([seenDevice(chip, { running: [{ image: 0, version: '1.1.0' }] })]);
    expect(await deviceBy(chip)).toMatchObject({ site_id: away, running_version: '1.1.0' });
    await owner.inventory([seenDevice(chip)]);
    expect((await deviceBy(chip))!['approved']).toBe(false);
  });
});

/** A deployment of the device with its campaign and artifact, in the state given; @returns its id. */
async function deployed(
  deviceId: unknown,
  gatewayId: string,
  fields: {
    state: string;
    runningHash?: string;
    runningVersion?: string;
    epoch?: string;
    seq?: number;
    touched?: boolean;
  },
): Promise<string> {
  const [row] = await query<{ id: string }>(
    server,
    `with a as (insert into artifacts (org_id, sha256, size_bytes, file_name, format, model, version, running_version, description, signature_state)
         select org_id, md5(random()::text) || md5(random()::text), 1, 'f', 'mcuboot', 'sensor-a', '2', $3, $4, 'none' from devices where id = $1 returning id, org_id),
       c as (insert into campaigns (org_id, name, artifact_id, selector, policy, state) select org_id, md5(random()::text), id, '{}', '{}', 'completed' from a returning id, org_id),
       k as (insert into campaign_counters (campaign_id, stage_idx, state, n) select id, 0, $5, 1 from c)
     insert into deployments (org_id, campaign_id, stage_idx, device_id, position, state, attempt, gateway_id, granted_at, touched_at, ended_at, result_epoch, result_seq)
       select org_id, id, 0, $1, 0, $5, 1, $2, now(), case when $8 then now() end, case when $5 in ('proven', 'unproven', 'failed') then now() end, $6, $7 from c returning id`,
    [
      deviceId,
      gatewayId,
      fields.runningVersion ?? null,
      JSON.stringify({
        images: [{ image: 0, kind: 'application', ...(fields.runningHash && { runningHash: fields.runningHash }) }],
      }),
      fields.state,
      fields.epoch ?? null,
      fields.seq ?? null,
      fields.touched ?? true,
    ],
  );
  return row!.id;
}
const stateOf = async (id: string) =>
  (await query<{ state: string }>(server, 'select state from deployments where id = $1', [id]))[0]!.state;

describe('evidence', () => {
  it('older than a result does not overturn it; newer does: the device is reverted', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    const chip = freshName('chip');
    await gateway.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }] })]);
    const device = (await deviceBy(chip))!;
    const deployment = await deployed(device['id'], gateway.id, {
      state: 'proven',
      runningHash: B,
      epoch: gateway.epoch,
      seq: 12,
    });
    await query(server, `update devices set running = $2, running_hash = $3 where id = $1`, [
      device['id'],
      JSON.stringify([{ image: 0, hash: B }]),
      B,
    ]);
    // Read before the result was issued, delivered after it was committed.
    await gateway.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readAfterSeq: 11 })]);
    expect([await stateOf(deployment), (await deviceBy(chip))!['running_hash']]).toEqual(['proven', B]);
    await gateway.inventory([seenDevice(chip, { running: [{ image: 0, hash: B }], readAfterSeq: 12 })]);
    expect(await stateOf(deployment)).toBe('proven');
    await gateway.inventory([
      seenDevice(chip, { mode: 'bootloader', running: [{ image: 0, hash: A }], readAfterSeq: 13 }),
    ]);
    expect(await stateOf(deployment)).toBe('proven');
    await gateway.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readAfterSeq: 13 })]);
    expect([await stateOf(deployment), (await deviceBy(chip))!['running_hash']]).toEqual(['reverted', A]);
  });

  it('of another gateway counts by the clock alone', async () => {
    const site = await makeSite(server);
    const [one, two] = [await gatewayAt(site), await gatewayAt(site)];
    const chip = freshName('chip');
    await one.inventory([seenDevice(chip, { running: [{ image: 0, hash: B }] })]);
    const device = (await deviceBy(chip))!;
    const deployment = await deployed(device['id'], one.id, {
      state: 'unproven',
      runningHash: B,
      epoch: one.epoch,
      seq: 3,
    });
    await two.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readAfterSeq: 99 })]);
    await two.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readHeardMs: 1_000 })]);
    // Nor does a moment that has not come yet.
    await two.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readHeardMs: Date.now() + 60_000 })]);
    expect([await stateOf(deployment), (await deviceBy(chip))!['running_hash']]).toEqual(['unproven', B]);
    await two.inventory([seenDevice(chip, { running: [{ image: 0, hash: A }], readHeardMs: Date.now() + 1_000 })]);
    expect(await stateOf(deployment)).toBe('reverted');
  });

  it('that tells nothing, or comes while an attempt runs, overturns nothing', async () => {
    const gateway = await gatewayAt(await makeSite(server));
    const [silent, running] = [freshName('chip'), freshName('chip')];
    await gateway.inventory([seenDevice(silent), seenDevice(running)]);
    const numbered = await deployed((await deviceBy(silent))!['id'], gateway.id, {
      state: 'proven',
      epoch: gateway.epoch,
      seq: 1,
    });
    const older = await deployed((await deviceBy(running))!['id'], gateway.id, {
      state: 'proven',
      runningHash: B,
      epoch: gateway.epoch,
      seq: 1,
    });
    const live = await deployed((await deviceBy(running))!['id'], gateway.id, { state: 'transferring' });
    const read = { running: [{ image: 0, hash: A, version: '7' }], readAfterSeq: 50 };
    await gateway.inventory([seenDevice(silent, read), seenDevice(running, read)]);
    expect(await Promise.all([numbered, older, live].map(stateOf))).toEqual(['proven', 'proven', 'transferring']);
  });
});

describe('strays', () => {
  it('make no device; they are matched to attempts of the site', async () => {
    const site = await makeSite(server);
    const gateway = await gatewayAt(site);
    const chip = freshName('chip');
    const before = await query(server, 'select 1 from devices');
    const stray = { link: 'ble:AA:BB:CC:00:00:02?type=random', protocol: 'secure-dfu', name: 'DfuTarg', rssiDbm: -60 };
    await gateway.inventory([], { strays: [stray] });
    expect(await query(server, 'select 1 from devices')).toHaveLength(before.length);
    await gateway.inventory([
      seenDevice(chip, { protocol: 'secure-dfu', links: [{ link: 'ble:AA:BB:CC:00:00:01?type=random' }] }),
    ]);
    const deployment = await deployed((await deviceBy(chip))!['id'], gateway.id, { state: 'activating' });
    await gateway.inventory([], { strays: [stray, { link: 'ble:11:11:11:11:11:11', protocol: 'smp' }] });
    const answer = await call(server, 'GET', `/api/v1/strays?site=${site}`);
    const { items } = answer.json(pageOf(StraySighting));
    expect(items.map(({ link, deployment: match }) => [link, match])).toEqual([
      ['ble:11:11:11:11:11:11', null],
      [stray.link, deployment],
    ]);
  });
});

describe('people and devices', () => {
  it('list by model, version, site, gateway, tag, page by page; patch; hold', async () => {
    const site = await makeSite(server);
    const gateway = await gatewayAt(site);
    const chips = [freshName('chip'), freshName('chip'), freshName('chip')];
    await gateway.inventory(
      chips.map((chip, n) => seenDevice(chip, { running: [{ image: 0, version: n === 0 ? '1.0.0' : '1.1.0' }] })),
    );
    const list = async (filter: string) =>
      (await call(server, 'GET', `/api/v1/devices?site=${site}&${filter}`)).json(pageOf(Device));
    expect((await list('model=sensor-a')).items).toHaveLength(3);
    expect((await list('version=1.0.0')).items.map(({ identity }) => identity.value)).toEqual([chips[0]]);
    expect((await list(`gateway=${gateway.id}&approved=true`)).items).toHaveLength(3);
    const page = await list('limit=2');
    const rest = await list(`limit=2&after=${page.next}`);
    expect(new Set([...page.items, ...rest.items].map(({ identity }) => identity.value))).toEqual(new Set(chips));
    const device = page.items[0]!;
    const path = `/api/v1/devices/${device.id}`;
    const seen = await call(server, 'GET', path);
    const patch = await call(server, 'PATCH', path, {
      body: { name: 'Pump', model: 'sensor-b', tags: { floor: '2' }, hold: { note: 'in use' } },
      headers: { 'if-match': seen.headers.get('etag')! },
    });
    expect(patch.json(Device)).toMatchObject({
      name: 'Pump',
      model: 'sensor-b',
      tags: { floor: '2' },
      holdNote: 'in use',
    });
    expect((await list('tag=floor%3D2')).items.map(({ id }) => id)).toEqual([device.id]);
    // What a person said stays, whatever the gateway says.
    await gateway.inventory([seenDevice(device.identity.value, { model: 'sensor-a', name: 'x' })]);
    expect(await detail(device.id)).toMatchObject({ name: 'Pump', model: 'sensor-b' });
    expect((await call(server, 'PATCH', path, { body: { name: 'late' }, headers: { 'if-match': '1' } })).code).toBe(
      'request.stale',
    );
    expect(await actions(device.id)).toContain('device.changed');
  });
});

it('a change at a gateway marks the live campaigns that have devices there, and no others', async () => {
  const gateway = await gatewayAt(await makeSite(server));
  const chips = [freshName('chip'), freshName('chip')];
  await gateway.inventory(chips.map((chip) => seenDevice(chip)));
  // The engine of this server takes marks away at once: a trigger keeps a list of them.
  await query(server, 'create table marks (campaign_id uuid)');
  await query(
    server,
    `create function note_mark() returns trigger language plpgsql as 'begin insert into marks values (new.id); return new; end'`,
  );
  await query(
    server,
    'create trigger note_mark before update on campaigns for each row when (new.dirty and not old.dirty) execute function note_mark()',
  );
  const campaigns: string[] = [];
  for (const [chip, campaignState] of [
    [chips[0]!, 'paused'],
    [chips[1]!, 'draft'],
  ] as const) {
    const deployment = await deployed((await deviceBy(chip))!['id'], gateway.id, { state: 'planned', touched: false });
    const [row] = await query<{ campaign_id: string }>(server, 'select campaign_id from deployments where id = $1', [
      deployment,
    ]);
    await query(server, 'update campaigns set state = $2 where id = $1', [row!.campaign_id, campaignState]);
    campaigns.push(row!.campaign_id);
  }
  await gateway.presence({ online: false });
  const marked = await query<{ campaign_id: string }>(server, 'select distinct campaign_id from marks');
  await query(server, `update campaigns set state = 'completed', dirty = false where id = any($1)`, [campaigns]);
  await query(server, 'drop trigger note_mark on campaigns');
  expect(marked.map(({ campaign_id }) => campaign_id)).toEqual([campaigns[0]]);
});
