/** A large fleet, written in bulk: sites in four zones, gateways of which some are offline, devices of twelve versions. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';

const DEVICES_PER_GATEWAY = 20;
const GATEWAYS_PER_SITE = 100;
const LEAST_SITES = 50;
const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo'];

export interface LargeFleet {
  readonly orgId: string;
  readonly model: string;
  readonly artifactId: string;
  /** Of the artifact's image, as devices that run it say. */
  readonly runningHash: string;
  readonly gateways: number;
  readonly sites: number;
}

/**
 * @param dataDir of the server: the artifact's bytes go into its blob folder.
 * @param devices how many; their model and the artifact for it are called after `name`.
 * @param offline share of the gateways that are not there.
 */
export async function writeLargeFleet(
  client: pg.Client,
  dataDir: string,
  name: string,
  devices: number,
  offline: number,
  perGateway = DEVICES_PER_GATEWAY,
): Promise<LargeFleet> {
  const org = (await client.query<{ id: string }>('select id from orgs limit 1')).rows[0]!.id;
  const gateways = Math.ceil(devices / perGateway);
  const sites = Math.max(LEAST_SITES, Math.ceil(gateways / GATEWAYS_PER_SITE));
  const restore = await withoutIndexes(client);
  await client.query(
    `insert into sites (org_id, name, zone)
     select $1, $2 || '-' || lpad(n::text, 5, '0'), ($4::text[])[1 + n % 4] from generate_series(0, $3::int - 1) n`,
    [org, name, sites, ZONES],
  );
  await client.query(
    `insert into gateways (org_id, site_id, name, public_jwk, key_fingerprint, epoch, online, protocols, last_seen_at)
     select $1, s.id, $2 || '-' || n, '{}', $2 || '-' || n, md5($2 || n), hashtext('online' || n) & 1023 >= $5::float8 * 1024,
       '{smp}', now()
     from generate_series(0, $3::int - 1) n
       join (select id, row_number() over (order by name) - 1 as at from sites where org_id = $1 and name like $2 || '-%') s
         on s.at = n % $4`,
    [org, name, gateways, sites, offline],
  );
  await client.query(
    `insert into devices (org_id, site_id, gateway_id, model, name, identity_kind, identity_value, protocol, links, running,
       running_version, last_seen_at)
     select $1, g.site_id, g.id, $2, $2 || '-' || n, 'serial-number', $2 || '-' || n, 'smp', '["ble:0"]',
       jsonb_build_array(jsonb_build_object('image', 0, 'version', v.version, 'hash', v.hash)), v.version, now()
     from generate_series(0, $3::int - 1) n
       join (select id, site_id, row_number() over (order by name) - 1 as at from gateways where org_id = $1 and name like $2 || '-%') g
         on g.at = n % $4
       cross join lateral (select '1.' || least(11, (hashtext('v' || n) & 65535) / 9000 + (hashtext('w' || n) & 3)) || '.0' as version) w
       cross join lateral (select w.version, md5(w.version) || md5(w.version) as hash) v`,
    [org, name, devices, gateways],
  );
  await client.query(
    `insert into device_gateways (device_id, gateway_id, links)
     select id, gateway_id, links from devices where org_id = $1 and model = $2`,
    [org, name],
  );
  // One device in fifty is one of a pair that must not be out of service together.
  await client.query(
    `with paired as (
       select id, name, dense_rank() over (order by gateway_id) as pair from devices
       where org_id = $1 and model = $2 and hashtext(id::text) & 63 = 0),
     groups as (
       insert into redundancy_groups (org_id, name) select distinct $1::uuid, $2 || '-' || pair from paired returning id, name)
     update devices d set redundancy_group_id = g.id from paired p join groups g on g.name = $2 || '-' || p.pair where d.id = p.id`,
    [org, name],
  );
  const hash = storeBlob(dataDir, name);
  const artifactId = (
    await client.query<{ id: string }>(
      `insert into artifacts (org_id, sha256, size_bytes, file_name, format, model, version, running_version, running_hashes,
         description, signature_state)
       values ($1, $2, 250000, 'bench.bin', 'mcuboot', $3, '2.0.0', '2.0.0', array[$2], $4, 'present') returning id`,
      [
        org,
        hash,
        name,
        JSON.stringify({ format: 'mcuboot', protocols: ['smp'], images: [{ image: 0, runningHash: hash }] }),
      ],
    )
  ).rows[0]!.id;
  await restore();
  await client.query('analyze');
  return { orgId: org, model: name, artifactId, runningHash: hash, gateways, sites };
}

/** Filling a table and then indexing it is several times quicker. Constraints of rows we make are not checked one by one. */
async function withoutIndexes(client: pg.Client): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ name: string; def: string }>(
    `select i.relname as name, pg_get_indexdef(x.indexrelid) as def from pg_index x join pg_class i on i.oid = x.indexrelid
     where x.indrelid in ('devices'::regclass, 'gateways'::regclass) and not x.indisunique`,
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  await client.query('set session_replication_role = replica');
  await client.query('set synchronous_commit = off');
  await client.query("set maintenance_work_mem = '256MB'");
  // Only while it is filled: what is measured is safe on disk.
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  return async () => {
    await client.query('set session_replication_role = origin');
    for (const { def } of rows) await client.query(def);
    await client.query('alter system set fsync = on');
    await client.query('select pg_reload_conf()');
    await client.query('checkpoint');
  };
}

/** As the folder store keeps it: two levels of folders from the hash. */
function storeBlob(dataDir: string, content: string): string {
  const hash = createHash('sha256').update(content).digest('hex');
  const folder = join(dataDir, 'blobs', hash.slice(0, 2), hash.slice(2, 4));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, hash), content);
  return hash;
}
