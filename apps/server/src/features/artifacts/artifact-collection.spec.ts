/** An artifact goes only by a person's hand, and never while something names it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Advisory, DeviceWhy } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, query, until } from '../fleet/fleet.fixture.js';
import { draftOf, makeScene, startCampaign, uploadArtifact } from '../reports/scripted-gateway.fixture.js';

jest.setTimeout(60_000);

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
}, 60_000);
afterAll(async () => {
  await server?.stop();
});
const remove = (sha256: string) => call(server, 'DELETE', `/api/v1/artifacts/${sha256}`);
const blobStore = () => server.platform.blobStore;

describe('deleting an artifact', () => {
  it('not while an advisory names it as the fix; afterwards row and bytes go', async () => {
    const model = freshName('model');
    const artifact = await uploadArtifact(server, model);
    const advisory = (
      await call(server, 'POST', '/api/v1/advisories', {
        body: {
          cve: 'CVE-2026-7001',
          title: 'x',
          severity: 'high',
          models: [{ model, affected: '<2.0.0', fixedBy: artifact.id }],
        },
      })
    ).json(Advisory);
    const refused = await remove(artifact.sha256);
    expect(refused.code).toBe('request.conflict');
    expect(refused.text).toContain('CVE-2026-7001');
    expect(await blobStore().has(artifact.sha256)).toBe(true);
    // Closed or not: what was exposed to it is still told by its fix.
    await call(server, 'POST', `/api/v1/advisories/${advisory.id}/close`, { headers: { 'if-match': '*' } });
    expect((await remove(artifact.sha256)).code).toBe('request.conflict');
    await call(server, 'DELETE', `/api/v1/advisories/${advisory.id}`, { headers: { 'if-match': '*' } });
    expect((await remove(artifact.sha256)).status).toBe(204);
    expect(await blobStore().has(artifact.sha256)).toBe(false);
    expect(await query(server, 'select 1 from artifacts where sha256 = $1', [artifact.sha256])).toEqual([]);
  });

  it('not while a campaign or an order names it', async () => {
    const { artifact, gateway, devices, model } = await makeScene(server, 1);
    await startCampaign(server, draftOf(artifact));
    await gateway.grantOf(devices[0]!);
    expect((await remove(artifact.sha256)).text).toContain('campaigns name it');
    const ahead = await uploadArtifact(server, model);
    await query(server, 'update orders set artifacts = artifacts || $2::text where gateway_id = $1', [
      gateway.id,
      ahead.sha256,
    ]);
    expect((await remove(ahead.sha256)).text).toContain('orders of these gateways');
  });

  it('one whose bytes are gone holds its deployments and says so; they go on when the bytes are back', async () => {
    const { artifact, gateway, devices } = await makeScene(server, 1);
    const bytes = (await blobStore().readAll(artifact.sha256))!;
    rmSync(join(server.dataDir, 'blobs', artifact.sha256.slice(0, 2), artifact.sha256.slice(2, 4), artifact.sha256));
    await startCampaign(server, draftOf(artifact));
    await until(async () => {
      const why = (await call(server, 'GET', `/api/v1/devices/${devices[0]!.id}/why`)).json(DeviceWhy);
      return why.deployments[0]?.reason.code === 'artifact.blob-missing';
    });
    expect(gateway.order?.grants ?? []).toEqual([]);
    const pending = await blobStore().begin();
    await pending.write(bytes);
    await pending.commit(artifact.sha256);
    await gateway.grantOf(devices[0]!);
  });
});
