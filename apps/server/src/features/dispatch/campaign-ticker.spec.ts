import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { makeSite, query, until } from '../fleet/fleet.fixture.js';
import { draftOf, makeScene, startCampaign } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  // Orders that cannot be published are complained of.
  server = await startTestServer({ settings: { DRYDOCK_LOG_LEVEL: 'fatal' } });
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

it('P5: looks at a campaign that is overdue although the queue has it and nobody works', async () => {
  const { gateway, devices, artifact } = await makeScene(server, 1);
  // The queue takes jobs, and the process that would do them is gone.
  const { defined } = server.app.get<Queues>(QUEUES) as unknown as {
    defined: Map<string, { worker?: { close(force: boolean): Promise<void> } }>;
  };
  await defined.get('campaign-tick')!.worker!.close(true);
  await startCampaign(server, draftOf(artifact));
  const grant = await gateway.grantOf(devices[0]!);
  expect(grant.attempt).toBe(1);
});

it('P5: a database that fails under both lanes of the orders costs neither the process nor an order', async () => {
  await query(server, 'create sequence refusals');
  await query(
    server,
    `create function refuse_order() returns trigger language plpgsql as $$ begin
       if old.revision = 1000 then perform nextval('refusals'); raise exception 'no'; end if;
       return new; end $$`,
  );
  await query(server, 'create trigger refuse before update on orders for each row execute function refuse_order()');
  // The first batch takes something back and is built; the lanes that follow it both fail. A rejection that nobody hears
  // would end the process, and ends the test.
  await query(
    server,
    `with made as (
       insert into gateways (org_id, site_id, name, public_jwk, key_fingerprint, online)
       select org_id, id, 'many-' || n, '{}', 'many-' || n, true from sites, generate_series(1, 1000) n where id = $1
       returning id, name)
     insert into orders (gateway_id, revision, dirty, withdraws)
     select id, case when nr <= 250 then 1 else 1000 end, true, nr <= 250 from (select id, row_number() over () as nr from made) m`,
    [await makeSite(server)],
  );
  const refused = async (): Promise<number> =>
    Number((await query(server, 'select last_value from refusals'))[0]!['last_value']);
  await until(async () => (await refused()) >= 6);
  await query(server, 'drop trigger refuse on orders');
  const unpublished = async (): Promise<unknown> =>
    (await query(server, 'select count(*)::int as n from orders where published_at is null'))[0]!['n'];
  await until(async () => (await unpublished()) === 0);
});
