import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the campaign engine keeps: strata, brake marks, quarantines, approvals, redundancy groups, pace. */
export class CampaignEngine1700000000004 implements MigrationInterface {
  name = 'CampaignEngine1700000000004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
create table redundancy_groups (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs,
  name text not null,
  -- members that may be out of service at once, whatever campaign did it
  max_out int not null default 1 check (max_out >= 1),
  revision int not null default 1,
  created_at timestamptz not null default now(),
  unique (org_id, name)
);
create index gateways_site on gateways (site_id);
alter table devices
  add column redundancy_group_id uuid references redundancy_groups,
  -- an update left it failed, lost or without application, and its application was not seen since
  add column out_of_service boolean not null default false;
create index devices_redundancy on devices (redundancy_group_id) where redundancy_group_id is not null;

alter table campaigns
  add column start_at timestamptz,
  -- limit of the brake as frozen at the start: the policy's, or what the baseline lowered it to
  add column brake_limit double precision,
  add column brake_epoch int not null default 1,
  -- what the epochs before had reached, and up to which ordinal
  add column brake_past jsonb not null default '[]',
  -- proven results when the epoch began: exposure is earned anew
  add column brake_proven bigint not null default 0,
  add column amber boolean not null default false,
  -- a device not proven so long after its first touch is overdue; frozen at the start
  add column overdue_ms double precision,

  -- time the campaign was open: running, not amber, a stage open (what the pace grows by)
  add column open_ms double precision not null default 0,
  -- gateways and sites of the members when they were planned
  add column gateways_planned int not null default 0,
  add column sites_planned int not null default 0,
  add column members_at timestamptz,
  -- where the search for candidates goes on, so that a tick looks at a bounded number of them
  add column scan_stage int not null default 0,
  add column scan_position bigint not null default 0,
  -- urgent: grants of other campaigns taken back when it began
  add column preempted int,
  add column rolls_back uuid references campaigns;
create table campaign_approvals (
  campaign_id uuid not null references campaigns,
  -- the revision that was approved: a changed draft needs new approvals
  revision int not null,
  -- null: the campaign itself; else the gate of a stage
  stage_idx int,
  person_id uuid not null references people,
  person_name text not null,
  reason text,
  at timestamptz not null default now()
);
create unique index campaign_approvals_once on campaign_approvals (campaign_id, revision, coalesce(stage_idx, -1), person_id);

alter table campaign_stages
  alter column percent drop not null,
  add column approved_by text,
  add column approved_at timestamptz;

create table campaign_strata (
  campaign_id uuid not null references campaigns,
  idx int not null,
  version text not null,
  size bigint not null,
  in_first_stage bigint not null default 0,
  -- devices of it granted so far
  tried bigint not null default 0,
  -- when the first of it was granted: its place among strata that share the error level
  first_granted_at timestamptz,
  -- where none of it was in the first stage: one of it was proven
  opened_at timestamptz,
  stopped_at timestamptz,
  stopped_note text,
  primary key (campaign_id, idx)
);

alter table deployments
  add column stratum_idx int not null default 0,
  -- order of granting within the stratum
  add column stratum_ordinal bigint,
  add column site_id uuid,
  -- a version on the way, or what an abort restores: granted instead of the campaign's artifact
  add column step_artifact_id uuid references artifacts,
  add column step_kind text check (step_kind in ('stone', 'restore')),
  -- the gateway said that it holds the present attempt: before that it touches nothing
  add column heard boolean not null default false,
  -- an urgent campaign took the grant back; set until the next grant
  add column preempted boolean not null default false;
-- what was given: the campaign's artifact, a stepping stone, or what an abort restores
alter table attempts add column artifact_id uuid;
-- running versions that cannot take the artifact, and which one they take first
create table campaign_steps (
  campaign_id uuid not null references campaigns,
  version text not null,
  artifact_id uuid not null references artifacts,
  -- the versions on the way, in their order
  through text[] not null,
  primary key (campaign_id, version)
);
create index deployments_tried_stratum on deployments (campaign_id, stratum_idx, stratum_ordinal)
  where stratum_ordinal is not null;
create index deployments_tried_gateway on deployments (campaign_id, gateway_id, ordinal) where ordinal is not null;
create index deployments_tried_site on deployments (campaign_id, site_id, ordinal) where ordinal is not null;

-- what the brake counts: one row per trial and test, written once in the transaction of its cause
create table brake_marks (
  campaign_id uuid not null references campaigns,
  test text not null check (test in ('firmware', 'transport', 'overdue', 'any')),
  deployment_id uuid not null references deployments,
  ordinal bigint not null,
  stratum_idx int not null,
  stratum_ordinal bigint not null,
  gateway_id uuid,
  site_id uuid,
  code text,
  at timestamptz not null default clock_timestamp(),
  primary key (campaign_id, test, deployment_id)
);

-- gateways and sites that were granted something
create table campaign_holders (
  campaign_id uuid not null references campaigns,
  kind text not null check (kind in ('gateway', 'site')),
  ref_id uuid not null,
  primary key (campaign_id, kind, ref_id)
);

create table campaign_quarantines (
  id uuid primary key default gen_random_uuid(),
  campaign_id uuid not null references campaigns,
  kind text not null check (kind in ('gateway', 'site')),
  ref_id uuid not null,
  at timestamptz not null default clock_timestamp(),
  note text not null,
  evidence jsonb not null,
  -- failures before this ordinal are left out once it was lifted
  from_ordinal bigint not null default 0,
  probes int not null default 0,
  probe_at timestamptz,
  -- the device that is tried there to find out
  probe_deployment_id uuid,
  lifted_at timestamptz,
  lifted_by text
);
create unique index campaign_quarantines_live on campaign_quarantines (campaign_id, kind, ref_id) where lifted_at is null;
`;

const DOWN = /* sql */ `
drop table campaign_steps, campaign_quarantines, campaign_holders, brake_marks;
drop index deployments_tried_stratum, deployments_tried_gateway, deployments_tried_site;
alter table deployments drop column stratum_idx, drop column stratum_ordinal, drop column site_id,
  drop column step_artifact_id, drop column step_kind, drop column preempted, drop column heard;
alter table attempts drop column artifact_id;
drop table campaign_strata, campaign_approvals;
alter table campaign_stages drop column approved_by, drop column approved_at;
delete from campaign_stages where percent is null;
alter table campaign_stages alter column percent set not null;
alter table campaigns drop column start_at, drop column brake_limit, drop column brake_epoch,
  drop column brake_past, drop column brake_proven, drop column amber, drop column overdue_ms, drop column open_ms, drop column members_at, drop column gateways_planned, drop column sites_planned, drop column scan_stage, drop column scan_position,
   drop column preempted, drop column rolls_back;
drop index devices_redundancy, gateways_site;
alter table devices drop column redundancy_group_id, drop column out_of_service;
drop table redundancy_groups;
`;
