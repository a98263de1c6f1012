/**
 * A fleet whose gateways were cut off in mid-campaign: written in bulk, with ids that follow from their numbers, so that
 * a gateway's reports can be made when it sends them and need not be kept.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { DEPLOYMENT_STATES, Policy, generateSigningKey } from '@drydock/contracts';
import type { BenchFleet, BenchGateway } from '../report-fleet.js';

const hex = (text: string): string => createHash('md5').update(text).digest('hex');
/** Of a text, in the form that ids have (RFC 9562, version 8). The same in SQL: {@link UUID}. */
const uuid = (text: string): string => hex(text).replace(/^(.{8})(.{4}).(.{3}).(.{3})/, '$1-$2-8$3-8$4-');
const UUID = (text: string): string => `overlay(overlay(md5(${text}) placing '8' from 13) placing '8' from 17)::uuid`;

/** What gateway number `at` was granted: made anew at each call. */
export function deploymentsOf(at: number, each: number): BenchGateway['deployments'] {
  return Array.from({ length: each }, (_, n) => ({ id: uuid(`deployment-${at}-${n}`), serial: `sn-${at}-${n}` }));
}

/** @param each devices of a gateway, all granted. The gateways come without their deployments: see {@link deploymentsOf}. */
export async function writeReturningFleet(client: pg.Client, gateways: number, each: number): Promise<BenchFleet> {
  const runningHash = createHash('sha256').update('bench').digest('hex');
  const org = (await client.query<{ id: string }>('select id from orgs limit 1')).rows[0]!.id;
  const server = (await client.query<{ server_id: string }>('select server_id from installation')).rows[0]!.server_id;
  // Only while it is filled: what is measured is safe on disk.
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  await client.query('set session_replication_role = replica');
  await client.query('set synchronous_commit = off');
  const campaign = await writeCampaign(client, org, runningHash);
  const keys = await Promise.all(Array.from({ length: gateways }, () => generateSigningKey()));
  const made = keys.map(({ privateJwk, kid }, at) => ({
    id: uuid(`gateway-${at}`),
    epoch: hex(`epoch-${at}`),
    privateJwk,
    kid,
    deployments: [],
  }));
  await client.query(
    `with s as (insert into sites (org_id, name) values ($1, 'bench') returning id),
     g as (
       insert into gateways (id, org_id, site_id, name, public_jwk, key_fingerprint, epoch, online, in_flight, protocols)
       select x.id, $1, s.id, 'bench-' || x.id, x.jwk, x.kid, x.epoch, false, $6, '{smp}'
       from s, unnest($2::uuid[], $3::text[], $4::text[], $5::jsonb[]) as x(id, epoch, kid, jwk))
     insert into gateway_keys (fingerprint, gateway_id, public_jwk)
     select x.kid, x.id, x.jwk from unnest($2::uuid[], $3::text[], $4::text[], $5::jsonb[]) as x(id, epoch, kid, jwk)`,
    [
      org,
      made.map(({ id }) => id),
      made.map(({ epoch }) => epoch),
      keys.map(({ kid }) => kid),
      keys.map(({ publicJwk }) => JSON.stringify(publicJwk)),
      each,
    ],
  );
  await client.query(
    `create temporary table asked as
     select a as at, n, ${UUID("'gateway-' || a")} as gateway, ${UUID("'device-' || a || '-' || n")} as device,
       ${UUID("'deployment-' || a || '-' || n")} as deployment, md5('epoch-' || a) as epoch
     from generate_series(0, $1::int - 1) a, generate_series(0, $2::int - 1) n`,
    [gateways, each],
  );
  await client.query(
    `insert into devices (id, org_id, site_id, gateway_id, model, identity_kind, identity_value, protocol, running, fenced_until)
     select a.device, $1, g.site_id, a.gateway, 'bench', 'serial-number', 'sn-' || a.at || '-' || a.n, 'smp', '[]',
       now() + interval '2 hours'
     from asked a join gateways g on g.id = a.gateway`,
    [org],
  );
  await client.query(
    `insert into deployments (id, org_id, campaign_id, stage_idx, device_id, position, state, ordinal, attempt, gateway_id,
       epoch, granted_at, start_by, finish_by)
     select deployment, $1, $2, 0, device, at * $3 + n, 'granted', at * $3 + n, 1, gateway, epoch, now(),
       now() + interval '1 hour', now() + interval '2 hours'
     from asked`,
    [org, campaign, each],
  );
  await client.query(
    `insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at,
       start_by, finish_by)
     select deployment, 0, 1, $1, device, gateway, epoch, 'update', now(), now() + interval '1 hour', now() + interval '2 hours'
     from asked`,
    [campaign],
  );
  await client.query(`update campaign_counters set n = $2 where campaign_id = $1 and state = 'granted'`, [
    campaign,
    gateways * each,
  ]);
  await client.query('drop table asked');
  await client.query('analyze');
  await client.query('set session_replication_role = origin');
  await client.query('alter system set fsync = on');
  await client.query('select pg_reload_conf()');
  await client.query('checkpoint');
  return { orgId: org, serverId: server, campaignId: campaign, runningHash, gateways: made };
}

async function writeCampaign(client: pg.Client, org: string, runningHash: string): Promise<string> {
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
  const policy = Policy.parse({ stages: [{ name: 'all', percent: 100, gate: { maxFailureShare: 1 } }] });
  const campaign = (
    await client.query<{ id: string }>(
      `insert into campaigns (org_id, name, artifact_id, selector, policy, state, started_at, wake_at)
       values ($1, 'bench', $2, '{}', $3, 'running', now(), now() + interval '1 minute') returning id`,
      [org, artifact, JSON.stringify(policy)],
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
  return campaign;
}
