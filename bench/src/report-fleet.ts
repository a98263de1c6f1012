/** Writes a fleet in mid-campaign straight into the database: gateways with keys, devices, deployments under way. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { DEPLOYMENT_STATES, Policy, generateSigningKey, type PrivateJwk } from '@drydock/contracts';

export interface BenchGateway {
  readonly id: string;
  readonly privateJwk: PrivateJwk;
  /** Fingerprint of its key; computed where it is left out. */
  readonly kid?: string;
  readonly epoch: string;
  readonly deployments: { readonly id: string; readonly serial: string }[];
}

export interface BenchFleet {
  readonly orgId: string;
  readonly serverId: string;
  readonly campaignId: string;
  readonly runningHash: string;
  readonly gateways: BenchGateway[];
}

/** @param devices on each gateway, all granted in one campaign. */
export async function writeFleet(client: pg.Client, gateways: number, devices: number): Promise<BenchFleet> {
  const runningHash = createHash('sha256').update('bench').digest('hex');
  const org = (await client.query<{ id: string }>('select id from orgs limit 1')).rows[0]!.id;
  const server = (await client.query<{ server_id: string }>('select server_id from installation')).rows[0]!.server_id;
  const site = (
    await client.query<{ id: string }>(`insert into sites (org_id, name) values ($1, 'bench') returning id`, [org])
  ).rows[0]!.id;
  const artifact = (
    await client.query<{ id: string }>(
      `insert into artifacts (org_id, sha256, size_bytes, file_name, format, model, version, running_hashes, description, signature_state)
       values ($1, $2, 1000, 'bench.bin', 'mcuboot', 'bench', '2.0.0', array[$2], $3, 'present') returning id`,
      [
        org,
        runningHash,
        JSON.stringify({ format: 'mcuboot', protocols: ['smp'], images: [{ image: 0, runningHash }] }),
      ],
    )
  ).rows[0]!.id;
  const campaign = (
    await client.query<{ id: string }>(
      `insert into campaigns (org_id, name, artifact_id, selector, policy, state, started_at, wake_at)
       values ($1, 'bench', $2, '{}', $3, 'running', now(), now() + interval '1 minute') returning id`,
      [
        org,
        artifact,
        JSON.stringify(Policy.parse({ stages: [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }] })),
      ],
    )
  ).rows[0]!.id;
  await client.query(
    `insert into campaign_stages (campaign_id, idx, name, percent, gate, state, opened_at, deadline_at)
     values ($1, 0, 'all', 100, '{}', 'open', now(), now() + interval '1 day')`,
    [campaign],
  );
  await client.query(
    `insert into campaign_counters (campaign_id, stage_idx, state, n) select $1, 0, state, 0 from unnest($2::text[]) as x(state)`,
    [campaign, DEPLOYMENT_STATES],
  );
  const made: BenchGateway[] = [];
  for (let index = 0; index < gateways; index += 1) {
    made.push(await writeGateway(client, { org, site, campaign, index, devices }));
  }
  await client.query(
    `update campaign_counters set n = (select count(*) from deployments where campaign_id = $1) where campaign_id = $1 and state = 'granted'`,
    [campaign],
  );
  await client.query('analyze');
  return { orgId: org, serverId: server, campaignId: campaign, runningHash, gateways: made };
}

/** Gateways with keys and devices under way in a campaign that is there already: what reports while others read. */
export async function addReportingGateways(
  client: pg.Client,
  into: { readonly campaignId: string; readonly runningHash: string },
  gateways: number,
  devices: number,
): Promise<BenchFleet> {
  const org = (await client.query<{ id: string }>('select id from orgs limit 1')).rows[0]!.id;
  const server = (await client.query<{ server_id: string }>('select server_id from installation')).rows[0]!.server_id;
  const site = (
    await client.query<{ id: string }>(`insert into sites (org_id, name) values ($1, 'reporting') returning id`, [org])
  ).rows[0]!.id;
  const made: BenchGateway[] = [];
  for (let index = 0; index < gateways; index += 1) {
    made.push(await writeGateway(client, { org, site, campaign: into.campaignId, index, devices }));
  }
  await client.query(
    `update campaign_counters set n = n + $2 where campaign_id = $1 and stage_idx = 0 and state = 'granted'`,
    [into.campaignId, gateways * devices],
  );
  return { orgId: org, serverId: server, ...into, gateways: made };
}

async function writeGateway(
  client: pg.Client,
  to: { org: string; site: string; campaign: string; index: number; devices: number },
): Promise<BenchGateway> {
  const { privateJwk, publicJwk, kid } = await generateSigningKey();
  const id = randomUUID();
  const epoch = randomBytes(16).toString('hex');
  await client.query(
    `insert into gateways (id, org_id, site_id, name, public_jwk, key_fingerprint, epoch, online, in_flight, protocols)
     values ($1, $2, $3, $4, $5, $6, $7, true, $8, '{smp}')`,
    [id, to.org, to.site, `bench-${to.index}`, JSON.stringify(publicJwk), kid, epoch, to.devices],
  );
  await client.query('insert into gateway_keys (fingerprint, gateway_id, public_jwk) values ($1, $2, $3)', [
    kid,
    id,
    JSON.stringify(publicJwk),
  ]);
  const { rows } = await client.query<{ id: string; serial: string }>(
    `with devs as (
       insert into devices (org_id, site_id, gateway_id, model, identity_kind, identity_value, protocol, running, fenced_until)
       select $1, $2, $3, 'bench', 'serial-number', 'sn-' || $4::text || '-' || n, 'smp', '[]', now() + interval '2 hours'
       from generate_series(1, $5::int) as n returning id, identity_value),
     deps as (
       insert into deployments (org_id, campaign_id, stage_idx, device_id, position, state, ordinal, attempt, gateway_id, epoch,
         granted_at, start_by, finish_by)
       select $1, $6, 0, id, row_number() over (), 'granted', row_number() over (), 1, $3, $7, now(), now() + interval '1 hour',
         now() + interval '2 hours' from devs returning id, device_id, granted_at, start_by, finish_by),
     tried as (
       insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at, start_by, finish_by)
       select id, 0, 1, $6, device_id, $3, $7, 'update', granted_at, start_by, finish_by from deps)
     select deps.id, devs.identity_value as serial from deps join devs on devs.id = deps.device_id`,
    [to.org, to.site, id, to.index, to.devices, to.campaign, epoch],
  );
  return { id, privateJwk, epoch, deployments: rows };
}
