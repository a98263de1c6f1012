import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a gateway tells of its clock and journal, and an attempt of its link: for people, nothing is decided by it. */
export class GatewaySaysOfItself1700000000012 implements MigrationInterface {
  name = 'GatewaySaysOfItself1700000000012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter table gateways add column clock_offset_ms bigint, add column journal_bytes bigint,
         add column journal_entries bigint`,
    );
    await runner.query(
      `alter table attempts add column rssi_dbm int, add column lowest_rssi_dbm int,
         add column bytes_per_second double precision`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'alter table attempts drop column rssi_dbm, drop column lowest_rssi_dbm, drop column bytes_per_second',
    );
    await runner.query(
      'alter table gateways drop column clock_offset_ms, drop column journal_bytes, drop column journal_entries',
    );
  }
}
