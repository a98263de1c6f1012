/** A property against the real database: counters equal a recount, after any history (P10). */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Envelope } from '@drydock/contracts';
import { startTestServer, type TestServer } from '../../testing.js';
import { CampaignEngine } from '../dispatch/campaign-engine.js';
import { call, freshName, makeSite, query } from '../fleet/fleet.fixture.js';
import { readBatch } from '../reports/batch-reader.js';
import { ReportCommitter } from '../reports/report-committer.js';
import { draftOf, startCampaign, uploadArtifact } from '../reports/scripted-gateway.fixture.js';
import { recount } from './recount.js';
import { makeGateways } from './rule-fleet.fixture.js';
import { WhyService } from './why.service.js';

jest.setTimeout(120_000);
let server: TestServer;
let orgId: string;
beforeAll(async () => {
  server = await startTestServer();
  orgId = (await query<{ id: string }>(server, 'select id from orgs'))[0]!.id;
});
afterAll(async () => {
  await server?.stop();
});

/** Everything that moves deployments, in any order. */
const happening = fc.record({
  what: fc.constantFrom('report', 'report', 'report', 'report', 'tick', 'time', 'pause', 'resume', 'cancel'),
  pick: fc.nat(999),
  kind: fc.constantFrom(
    'downloading',
    'touched',
    'erased',
    'activating',
    'proving',
    'withdrawn',
    'proven',
    'failed',
    'skipped',
    'rescue',
  ),
  stale: fc.constantFrom(false, false, false, true),
});

describe('P10: counters equal a recount', () => {
  it('after any history', async () => {
    const engine = server.app.get(CampaignEngine);
    const committer = server.app.get(ReportCommitter);
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 20, maxLength: 60 }), async (history) => {
        const model = freshName('model');
        const artifact = await uploadArtifact(server, model);
        const site = await makeSite(server);
        const [gateway] = await makeGateways(server, orgId, site);
        const epoch = randomBytes(16).toString('hex');
        await query(server, 'update gateways set epoch = $2 where id = $1', [gateway, epoch]);
        await query(
          server,
          `with d as (insert into devices (org_id, site_id, gateway_id, model, identity_kind, identity_value, protocol)
             select $1, $2, $3, $4, 'chip-id', $4 || n, 'smp' from generate_series(1, 6) as n returning id)
           insert into device_gateways (device_id, gateway_id, links) select id, $3, '[{"link":"serial:/dev/x"}]' from d`,
          [orgId, site, gateway, model],
        );
        const retry = { link: { maxAttempts: 4, backOffMs: 0 } };
        const campaign = await startCampaign(server, draftOf(artifact, { retry, timeouts: { startMs: 60_000 } }));
        let seq = 0;
        for (const event of history) {
          const rows = await query<{ id: string; device_id: string; attempt: number; identity: string }>(
            server,
            `select d.id, d.device_id, d.attempt, v.identity_value as identity from deployments d join devices v on v.id = d.device_id
             where d.campaign_id = $1 order by d.position`,
            [campaign.id],
          );
          const row = rows[event.pick % rows.length]!;
          if (event.what === 'report') {
            const attempt = Math.max(1, row.attempt - (event.stale ? 1 : 0));
            const ref = { deployment: row.id, reign: 0, attempt };
            const identity = { kind: 'chip-id', value: row.identity };
            const endings = ['proven', 'failed', 'skipped', 'rescue'];
            const report = endings.includes(event.kind)
              ? {
                  kind: 'ended',
                  ref,
                  outcome: event.kind === 'rescue' ? 'failed' : event.kind,
                  touched: event.kind !== 'skipped',
                  needsRescue: event.kind === 'rescue',
                  sentBytes: 1,
                  durationMs: 1,
                  identity,
                  before: [{ image: 0, hash: '00'.repeat(32) }],
                  after: [{ image: 0, hash: artifact.runningHashes[0] }],
                  ...(['failed', 'rescue'].includes(event.kind) && { code: 'link.lost' }),
                }
              : {
                  kind: event.kind,
                  ref,
                  ...(event.kind === 'withdrawn' && { why: 'superseded' }),
                  ...(event.kind === 'touched' && { identity, before: [] }),
                };
            const envelope = {
              must: [],
              bodyVersion: 1,
              body: {
                of: epoch,
                firstSeq: seq + 1,
                nonce: '0'.repeat(32),
                reports: [{ ...report, seq: seq + 1, atMs: null }],
              },
            } as unknown as Envelope;
            seq += 1;
            const batch = readBatch(envelope)!;
            await committer.commit([{ origin: { orgId, gatewayId: gateway!, epoch, of: epoch }, batch }]);
          } else if (event.what === 'tick') {
            await engine.tick(campaign.id);
          } else if (event.what === 'time') {
            await query(
              server,
              `update deployments set start_by = start_by - interval '1 hour', finish_by = finish_by - interval '1 hour'
               where id = $1`,
              [row.id],
            );
            await engine.tick(campaign.id);
          } else if (event.what === 'cancel') {
            await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/devices/${row.device_id}/cancel`, {
              body: { reason: 'r', mode: event.pick % 2 ? 'safe-point' : 'before-start' },
            });
          } else if (event.what === 'pause' || event.what === 'resume') {
            await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/${event.what}`, { body: { reason: 'r' } });
          }
        }
        expect(await recount(server.dataSource.manager, campaign.id)).toEqual({ equal: true, differences: [] });
        const [slots] = await query<{ in_flight: number; holding: number }>(
          server,
          `select g.in_flight, (select count(*)::int from deployments d where d.gateway_id = g.id and d.state in
             ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling')) as holding
           from gateways g where g.id = $1`,
          [gateway],
        );
        expect(slots!.in_flight).toBe(slots!.holding);
        // P9: exactly one reason for every member, at any moment.
        const whys = await server.app.get(WhyService).campaign(orgId, campaign.id, { limit: 500 });
        for (const why of whys.items) expect(why.reason.sentence).not.toBe('');
        await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
      }),
      // Each history costs a campaign: shrinking would take minutes, the seed tells enough.
      { numRuns: 12, endOnFailure: true },
    );
    expect(
      (await recount(server.dataSource.manager)).differences.filter((row) => row.counter.startsWith('campaign')),
    ).toEqual([]);
  });
});
