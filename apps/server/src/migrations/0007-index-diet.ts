import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Every report that moves a deployment writes a new entry into each index of it, so each index must earn its place. Two
 * that both found live deployments become one that also knows the order of their ends; "whose deployment" is answered by
 * the unique one turned round. Rows that are updated in place again and again get room for it on their page.
 */
export class IndexDiet1700000000007 implements MigrationInterface {
  name = 'IndexDiet1700000000007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(UP);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(DOWN);
  }
}

const UP = /* sql */ `
create index deployments_ends on deployments (campaign_id, finish_by)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue');
drop index deployments_finish, deployments_campaign_live;
create unique index deployments_member on deployments (device_id, campaign_id);
alter table deployments drop constraint deployments_campaign_id_device_id_key;
drop index deployments_device;
-- the place of a trial among those of its gateway and of its site is known when it is granted; null for those of before
alter table attempts add column gateway_rank bigint, add column site_rank bigint;
drop index deployments_tried_gateway, deployments_tried_site;
alter table devices set (fillfactor = 80);
-- the outbox in the order in which it is sent
create index orders_due on orders (withdraws desc, published_at nulls first) where dirty;
drop index orders_dirty;
alter table attempts set (fillfactor = 85);
alter table gateways set (fillfactor = 70);
alter table report_cursors set (fillfactor = 70);
alter table campaign_counters set (fillfactor = 50);
`;

const DOWN = /* sql */ `
alter table campaign_counters reset (fillfactor);
alter table report_cursors reset (fillfactor);
alter table gateways reset (fillfactor);
alter table attempts reset (fillfactor);
alter table devices reset (fillfactor);
create index orders_dirty on orders (publish_after) where dirty;
drop index orders_due;
create index deployments_tried_site on deployments (campaign_id, site_id, ordinal) where ordinal is not null;
create index deployments_tried_gateway on deployments (campaign_id, gateway_id, ordinal) where ordinal is not null;
alter table attempts drop column gateway_rank, drop column site_rank;
create index deployments_device on deployments (device_id);
alter table deployments add constraint deployments_campaign_id_device_id_key unique (campaign_id, device_id);
drop index deployments_member;
create index deployments_campaign_live on deployments (campaign_id)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling', 'rescue');
create index deployments_finish on deployments (finish_by)
  where state in ('granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling');
drop index deployments_ends;
`;
