/** Properties against the real database: rules say in SQL and in words the same (P9); members are planned as the domain says. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { Policy, type Artifact } from '@drydock/contracts';
import { CANDIDATE_FROM, CANDIDATE_RULES, blockedBy, noRuleBlocks } from '../../domain/candidate/rules.js';
import { stageBounds } from '../../domain/campaign/check-policy.js';
import { startTestServer, type TestServer } from '../../testing.js';
import { call, freshName, makeSite, query } from '../fleet/fleet.fixture.js';
import { draftOf, startCampaign, uploadArtifact } from '../reports/scripted-gateway.fixture.js';
import { insert, makeGateways } from './rule-fleet.fixture.js';
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

/** Nulls and odd values in every column that a rule looks at. */
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    ...others.map((other) => ({ weight: 1, arbitrary: fc.constant(other) })),
  );
const member = fc.record({
  model: mostly<string | null>('MODEL', 'other', null),
  approved: mostly(true, false),
  gone: mostly<string | null>(null, 'scrapped', ''),
  deviceHold: mostly<string | null>(null, 'note', ''),
  protocol: mostly<string | null>('smp', 'other', null),
  fence: mostly<number | null>(null, -60, 60),
  notBefore: mostly<number | null>(null, -60, 60),
  gateway: fc.constantFrom(0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, null),
  links: mostly<string | null>('[{"link":"serial:/dev/x"}]', '[]', null),
  claimed: mostly(false, true),
  siteHold: mostly(false, true),
  battery: mostly<number | null>(null, 5, 80),
  zone: mostly<'open' | 'closed'>('open', 'closed'),
  group: mostly<'none' | 'fine' | 'out'>('none', 'fine', 'out'),
  stratum: mostly(0, 1, 1, 2, 2, 2),
});

type Member = typeof member extends fc.Arbitrary<infer T> ? T : never;
const USUAL: Member = {
  model: 'MODEL',
  approved: true,
  gone: null,
  deviceHold: null,
  protocol: 'smp',
  fence: null,
  notBefore: null,
  gateway: 0,
  links: '[{"link":"serial:/dev/x"}]',
  claimed: false,
  siteHold: false,
  battery: null,
  zone: 'open',
  group: 'none',
  stratum: 0,
};
/** One for each rule, with nothing else against it: whatever chance brings, every rule is met. */
const ONE_EACH: Member[] = [
  USUAL,
  ...[
    { model: 'other' },
    { approved: false },
    { gone: 'scrapped' },
    { deviceHold: 'note' },
    { protocol: 'other' },
    { fence: 60 },
    { notBefore: 60 },
    { gateway: null },
    { claimed: true },
    { siteHold: true },
    { battery: 5 },
    { zone: 'closed' as const },
    { group: 'out' as const },
    { stratum: 1 },
    { stratum: 2 },
    ...([2, 3, 4, 5, 6, 7, 8, 9] as const).map((gateway) => ({ gateway })),
  ].map((change) => ({ ...USUAL, ...change })),
];

async function makeRunningCampaign(artifact: Artifact): Promise<string> {
  const id = randomUUID();
  // Open for the next two hours in UTC, and twelve hours later in the other zone.
  const from = new Date(Date.now() - 3_600_000)
    .toISOString()
    .slice(0, 16)
    .replace(/^\d{4}-\d{2}-\d{2}/, '2024-01-01');
  const policy = Policy.parse({
    stages: [{ name: 'all', percent: 100 }],
    windows: [{ rule: 'FREQ=DAILY', from, durationMs: 3 * 3_600_000 }],
    minBatteryPercent: 20,
    limits: { inFlight: 1000, firstInFlight: 1000 },
    pace: { kind: 'ramp', startPerMinute: 1000, maxPerMinute: 1000 },
  });
  await insert(server, 'campaigns', {
    id,
    org_id: orgId,
    name: freshName('rules'),
    artifact_id: artifact.id,
    selector: '{}',
    policy: JSON.stringify(policy),
    state: 'running',
    // The engine leaves it alone.
    wake_at: '2200-01-01',
  });
  for (const stratum of [
    { idx: 0, in_first_stage: 1 },
    { idx: 1, in_first_stage: 1, stopped_at: new Date(), stopped_note: 'rang' },
    { idx: 2, in_first_stage: 0 },
  ]) {
    await insert(server, 'campaign_strata', { campaign_id: id, version: `1.${stratum.idx}`, size: 10, ...stratum });
  }
  await insert(server, 'campaign_stages', {
    campaign_id: id,
    idx: 0,
    name: 'all',
    percent: 100,
    gate: '{}',
    state: 'open',
  });
  return id;
}

