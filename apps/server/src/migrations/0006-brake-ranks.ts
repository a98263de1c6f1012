import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the brake needs so that a look costs the same at any size: a failed trial knows its place among the trials of its
 * gateway and of its site, and a gateway or site knows how many were tried. Marks of before keep null and are looked up.
 */
export class BrakeRanks1700000000006 implements MigrationInterface {
  name = 'BrakeRanks1700000000006';

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
-- first grants to it; 0 for those of before
alter table campaign_holders add column tried bigint not null default 0;
`;

const DOWN = /* sql */ `
alter table campaign_holders drop column tried;
drop index brake_marks_new;
alter table brake_marks drop column gateway_rank, drop column site_rank;
`;
