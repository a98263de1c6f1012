/** Silence: whose it is. */
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { PauseAnswer } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { query, until } from '../fleet/fleet.fixture.js';
import {
  act,
  downloading,
  draftOf,
  makeScene,
  startCampaign,
  step,
  touched,
} from '../reports/scripted-gateway.fixture.js';
import { CampaignEngine } from './campaign-engine.js';

jest.setTimeout(60_000);
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});

it('a device is overdue only once its gateway could have told of it, not when it is first heard again', async () => {
  const { gateway, devices, artifact } = await makeScene(server, 2);
  const { id } = await startCampaign(server, draftOf(artifact));
  const [grant, other] = [await gateway.grantOf(devices[0]!), await gateway.grantOf(devices[1]!)];
  await gateway.report(downloading(grant), touched(grant), step(grant, 'erased'), step(grant, 'activating'));
  const engine = server.app.get(CampaignEngine, { strict: false });
  const overdue = async (): Promise<number> => {
    // The server looks by itself, too.
    await until(async () => (await engine.tick(id)) !== 'busy');
    const rows = await query(server, `select 1 from brake_marks where campaign_id = $1 and test = 'overdue'`, [id]);
    return rows.length;
  };
  // Everybody was away for the time in which it should have been proven; the gateway is heard again just now.
  await query(server, 'update campaigns set overdue_ms = 1000 where id = $1', [id]);
  await query(server, `update report_cursors set last_at = clock_timestamp() - interval '4.9 seconds'`);
  await query(server, `update deployments set at_risk_at = clock_timestamp() - interval '5 seconds' where id = $1`, [
    grant.deployment,
  ]);
  await query(server, 'update gateways set last_seen_at = clock_timestamp()');
  expect(await overdue()).toBe(0);
  // It reports, and still says nothing of the device.
  await gateway.report(downloading(other));
  expect(await overdue()).toBe(1);

  // With nothing else to report it is believed after the time in which it repeats what was not acknowledged.
  await query(server, `delete from brake_marks where campaign_id = $1`, [id]);
  await query(server, `update report_cursors set last_at = clock_timestamp() - interval '10 minutes'`);
  expect(await overdue()).toBe(0);
  await query(server, `update deployments set at_risk_at = clock_timestamp() - interval '5 minutes' where id = $1`, [
    grant.deployment,
  ]);
  expect(await overdue()).toBe(1);
  await act(server, id, 'abort', PauseAnswer);
});