/** An urgent campaign that runs, with one device planned behind the gateway. */
async function makeUrgent(artifact: Artifact, site: string, model: string, gateway: string): Promise<string> {
  const campaign = await makeRunningCampaign(artifact);
  await query(server, `update campaigns set policy = policy || '{"urgent":{"advisory":"CVE-2026-1"}}' where id = $1`, [
    campaign,
  ]);
  const device = randomUUID();
  await insert(server, 'devices', {
    id: device,
    org_id: orgId,
    site_id: site,
    gateway_id: gateway,
    model,
    identity_kind: 'chip-id',
    identity_value: device,
  });
  await insert(server, 'deployments', {
    org_id: orgId,
    campaign_id: campaign,
    stage_idx: 0,
    device_id: device,
    position: 1,
  });
  return campaign;
}

/** A redundancy group of which one may be out, with a mate that is in service or not. */
async function makeGroup(site: string, mateIsOut: boolean): Promise<string> {
  const group = randomUUID();
  await insert(server, 'redundancy_groups', { id: group, org_id: orgId, name: freshName('group'), max_out: 1 });
  const [gateway] = await makeGateways(server, orgId, site);
  const device = randomUUID();
  await insert(server, 'devices', {
    id: device,
    org_id: orgId,
    site_id: site,
    gateway_id: gateway,
    model: freshName('mate'),
    identity_kind: 'chip-id',
    identity_value: randomUUID(),
    redundancy_group_id: group,
    out_of_service: mateIsOut,
  });
  mates.set(group, device);
  return group;
}

const mates = new Map<string, string>();
async function rejoin(group: string): Promise<void> {
  await query(server, 'update devices set redundancy_group_id = $1 where id = $2', [group, mates.get(group)]);
}

/** Somebody of the stratum is being updated. */
async function underWayInStratum(campaign: string, site: string, model: string, stratum: number): Promise<void> {
  const device = randomUUID();
  await insert(server, 'devices', {
    id: device,
    org_id: orgId,
    site_id: site,
    model,
    identity_kind: 'chip-id',
    identity_value: device,
  });
  await insert(server, 'deployments', {
    org_id: orgId,
    campaign_id: campaign,
    stage_idx: 0,
    device_id: device,
    position: 1000,
    state: 'granted',
    stratum_idx: stratum,
    stratum_ordinal: 1,
    ordinal: 1,
  });
}

describe('P9: a rule is one object', () => {
  it('its SQL and its sentence agree, alone and together', async () => {
    const modelName = freshName('model');
    const artifact = await uploadArtifact(server, modelName);
    const site = await makeSite(server);
    const heldSite = await makeSite(server);
    await query(server, `update sites set hold_note = 'closed' where id = $1`, [heldSite]);
    const closedSite = await makeSite(server);
    await query(server, `update sites set zone = 'Etc/GMT+12' where id = $1`, [closedSite]);
    const gateways = await makeGateways(server, orgId, site);
    const groups = { fine: await makeGroup(site, false), out: await makeGroup(site, true) };
    const urgent = await makeUrgent(artifact, site, modelName, gateways[9]!);
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(member, { minLength: 10, maxLength: 40 }), async (drawn) => {
        const members = [...ONE_EACH, ...drawn];
        const campaign = await makeRunningCampaign(artifact);
        const other = await makeRunningCampaign(artifact);
        for (const [position, fields] of members.entries()) {
          const device = randomUUID();
          await insert(server, 'devices', {
            id: device,
            org_id: orgId,
            site_id: fields.siteHold ? heldSite : fields.zone === 'closed' ? closedSite : site,
            battery_percent: fields.battery,
            redundancy_group_id: fields.group === 'none' ? null : groups[fields.group],
            gateway_id: fields.gateway === null ? null : gateways[fields.gateway],
            model: fields.model === 'MODEL' ? modelName : fields.model,
            identity_kind: 'chip-id',
            identity_value: device,
            protocol: fields.protocol,
            approved: fields.approved,
            state: fields.gone === null ? 'active' : 'decommissioned',
            state_note: fields.gone,
            hold_note: fields.deviceHold,
            fenced_until: fields.fence === null ? null : new Date(Date.now() + fields.fence * 1000),
          });
          if (fields.gateway !== null && fields.links !== null) {
            await insert(server, 'device_gateways', {
              device_id: device,
              gateway_id: gateways[fields.gateway],
              links: fields.links,
            });
          }
          await insert(server, 'deployments', {
            org_id: orgId,
            campaign_id: campaign,
            stage_idx: 0,
            device_id: device,
            position,
            stratum_idx: fields.stratum,
            not_before: fields.notBefore === null ? null : new Date(Date.now() + fields.notBefore * 1000),
          });
          if (fields.claimed) {
            await insert(server, 'deployments', {
              org_id: orgId,
              campaign_id: other,
              stage_idx: 0,
              device_id: device,
              position,
              state: 'granted',
            });
          }
        }
        await insert(server, 'campaign_quarantines', {
          campaign_id: campaign,
          kind: 'gateway',
          ref_id: gateways[8],
          note: 'fails more than the others',
          evidence: '{}',
        });
        await underWayInStratum(campaign, site, modelName, 2);
        const params = {
          now: 'now()',
          perGateway: '4',
          perSite: 'null',
          minBattery: '20',
          openZones: `'{UTC}'`,
          urgent: `'{${urgent}}'`,
        };
        const flags = CANDIDATE_RULES.map((rule) => `(${blockedBy(rule, params)}) as "${rule.name}"`).join(', ');
        const rows = await query<Record<string, unknown>>(
          server,
          `select dep.id, (${noRuleBlocks(params, 'update')}) as candidate, ${flags} from ${CANDIDATE_FROM}
           where dep.campaign_id = $1 and dep.state = 'planned'`,
          [campaign],
        );
        const whys = await server.app.get(WhyService).campaign(orgId, campaign, { limit: 500 });
        expect(whys.items).toHaveLength(members.length + 1);
        for (const row of rows) {
          const why = whys.items.find((item) => item.deploymentId === row['id'])!;
          // Never null, so that "not" means what it says.
          for (const rule of CANDIDATE_RULES) expect(typeof row[rule.name]).toBe('boolean');
          const first = CANDIDATE_RULES.find((rule) => row[rule.name] === true);
          expect(row['candidate']).toBe(first === undefined);
          seen.add(why.reason.code);
          if (first)
            expect({ rule: first.name, code: why.reason.code }).toEqual({
              rule: first.name,
              code: CODE_OF[first.name],
            });
          else expect(why.reason.code).toBe('engine.due');
        }
        await query(server, 'delete from deployments where campaign_id = any($1)', [[campaign, other]]);
        // Members of a group would be each other's mates in the next run.
        await query(server, 'update devices set redundancy_group_id = null where model is distinct from $1', ['']);
        for (const group of Object.values(groups)) await rejoin(group);
      }),
      { numRuns: 8, endOnFailure: true },
    );
    await query(server, 'delete from deployments where campaign_id = $1', [urgent]);
    await query(server, `update campaigns set state = 'completed' where id = $1`, [urgent]);
    expect([...seen].sort()).toEqual([...new Set(['engine.due', ...Object.values(CODE_OF)])].sort());
  });
});

