/** Opens the one truth: connection pools and the schema brought up to date. */
import pg from 'pg';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../migrations/index.js';
import { CalmClient } from './calm-client.js';
import { databaseNowMs } from './transaction.js';
import { maintainPartitions, type Retention } from './partitions.js';

/** Injection token of a plain `pg.Pool` beside the data source, for the hot paths. */
export const PG_POOL = Symbol('PgPool');

/** Session lock under which one server migrates while the others wait. */
const MIGRATION_LOCK_KEY = 0x4452444d;
const OLDEST_POSTGRES = 150_000;

export interface Database {
  readonly url: string;
  readonly dataSource: DataSource;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/**
 * Connects, migrates and makes partitions.
 * @throws Error with a sentence when the server cannot be reached or is older than 15.
 */
export async function openDatabase(options: {
  url: string;
  poolSize: number;
  retention: Retention;
  onPoolError: (error: Error) => void;
}): Promise<Database> {
  await migrate(options.url, options.retention);
  const dataSource = new DataSource({
    type: 'postgres',
    url: options.url,
    applicationName: 'drydock',
    migrations: MIGRATIONS,
    entities: [],
    logging: false,
    // A dropped idle connection is replaced at the next query; it must never end the process.
    poolErrorHandler: options.onPoolError,
    extra: { max: options.poolSize, Client: CalmClient },
  });
  await dataSource.initialize();
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    application_name: 'drydock-hot',
    Client: CalmClient,
  });
  pool.on('error', options.onPoolError);
  return {
    url: options.url,
    dataSource,
    pool,
    close: async () => {
      await Promise.all([dataSource.destroy(), pool.end()]);
    },
  };
}

/**
 * Makes the schema of a backup in an empty database.
 * @param names migrations that the backup's database had.
 * @throws Error for one that this version does not have: the backup is of a newer one.
 */
export async function migrateTo(url: string, names: readonly string[]): Promise<void> {
  const known = new Map(MIGRATIONS.map((migration) => [new migration().name, migration]));
  const wanted = names.map((name) => {
    const migration = known.get(name);
    if (!migration)
      throw new Error(`The backup has the migration ${name}, which this version does not know: use a newer one.`);
    return migration;
  });
  const source = new DataSource({ type: 'postgres', url, migrations: wanted, entities: [], extra: { max: 2 } });
  await source.initialize();
  try {
    await source.runMigrations({ transaction: 'each' });
  } finally {
    await source.destroy();
  }
}

/** Brings the schema up to date, one server at a time. Migrations expand first and contract in a later release. */
async function migrate(url: string, retention: Retention): Promise<void> {
  const lock = new pg.Client({ connectionString: url, connectionTimeoutMillis: 15_000 });
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    const version = Number(
      (await lock.query<{ v: string }>(`select current_setting('server_version_num') as v`)).rows[0]!.v,
    );
    if (version < OLDEST_POSTGRES) {
      throw new Error(`Postgres ${Math.floor(version / 10_000)} is too old: 15 or newer is needed.`);
    }
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK_KEY]);
    const source = new DataSource({ type: 'postgres', url, migrations: MIGRATIONS, entities: [], extra: { max: 2 } });
    await source.initialize();
    try {
      await source.runMigrations({ transaction: 'each' });
      await source.transaction(async (tx) => maintainPartitions(tx, new Date(await databaseNowMs(tx)), retention));
    } finally {
      await source.destroy();
    }
  } finally {
    await lock.end();
  }
}
