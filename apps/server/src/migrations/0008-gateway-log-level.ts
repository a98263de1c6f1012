import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A person may ask a gateway's agent for another log level, for a while. Goes with its orders. */
export class GatewayLogLevel1700000000008 implements MigrationInterface {
  name = 'GatewayLogLevel1700000000008';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table gateways add column log_level text, add column log_level_until timestamptz,
      add check ((log_level is null) = (log_level_until is null))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table gateways drop column log_level, drop column log_level_until');
  }
}
