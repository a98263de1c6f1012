import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What pages show over time, in small: points of a campaign, of its forecasts, of the versions that run, of the failures.
 * All of it is made from counters or one count, thinned as it grows old, and can be lost without harm.
 */
export class InsightHistory1700000000010 implements MigrationInterface {
  name = 'InsightHistory1700000000010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
create table campaign_points (
  campaign_id uuid not null references campaigns,
  at timestamptz not null,
  proven bigint not null,
  failed bigint not null,
  reverted bigint not null,
  unproven bigint not null,
  lost bigint not null,
  in_flight bigint not null,
  -- members neither skipped nor cancelled
  target bigint not null,
  -- first grants so far
  granted bigint not null,
  primary key (campaign_id, at)
);
-- when 95 % of the reachable devices are done, as rehearsed from where the campaign was; null: not before the deadline
create table campaign_outlooks (
  campaign_id uuid not null references campaigns,
  at timestamptz not null,
  p10 timestamptz,
  p50 timestamptz,
  p90 timestamptz,
  out_p50 double precision,
  out_p90 double precision,
  -- devices still to be updated, and those of them that some gateway has a link to
  members bigint not null,
  reachable bigint not null,
  primary key (campaign_id, at)
);
-- devices by what they run; an empty text stands for not known
create table fleet_versions (
  org_id uuid not null references orgs,
  at timestamptz not null,
  model text not null,
  version text not null,
  n bigint not null,
  -- seen in the 30 days before
  seen bigint not null,
  primary key (org_id, at, model, version)
);
-- failed tries of all campaigns so far, by code; a row without a code says that it was looked
create table failure_points (
  org_id uuid not null references orgs,
  at timestamptz not null,
  code text not null,
  n bigint not null,
  primary key (org_id, at, code)
);
`;

const DOWN = /* sql */ `
drop table failure_points, fleet_versions, campaign_outlooks, campaign_points;
`;