const CODE_OF: Record<string, string> = {
  'other-model': 'device.other-model',
  decommissioned: 'device.decommissioned',
  unapproved: 'device.unapproved',
  'device-hold': 'device.hold',
  'site-hold': 'site.hold',
  claimed: 'device.claimed',
  fence: 'fence.open',
  'retry-later': 'retry.later',
  'no-gateway': 'gateway.none',
  'gateway-state': 'gateway.quarantined',
  'gateway-hold': 'gateway.hold',
  'gateway-offline': 'gateway.offline',
  'no-protocol': 'gateway.no-protocol',
  'gateway-full': 'gateway.full',
  'stratum-stopped': 'stopped.stratum',
  quarantine: 'gateway.quarantined',
  battery: 'battery.low',
  window: 'window.closed',
  redundancy: 'redundancy.group',
  'stratum-first': 'stratum.first',
  'urgent-first': 'campaign.urgent-first',
};

describe('planning', () => {
  it('is stable, proportional, and cuts stages as the domain says', async () => {
    const model = freshName('model');
    const artifact = await uploadArtifact(server, model);
    const site = await makeSite(server);
    await query(
      server,
      `insert into devices (org_id, site_id, model, identity_kind, identity_value, running_version)
       select $1, $2, $3, 'chip-id', 'plan-' || n, case when n <= 5 then '1.0.' || n when n <= 8 then '9.0.0' else '1.1.0' end
       from generate_series(1, 108) as n`,
      [orgId, site, model],
    );
    const percents = [3, 17, 30, 50];
    const stages = percents.map((percent, index) => ({ name: `s${index}`, percent, gate: { maxFailureShare: 1 } }));
    const campaign = await startCampaign(server, draftOf(artifact, { stages }));
    // The three that run 9.0.0 would be a downgrade.
    expect(campaign.counts).toEqual({ planned: 105, skipped: 3 });
    const bounds = stageBounds(percents, 105);
    const sizes = campaign.stages.map((stage) => stage.sums.total - stage.sums.skipped);
    expect(sizes).toEqual(bounds.map((bound, index) => bound - (bounds[index - 1] ?? 0)));
    // Every version that runs somewhere is among the first: one free seat for each stratum.
    const first = await query<{ v: string }>(
      server,
      `select v.running_version as v from deployments d join devices v on v.id = d.device_id
       where d.campaign_id = $1 and d.position <= 6 order by d.position`,
      [campaign.id],
    );
    expect(new Set(first.map((row) => row.v)).size).toBe(6);
    await call(server, 'POST', `/api/v1/campaigns/${campaign.id}/abort`, { body: { reason: 'done' } });
  });
});
