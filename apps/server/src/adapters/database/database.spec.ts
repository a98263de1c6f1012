/** Embedded Postgres, migrations and partitions, on real clusters. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freshDatabase, makeTestFolder } from '../../testing.js';
import { openDatabase, type Database } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { maintainPartitions, partitionsWanted } from './partitions.js';

const run = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('embedded Postgres', () => {
  let folder: string;
  const running: EmbeddedPostgres[] = [];
  const start = async (more: { guest?: boolean } = {}) => {
    const postgres = await EmbeddedPostgres.start({ dataDir: folder, fsync: false, ...more });
    running.push(postgres);
    return postgres;
  };
  beforeAll(() => {
    folder = makeTestFolder();
  });
  afterEach(async () => {
    for (const postgres of running.splice(0)) await postgres.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps its data over a clean stop, and its password from others', async () => {
    const first = await start();
    await first.ensureDatabase();
    await run(first.url(), 'create table kept (n int); insert into kept values (42)');
    await first.stop();
    expect(() => process.kill(first.pid, 0)).toThrow();

    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await run(second.url(), 'select n from kept')).toEqual([{ n: 42 }]);
    expect(statSync(join(folder, 'postgres', 'password')).mode & 0o777).toBe(0o600);
    const wrong = second.url().replace(/:[0-9a-f]+@/, ':wrong@');
    await expect(run(wrong, 'select 1')).rejects.toThrow('password authentication failed');
  }, 60_000);

  it('is taken over by the next start when its server was killed', async () => {
    const orphan = await start();
    await killServerOf(orphan);

    const next = await start();
    expect(next.adopted).toBe(true);
    expect(next.pid).toBe(orphan.pid);
    expect(await run(next.url(), 'select n from kept')).toEqual([{ n: 42 }]);
    await next.stop();
    expect(() => process.kill(next.pid, 0)).toThrow();
  }, 60_000);

  it('recovers when the postmaster itself was killed', async () => {
    const first = await start();
    await run(first.url(), 'insert into kept values (43)');
    process.kill(first.pid, 'SIGKILL');
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(await run(second.url(), 'select n from kept order by n')).toEqual([{ n: 42 }, { n: 43 }]);
  }, 60_000);

  it('does not believe a pid file that names a stranger', async () => {
    const pidFile = join(folder, 'postgres', 'data', 'postmaster.pid');
    expect(existsSync(pidFile)).toBe(false);
    writeFileSync(pidFile, `${process.pid}\n${folder}/postgres/data\n0\n1\n\n127.0.0.1\n\nready   \n`);
    const postgres = await start();
    expect(postgres.pid).not.toBe(process.pid);
    expect(readFileSync(pidFile, 'utf8').startsWith(`${postgres.pid}\n`)).toBe(true);
  }, 60_000);

  it('refuses a second server on the same data, and leaves the first one alone', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow('Another server is running');
    expect(await run(first.url(), 'select 1 as one')).toEqual([{ one: 1 }]);
  }, 60_000);

  it('refuses data that a server in another container has, whose process ids mean nothing here', async () => {
    const first = await start();
    const cluster = join(folder, 'postgres', 'data');
    const pidFile = join(cluster, 'postmaster.pid');
    const own = readFileSync(pidFile, 'utf8');
    const socket = `.s.PGSQL.${own.split('\n')[3]}`;
    // Seen from the other container: a live stranger has the number, or nobody.
    for (const pid of [process.pid, 4_194_303]) {
      const seen = own.replace(/^\d+/, String(pid));
      writeFileSync(pidFile, seen);
      for (const guest of [false, true]) {
        await expect(start({ guest })).rejects.toThrow('in another container: stop it');
      }
      expect(readFileSync(pidFile, 'utf8')).toBe(seen);
    }
    writeFileSync(pidFile, own);
    expect(await run(first.url('postgres'), 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(statSync(join(cluster, socket)).mode & 0o077).toBe(0);

    // Once it is dead its socket says so, and is taken away.
    process.kill(first.pid, 'SIGKILL');
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(readdirSync(cluster).filter((name) => name === socket)).toEqual([]);
  }, 60_000);

  /** What a killed server leaves: the claim's connection is cut, the postmaster runs on. */
  async function killServerOf(postgres: EmbeddedPostgres): Promise<void> {
    running.splice(running.indexOf(postgres), 1);
    await run(
      postgres.url('postgres'),
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'drydock-owner'`,
    );
  }
});

describe('schema', () => {
  it('is the same for two servers that start at once on an empty database', async () => {
    const { url, drop } = await freshDatabase();
    await run(url, 'drop schema public cascade; create schema public');
    const open = () =>
      openDatabase({ url, poolSize: 4, retention: { reportDays: 30, auditMonths: 24 }, onPoolError: () => undefined });
    const opened = await Promise.all([open(), open()]);
    const applied = await run(url, 'select name from migrations');
    expect(applied.map((row) => row.name)).toEqual([...new Set(applied.map((row) => row.name))]);
    expect((await run(url, 'select count(*)::int as n from pg_inherits'))[0]?.n).toBeGreaterThan(10);
    await Promise.all(opened.map((database) => database.close()));
    await drop();
  }, 60_000);

  it('outlives connections that are lost while somebody holds them between two statements', async () => {
    const { url, drop } = await freshDatabase();
    const database = await openTo(url);
    const held = [await database.pool.connect(), await database.pool.connect()];
    const runner = database.dataSource.createQueryRunner();
    await runner.query('select 1');
    const ended = held.map((client) => new Promise<void>((resolve) => client.once('end', () => resolve())));
    await run(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    // Without a listener of its own, the error of such a connection is thrown where nobody can catch it.
    await Promise.all(ended);
    for (const client of held) await expect(client.query('select 1')).rejects.toThrow();
    for (const client of held) client.release(true);
    await runner.release().catch(() => undefined);
    expect((await database.pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    expect(await database.dataSource.query('select 1 as n')).toEqual([{ n: 1 }]);
    await database.close();
    await drop();
  }, 60_000);

  it('goes back and forth again', async () => {
    const { url, drop } = await freshDatabase();
    const database = await openTo(url);
    const tables = async () =>
      fingerprint(
        await run(
          url,
          `select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2`,
        ),
      );
    const before = await tables();
    const count = database.dataSource.migrations.length;
    for (let i = 0; i < count; i++) await database.dataSource.undoLastMigration();
    expect(
      await run(
        url,
        `select table_name from information_schema.tables where table_schema = 'public' and table_name <> 'migrations'`,
      ),
    ).toEqual([]);
    await database.close();
    const again = await openTo(url);
    expect(await tables()).toBe(before);
    await again.close();
    await drop();
  }, 60_000);
});

describe('partitions', () => {
  let database: Database;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const fresh = await freshDatabase();
    drop = fresh.drop;
    database = await openTo(fresh.url);
  }, 60_000);
  afterAll(async () => {
    await database?.close();
    await drop?.();
  });

  it('are wanted from yesterday to a week ahead, over the ends of months and years', () => {
    const { reports, audit } = partitionsWanted(new Date('2027-12-30T23:59:59Z'));
    expect(reports.map((plan) => plan.name)).toEqual([
      ...['29', '30', '31'].map((day) => `reports_202712${day}`),
      ...['01', '02', '03', '04', '05', '06'].map((day) => `reports_202801${day}`),
    ]);
    expect(audit.map((plan) => plan.name)).toEqual(['audit_202711', 'audit_202712', 'audit_202801', 'audit_202802']);
    for (const plans of [reports, audit]) {
      for (let i = 1; i < plans.length; i++) expect(plans[i]!.from).toEqual(plans[i - 1]!.to);
    }
  });

  it('are made ahead and dropped only when all of their range is over', async () => {
    const retention = { reportDays: 30, auditMonths: 24 };
    const now = new Date('2031-03-31T12:00:00Z');
    const source = database.dataSource;
    const at = (moment: Date) => source.transaction((tx) => maintainPartitions(tx, moment, retention));
    const first = await at(now);
    expect(first.created).toContain('reports_20310407');
    expect((await at(now)).created).toEqual([]);
    await source.query(
      `insert into reports (org_id, gateway_id, epoch, seq, received_at, kind, disposition, body)
       values (gen_random_uuid(), gen_random_uuid(), 'e', 1, $1, 'state', 'history', '{}')`,
      [now],
    );
    // The day's last moment is kept for 30 days: its partition goes when the 31st has begun.
    expect((await at(new Date('2031-04-30T23:59:59Z'))).dropped).not.toContain('reports_20310331');
    expect((await at(new Date('2031-05-01T00:00:00Z'))).dropped).toContain('reports_20310331');
    expect((await at(new Date('2033-03-30T00:00:00Z'))).dropped).not.toContain('audit_203103');
    expect((await at(new Date('2033-04-01T00:00:00Z'))).dropped).toContain('audit_203103');
  });
});

function openTo(url: string): Promise<Database> {
  return openDatabase({
    url,
    poolSize: 4,
    retention: { reportDays: 30, auditMonths: 24 },
    onPoolError: () => undefined,
  });
}

function fingerprint(rows: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}
