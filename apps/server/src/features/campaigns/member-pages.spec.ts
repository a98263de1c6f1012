/** Pages of some members show each of them once, in the campaign's order, whatever stages and states lie between. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { DeploymentPage, WhyPage } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, query } from '../fleet/fleet.fixture.js';
import { draftOf, makeScene, startCampaign } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(() => server?.stop());

it('walks the states of all stages in one order', async () => {
  const { artifact } = await makeScene(server, 24);
  const gate = { maxFailureShare: 1 };
  const stages = [
    { name: 'first', percent: 50, gate },
    { name: 'rest', percent: 50, gate },
  ];
  const { id } = await startCampaign(server, draftOf(artifact, { stages, startAt: '2099-01-01T00:00:00Z' }));
  // States as they may be mixed late in a campaign; nothing else looks at it before its start.
  await query(
    server,
    `update deployments set state = (array['proven', 'failed', 'planned', 'lost'])[1 + position % 4] where campaign_id = $1`,
    [id],
  );
  const inOrder = async (where: string): Promise<string[]> =>
    (
      await query<{ id: string }>(
        server,
        `select id from deployments where campaign_id = $1 and ${where} order by position, id`,
        [id],
      )
    ).map((row) => row.id);
  const walk = async (path: string, schema: typeof DeploymentPage | typeof WhyPage): Promise<string[]> => {
    const seen: string[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const place: string = after === '' ? '' : `&after=${after}`;
      const answer = (await call(server, 'GET', `/api/v1/campaigns/${id}/${path}limit=3${place}`)).json(schema);
      seen.push(...answer.items.map((item) => ('deploymentId' in item ? item.deploymentId : item.id)));
      after = answer.next;
    }
    return seen;
  };
  expect(await walk('deployments?', DeploymentPage)).toEqual(await inOrder('true'));
  expect(await walk('deployments?state=failed&', DeploymentPage)).toEqual(await inOrder("state = 'failed'"));
  expect(await walk('deployments?stage=1&', DeploymentPage)).toEqual(await inOrder('stage_idx = 1'));
  expect(await walk('deployments?state=lost&stage=0&', DeploymentPage)).toEqual(
    await inOrder("state = 'lost' and stage_idx = 0"),
  );
  expect(await walk('why?', WhyPage)).toEqual(await inOrder("state <> 'proven'"));
});
