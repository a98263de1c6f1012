import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Events and webhooks, advisories and exposure, decommissioned and replaced units, and root statements that begin to
 * hold at a stated moment.
 */
export class WebhooksAdvisories1700000000003 implements MigrationInterface {
  name = 'WebhooksAdvisories1700000000003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
-- what happened, written in the transaction of the change; webhooks are told from here
create table events (
  id uuid primary key default gen_random_uuid(),
  seq bigint generated always as identity,
  org_id uuid not null references orgs,
  kind text not null,
  subject_kind text not null,
  subject_id text not null,
  payload jsonb not null,
  at timestamptz not null default clock_timestamp(),
  -- a batch takes more of its kind and subject until then
  batch_until timestamptz,
  -- deliveries were made for every endpoint that wants it
  fanned_out_at timestamptz
);
create index events_waiting on events (seq) where fanned_out_at is null;
create index events_at on events (at);
create unique index events_open_batch on events (org_id, kind, subject_id)
  where batch_until is not null and fanned_out_at is null;

create table webhook_endpoints (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  name text not null,
  url text not null,
  -- empty: every kind
  kinds text[] not null default '{}',
  secret text not null,
  -- after a change of the secret both sign for a while
  previous_secret text,
  previous_secret_until timestamptz,
  enabled boolean not null default true,
  disabled_reason text,
  disabled_at timestamptz,
  -- since the last success
  failing_since timestamptz,
  failures int not null default 0,
  last_success_at timestamptz,
  revision int not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  unique (org_id, name)
);
create table webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  endpoint_id uuid not null references webhook_endpoints on delete cascade,
  event_id uuid not null,
  kind text not null,
  body text not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts int not null default 0,
  next_at timestamptz not null default now(),
  -- an attempt is under way until then, at the longest
  leased_until timestamptz,
  -- by hand or by a test: tried once, however it ends
  once boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where state = 'waiting';
create index webhook_deliveries_page on webhook_deliveries (endpoint_id, created_at desc, id desc);
create index webhook_deliveries_age on webhook_deliveries (created_at);
create unique index webhook_deliveries_once_each on webhook_deliveries (endpoint_id, event_id) where not once;
create table webhook_attempts (
  delivery_id uuid not null references webhook_deliveries on delete cascade,
  attempt int not null,
  at timestamptz not null default clock_timestamp(),
  outcome text not null,
  response_code int,
  duration_ms int not null,
  detail text,
  response_body text,
  primary key (delivery_id, attempt)
);

-- advisories and who is exposed
create table advisories (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  cve text not null,
  title text not null,
  body text not null default '',
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  state text not null default 'open' check (state in ('open', 'closed')),
  revision int not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  closed_at timestamptz,
  -- affected and unknown devices at the last look; null before the first
  last_exposed bigint,
  unique (org_id, cve)
);
create table advisory_models (
  advisory_id uuid not null references advisories on delete cascade,
  model text not null,
  -- a range of semantic versions; null: only the named versions
  affected text,
  affected_versions text[] not null default '{}',
  unaffected_versions text[] not null default '{}',
  fixed_by uuid references artifacts,
  primary key (advisory_id, model)
);
create index advisory_models_fixed_by on advisory_models (fixed_by);
-- kept for ever: a row when the numbers moved, and at least one a day
create table exposure_samples (
  advisory_id uuid not null references advisories on delete cascade,
  model text not null,
  at timestamptz not null,
  affected bigint not null,
  affected_silent bigint not null,
  unknown bigint not null,
  total bigint not null,
  primary key (advisory_id, model, at)
);

-- units that left
alter table devices
  add column state text not null default 'active' check (state in ('active', 'decommissioned')),
  add column state_note text,
  add column state_at timestamptz,
  add column replaced_by uuid references devices;
-- who runs what: versions without reading devices, counts without reading rows, pages by keyset
create index devices_running on devices (org_id, model, running_version, id) include (site_id, gateway_id)
  where state = 'active';
alter table gateways add column replaced_by uuid references gateways;
alter table sites
  add column state text not null default 'active' check (state in ('active', 'decommissioned')),
  add column state_note text;

-- the database was loaded from a backup: the next start raises the reign before anything is granted
alter table installation add column restore_pending boolean not null default false;

-- a statement that was signed ahead holds from here
alter table root_statements add column effective_at timestamptz not null default now();
`;

const DOWN = /* sql */ `
alter table root_statements drop column effective_at;
alter table installation drop column restore_pending;
alter table sites drop column state, drop column state_note;
alter table gateways drop column replaced_by;
drop index devices_running;
alter table devices drop column state, drop column state_note, drop column state_at, drop column replaced_by;
drop table exposure_samples, advisory_models, advisories, webhook_attempts, webhook_deliveries, webhook_endpoints, events;
`;
