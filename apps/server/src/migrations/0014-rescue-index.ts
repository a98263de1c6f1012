import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The overview counts devices without an application, and its number opens their list: few of any fleet, however large. */
export class RescueIndex1700000000014 implements MigrationInterface {
  name = 'RescueIndex1700000000014';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index devices_rescue on devices (org_id, id) where needs_rescue');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index devices_rescue');
  }
}
