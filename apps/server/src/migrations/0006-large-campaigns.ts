import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What campaigns of a million devices need.
 *
 * A look of the engine costs the same at any size: a failed trial knows its place among the trials of its gateway and of
 * its site, and a gateway or site knows how many were tried. Marks of before keep null and are looked up.
 *
 * Members are made by two statements that select from `devices` under the lock of their campaign, and nothing deletes
 * devices, campaigns or organisations: checking each row's references again took a third of the planning, and the check of
 * the device wrote every device's page. Those three are dropped; references that a grant sets later keep theirs.
 */
export class LargeCampaigns1700000000006 implements MigrationInterface {
  name = 'LargeCampaigns1700000000006';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
alter table brake_marks add column gateway_rank bigint, add column site_rank bigint;
create index brake_marks_new on brake_marks (campaign_id, at);
alter table deployments drop constraint deployments_org_id_fkey, drop constraint deployments_campaign_id_fkey,
  drop constraint deployments_device_id_fkey;
-- what the last rehearsal before the start said of "95 % done", and what came; milliseconds from the start
create table campaign_forecasts (
  campaign_id uuid primary key references campaigns,
  made_at timestamptz not null default clock_timestamp(),
  p10_ms double precision,
  p50_ms double precision not null,
  p90_ms double precision,
  actual_ms double precision
);
alter table campaigns
  -- gateways and sites in campaign_holders
  add column gateways_tried int not null default 0,
  add column sites_tried int not null default 0,
  -- the last look could not judge the brake: nothing is started
  add column brake_unknown boolean not null default false;
update campaigns c set
  gateways_tried = (select count(*) from campaign_holders h where h.campaign_id = c.id and h.kind = 'gateway'),
  sites_tried = (select count(*) from campaign_holders h where h.campaign_id = c.id and h.kind = 'site');
-- first grants to it; 0 for those of before
alter table campaign_holders add column tried bigint not null default 0;
`;

const DOWN = /* sql */ `
alter table deployments add foreign key (org_id) references orgs, add foreign key (campaign_id) references campaigns,
  add foreign key (device_id) references devices;
drop table campaign_forecasts;
alter table campaigns drop column gateways_tried, drop column sites_tried, drop column brake_unknown;
alter table campaign_holders drop column tried;
drop index brake_marks_new;
alter table brake_marks drop column gateway_rank, drop column site_rank;
`;
