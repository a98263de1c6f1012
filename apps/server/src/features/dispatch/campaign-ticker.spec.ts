import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { QUEUES, type Queues } from '../../adapters/queue/queues.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { draftOf, makeScene, startCampaign } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
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
