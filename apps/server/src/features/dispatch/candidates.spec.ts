/** Where many may start at once, no gateway waits for its first device until the order of the campaign comes to it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { startTestServer, type TestServer } from '../../testing.js';
import { query } from '../fleet/fleet.fixture.js';
import { draftOf, makeScene, ScriptedGateway, startCampaign } from '../reports/scripted-gateway.fixture.js';
import { chooseFrom, findCandidates } from './candidates.js';

jest.setTimeout(60_000);
/** More than a look reads from the front and from the stretch behind it. */
const CROWD = 6_500;
const ROOM = 1_500;
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(() => server?.stop());

/** Copies a row once for each id, with other values in some columns. */
async function copies(
  table: string,
  where: string,
  other: Readonly<Record<string, string>>,
  ids: readonly string[],
  values: readonly unknown[],
): Promise<void> {
  const columns = await query<{ name: string }>(
    server,
    `select column_name as name from information_schema.columns where table_name = $1 and is_generated = 'NEVER'`,
    [table],
  );
  const names = columns.map(({ name }) => name);
  await query(
    server,
    `insert into ${table} (${names.join(', ')}) select ${names.map((name) => other[name] ?? `o.${name}`).join(', ')}
     from ${table} o, unnest($1::uuid[]) with ordinality as x(id, at) where ${where}`,
    [ids, ...values],
  );
}

it('finds the only device of an idle gateway at the end of the order', async () => {
  const { site, model, gateway, devices, artifact } = await makeScene(server, 1);
  const last = await ScriptedGateway.start(server, site);
  const [lonely] = await last.sees(1, model);
  const policy = {
    startAt: '2099-01-01T00:00:00Z',
    stages: [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }],
  };
  const { id } = await startCampaign(server, draftOf(artifact, policy));
  // A crowd like the first device behind the first gateway, all of it before the lonely one.
  const crowd = Array.from({ length: CROWD }, () => randomUUID());
  await copies('devices', 'o.id = $2', { id: 'x.id', identity_value: `'crowd-' || x.id` }, crowd, [devices[0]!.id]);
  await copies('device_gateways', 'o.device_id = $2', { device_id: 'x.id' }, crowd, [devices[0]!.id]);
  await copies(
    'deployments',
    'o.device_id = $2 and o.campaign_id = $3',
    { id: 'gen_random_uuid()', device_id: 'x.id', position: 'x.at' },
    crowd,
    [devices[0]!.id, id],
  );
  await query(server, 'update deployments set position = 1000000 where campaign_id = $1 and device_id = $2', [
    id,
    lonely!.id,
  ]);
  await query(server, 'update gateways set in_flight = 1 where id = $1', [gateway.id]);

  const facts = {
    startMs: 60_000,
    perGateway: 4,
    perSite: null,
    minBattery: null,
    openZones: null,
    urgentOthers: null,
    zones: null,
  };
  const look = async (room: number): Promise<string[]> => {
    const request = { mode: 'update', room, stages: [0] } as const;
    const start = { stage: -1, position: 0 };
    const { rows } = await findCandidates(server.dataSource.manager, { id, nowMs: Date.now() }, request, facts, start);
    return chooseFrom(rows, room, facts).map((candidate) => candidate.gatewayId);
  };
  const chosen = await look(ROOM);
  expect(chosen.filter((each) => each === last.id)).toHaveLength(1);
  expect(chosen.filter((each) => each === gateway.id)).toHaveLength(3);
  // With little room the order of the campaign holds.
  expect(await look(3)).toEqual([gateway.id, gateway.id, gateway.id]);
});
