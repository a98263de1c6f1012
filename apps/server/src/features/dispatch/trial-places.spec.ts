/** The place of a trial among those of its gateway and site is known from its grant on, and its failure carries it. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { startTestServer, type TestServer } from '../../testing.js';
import { query, until } from '../fleet/fleet.fixture.js';
import { draftOf, ended, makeScene, startCampaign, touched } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(() => server?.stop());

it('keeps the place of a trial when it is tried again there', async () => {
  const { gateway, artifact } = await makeScene(server, 4);
  const retry = { device: { maxAttempts: 2, backOffMs: 0 } };
  const campaign = await startCampaign(server, draftOf(artifact, { retry }));
  await until(() => gateway.order?.grants.length === 4);
  const third = (
    await query<{ id: string }>(server, 'select id from deployments where campaign_id = $1 and ordinal = 3', [
      campaign.id,
    ])
  )[0]!.id;
  for (const attempt of [1, 2]) {
    const grantOf = () =>
      gateway.order!.grants.find((grant) => grant.deployment === third && grant.attempt === attempt);
    await until(() => grantOf() !== undefined);
    await gateway.report(touched(grantOf()!), ended(grantOf()!, 'failed', { code: 'target.busy' }));
  }
  const places = await query(
    server,
    `select d.ordinal::int as ordinal, a.attempt, a.gateway_rank::int as gateway, a.site_rank::int as site
     from attempts a join deployments d on d.id = a.deployment_id where a.campaign_id = $1 order by 1, 2`,
    [campaign.id],
  );
  expect(places).toEqual(
    [1, 2, 3, 3, 4].map((place, index) => ({
      ordinal: place,
      attempt: index === 3 ? 2 : 1,
      gateway: place,
      site: place,
    })),
  );
  const marks = await query(
    server,
    'select distinct gateway_rank::int as gateway, site_rank::int as site from brake_marks where campaign_id = $1',
    [campaign.id],
  );
  expect(marks).toEqual([{ gateway: 3, site: 3 }]);
});
