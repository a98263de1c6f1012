import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The first schema. Root tables carry `org_id`. Times are timestamptz of the database's clock, which is
 * the servers' clock. Partitioned tables: `reports` by day, `audit` by month; partitions are made ahead
 * and dropped by the retention job (adapters/database/partitions).
 */
export class Initial1700000000001 implements MigrationInterface {
  name = 'Initial1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
create table installation (
  id smallint primary key default 1 check (id = 1),
  server_id uuid not null,
  reign bigint not null default 0,
  -- after a restore nothing is granted before it
  settling_until timestamptz,
  created_at timestamptz not null default now()
);
create table root_statements (
  version int primary key,
  jws text not null,
  created_at timestamptz not null default now()
);

create table orgs (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique,
  created_at timestamptz not null default now()
);

-- access
create table people (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  name text not null,
  email text,
  roles text[] not null default '{}',
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  revision int not null default 1,
  unique (org_id, name)
);
create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  person_id uuid not null references people,
  name text not null,
  token_hash bytea not null unique,
  hint text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create table idempotency_keys (
  org_id uuid not null references orgs,
  person_id uuid not null,
  key text not null,
  request_hash bytea not null,
  status int,
  response jsonb,
  created_at timestamptz not null default now(),
  primary key (org_id, person_id, key)
);
create table audit (
  id bigint generated always as identity,
  org_id uuid,
  at timestamptz not null default now(),
  actor_kind text not null check (actor_kind in ('person', 'gateway', 'rule', 'system')),
  actor_id text,
  actor_name text,
  action text not null,
  target_kind text,
  target_id text,
  params jsonb not null default '{}',
  ip text,
  request_id text,
  primary key (at, id)
) partition by range (at);
create index audit_target on audit (target_kind, target_id, at desc);

-- fleet
create table sites (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  name text not null,
  zone text not null default 'UTC',
  claim_mode text not null default 'open' check (claim_mode in ('open', 'list', 'approval')),
  hold_note text,
  -- moved by every change a person makes: the ETag
  revision int not null default 1,
  created_at timestamptz not null default now(),
  unique (org_id, name)
);
-- claim mode 'list': what the gateways of a site may add, and what it is
create table site_devices (
  site_id uuid not null references sites,
  identity_kind text not null,
  identity_value text not null,
  model text,
  name text,
  primary key (site_id, identity_kind, identity_value)
);
create table models (
  org_id uuid not null references orgs,
  name text not null,
  requires_signature boolean not null default false,
  -- PEM (SPKI) keys whose signature an artifact of the model must carry, checked at upload and, as release keys, by agents
  release_keys text[] not null default '{}',
  -- facts that a file of the model must not contradict, and formats it takes (empty: any)
  hardware jsonb not null default '{}',
  formats text[] not null default '{}',
  revision int not null default 1,
  created_at timestamptz not null default now(),
  primary key (org_id, name)
);
create table enrolment_tokens (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  site_id uuid not null references sites,
  token_hash bytea not null unique,
  created_by uuid,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  used_by uuid
);
create table gateways (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  site_id uuid not null references sites,
  name text not null,
  tags jsonb not null default '{}',
  public_jwk jsonb not null,
  key_fingerprint text not null,
  state text not null default 'active' check (state in ('active', 'quarantined', 'decommissioned')),
  state_note text,
  hold_note text,
  agent_version text,
  protocols text[] not null default '{}',
  links jsonb not null default '[]',
  wire int[] not null default '{1}',
  epoch text,
  connection bigint not null default 0,
  presence_sequence bigint not null default 0,
  online boolean not null default false,
  held_reign bigint not null default 0,
  held_revision bigint not null default 0,
  inventory_epoch text,
  inventory_sequence bigint not null default 0,
  last_seen_at timestamptz,
  enrolled_at timestamptz not null default now(),
  -- claims: conditional updates only, in id order, in the granting transaction
  in_flight int not null default 0 check (in_flight >= 0),
  revision int not null default 1,
  unique (org_id, site_id, name)
);
create index gateways_key on gateways (key_fingerprint);
create table gateway_keys (
  fingerprint text primary key,
  gateway_id uuid not null references gateways,
  public_jwk jsonb not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
-- when each epoch of a gateway is known to have lived: [first_seen_at, heard_at]; two that overlap are two agents
create table gateway_epochs (
  gateway_id uuid not null references gateways,
  epoch text not null,
  -- its first message was handled: it had begun by then
  first_seen_at timestamptz not null default clock_timestamp(),
  -- newest moment of the servers' clock that a signed message of it knows of: it was not over by then
  heard_at timestamptz,
  -- it was the gateway's live epoch once
  was_live boolean not null default false,
  connection bigint not null default 0,
  sequence bigint not null default -1,
  -- newest order that it said it holds
  held_reign bigint not null default 0,
  held_revision bigint not null default 0,
  primary key (gateway_id, epoch)
);
create table devices (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  site_id uuid not null references sites,
  gateway_id uuid references gateways,
  model text,
  name text,
  identity_kind text not null,
  identity_value text not null,
  -- where the value is unique: '' = everywhere; a port path within its gateway, a UDP endpoint within its site
  identity_scope text not null default '',
  protocol text,
  tags jsonb not null default '{}',
  links jsonb not null default '[]',
  hardware jsonb not null default '{}',
  running jsonb not null default '[]',
  running_version text,
  running_hash text,
  mode text not null default 'application',
  approved boolean not null default true,
  hold_note text,
  -- evidence order: newest (epoch, report number) the running image was read after
  read_epoch text,
  read_after_seq bigint not null default 0,
  -- no grant before this: the end of the last attempt is not known earlier
  fenced_until timestamptz,
  needs_rescue boolean not null default false,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  revision int not null default 1,
  unique (org_id, identity_kind, identity_value, identity_scope)
);
create index devices_model on devices (org_id, model, id);
create index devices_gateway on devices (gateway_id, id);
create table device_gateways (
  device_id uuid not null references devices,
  gateway_id uuid not null references gateways,
  links jsonb not null default '[]',
  rssi_dbm int,
  last_seen_at timestamptz not null default now(),
  primary key (device_id, gateway_id)
);
-- a gateway of another site says that it has the device: waits for a person
create table device_claims (
  device_id uuid not null references devices,
  gateway_id uuid not null references gateways,
  site_id uuid not null references sites,
  state text not null default 'pending' check (state in ('pending', 'refused')),
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (device_id, gateway_id)
);
create table strays (
  gateway_id uuid not null references gateways,
  link text not null,
  protocol text not null,
  name text,
  rssi_dbm int,
  last_seen_at timestamptz not null default now(),
  -- running or failed attempt of the site it was matched to
  deployment_id uuid,
  primary key (gateway_id, link)
);

-- artifacts
create table artifacts (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  sha256 text not null,
  size_bytes bigint not null,
  file_name text not null,
  format text not null,
  model text not null,
  version text not null,
  -- what the running application calls itself; null: the images' hashes tell
  running_version text,
  running_hashes text[] not null default '{}',
  requires jsonb not null default '{}',
  description jsonb not null,
  signature_state text not null check (signature_state in ('verified', 'present', 'none')),
  created_by uuid,
  created_at timestamptz not null default now(),
  unique (org_id, sha256)
);
create index artifacts_model on artifacts (org_id, model, version);

-- campaigns
create table campaigns (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  name text not null,
  note text not null default '',
  artifact_id uuid not null references artifacts,
  selector jsonb not null,
  policy jsonb not null,
  state text not null default 'draft',
  state_by text,
  state_reason text,
  state_at timestamptz not null default now(),
  -- no grant of this campaign can start after it: the answer to pause
  none_after timestamptz,
  revision int not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  deadline_at timestamptz,
  next_ordinal bigint not null default 1,
  -- token bucket of the start rate
  rate_tokens double precision not null default 0,
  rate_at timestamptz,
  -- set by reports and presence, cleared by the tick that looks
  dirty boolean not null default false,
  wake_at timestamptz,
  unique (org_id, name)
);
create index campaigns_due on campaigns (wake_at) where state in ('scheduled', 'running', 'paused', 'halted', 'aborting');
create table campaign_stages (
  campaign_id uuid not null references campaigns,
  idx int not null,
  name text not null,
  percent double precision not null,
  gate jsonb not null,
  size int,
  state text not null default 'pending',
  state_note text,
  opened_at timestamptz,
  deadline_at timestamptz,
  -- the gate held at this moment first; the stage passes when it still holds at soak_until
  soak_until timestamptz,
  -- failures that a person has answered for by resuming; the gate leaves them out
  forgiven int not null default 0,
  ended_at timestamptz,
  primary key (campaign_id, idx)
);
create table deployments (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  campaign_id uuid not null references campaigns,
  stage_idx int not null,
  device_id uuid not null references devices,
  -- stable seeded order within the stage
  position bigint not null,
  state text not null default 'planned',
  ordinal bigint,
  attempt int not null default 0,
  reign bigint not null default 0,
  tries int not null default 0,
  unused_grants int not null default 0,
  gateway_id uuid references gateways,
  epoch text,
  not_before timestamptz,
  granted_at timestamptz,
  start_by timestamptz,
  finish_by timestamptz,
  touched_at timestamptz,
  at_risk boolean not null default false,
  at_risk_at timestamptz,
  needs_rescue boolean not null default false,
  -- named cancellation under way
  cancel_mode text,
  outcome_code text,
  outcome_reason text,
  outcome_params jsonb,
  before_running jsonb,
  after_running jsonb,
  corrected boolean not null default false,
  result_epoch text,
  result_seq bigint,
  state_at timestamptz not null default now(),
  ended_at timestamptz,
  unique (campaign_id, device_id)
);
-- P3: one live deployment per device, whatever the campaign
create unique index deployments_one_live on deployments (device_id)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue');
create index deployments_plan on deployments (campaign_id, stage_idx, state, position);
create index deployments_page on deployments (campaign_id, position, id);
create index deployments_gateway_live on deployments (gateway_id)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue');
create index deployments_finish on deployments (finish_by)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling');
create index deployments_campaign_live on deployments (campaign_id)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue');
-- suspects are looked for here; small, whatever the size of the campaign
create index deployments_at_risk on deployments (campaign_id, stage_idx)
  where at_risk and state in ('planned', 'granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue', 'lost');
create index deployments_not_before on deployments (campaign_id, not_before)
  where state in ('planned', 'rescue') and not_before is not null;
create index deployments_device on deployments (device_id);
create table attempts (
  deployment_id uuid not null references deployments,
  reign bigint not null,
  attempt int not null,
  campaign_id uuid not null,
  device_id uuid not null,
  gateway_id uuid not null,
  epoch text not null,
  mode text not null,
  granted_at timestamptz not null,
  start_by timestamptz not null,
  finish_by timestamptz not null,
  touched_at timestamptz,
  ended_at timestamptz,
  outcome text,
  code text,
  params jsonb,
  blame text,
  sent_bytes bigint,
  duration_ms bigint,
  -- first order that names the grant; an epoch that held it or a later one knows of the grant
  order_revision bigint,
  primary key (deployment_id, reign, attempt)
);
create index attempts_rate on attempts (campaign_id, granted_at);
create index attempts_gateway on attempts (gateway_id, granted_at);
-- P10: moved in the transaction of what they count
create table campaign_counters (
  campaign_id uuid not null references campaigns,
  stage_idx int not null,
  state text not null,
  n bigint not null default 0,
  primary key (campaign_id, stage_idx, state)
);
create table failure_counters (
  campaign_id uuid not null references campaigns,
  code text not null,
  n bigint not null default 0,
  primary key (campaign_id, code)
);
create table decisions (
  id bigint generated always as identity primary key,
  org_id uuid not null,
  campaign_id uuid not null references campaigns,
  at timestamptz not null default now(),
  kind text not null,
  params jsonb not null default '{}'
);
create index decisions_campaign on decisions (campaign_id, id);

-- dispatch
create table orders (
  gateway_id uuid primary key references gateways,
  reign bigint not null default 0,
  revision bigint not null default 0,
  -- the outbox: an order to build and publish; cleared when presence shows the newest is held
  dirty boolean not null default false,
  withdraws boolean not null default false,
  jws text,
  -- the agent epoch the built order is for, and the artifacts it names (grants and prefetch)
  built_epoch text,
  artifacts text[] not null default '{}',
  built_at timestamptz,
  published_at timestamptz,
  publish_after timestamptz
);
create index orders_dirty on orders (publish_after) where dirty;

-- reports
create table report_cursors (
  gateway_id uuid not null references gateways,
  epoch text not null,
  cursor bigint not null default 0,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (gateway_id, epoch)
);
create table reports (
  org_id uuid not null,
  gateway_id uuid not null,
  epoch text not null,
  seq bigint not null,
  received_at timestamptz not null default now(),
  kind text not null,
  deployment_id uuid,
  attempt int,
  reign bigint,
  -- applied: moved state; history: of an older attempt; refused: could not be accepted
  disposition text not null,
  note text,
  body jsonb not null
) partition by range (received_at);
create index reports_gateway on reports (gateway_id, epoch, seq);
create index reports_deployment on reports (deployment_id, received_at) where deployment_id is not null;
`;

const DOWN = /* sql */ `
drop table reports, report_cursors, orders, decisions, failure_counters, campaign_counters, attempts, deployments,
  campaign_stages, campaigns, artifacts, strays, device_claims, device_gateways, devices, gateway_epochs, gateway_keys, gateways, enrolment_tokens,
  models, site_devices, sites, audit, idempotency_keys, api_tokens, people, orgs, root_statements, installation;
`;
