import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Why a running campaign stands until a person mends something, and since when: a reason code, set by the engine. */
export class CampaignStanding1700000000011 implements MigrationInterface {
  name = 'CampaignStanding1700000000011';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table campaigns add column standing text, add column standing_since timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table campaigns drop column standing, drop column standing_since');
  }
}
