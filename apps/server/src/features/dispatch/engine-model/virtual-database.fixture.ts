/**
 * For the engine's model test: a real database whose clock stands still unless the test moves it, and that can be put
 * back to an earlier moment, as a person does who restores a backup.
 *
 * The servers' clock is Postgres's, so its functions are covered by others of the same name in a schema that is
 * searched first. Nothing of the engine is replaced.
 */
import pg from 'pg';
import { freshDatabase } from '../../../testing.js';

const CLOCK = /* sql */ `
create schema model_clock;
create table model_clock.present (at timestamptz not null);
insert into model_clock.present values (date_trunc('milliseconds', pg_catalog.clock_timestamp()));
create function model_clock.clock_timestamp() returns timestamptz language sql volatile as 'select at from model_clock.present';
create function model_clock.now() returns timestamptz language sql stable as 'select at from model_clock.present';
do $$
declare c record;
begin
  for c in select table_name, column_name, case when column_default like '%clock_timestamp%' then 'clock_timestamp' else 'now' end as f
    from information_schema.columns where table_schema = 'public'
      and (column_default like '%now()%' or column_default like '%clock_timestamp%')
      and table_name not in (select inhrelid::regclass::text from pg_inherits)
  loop
    execute format('alter table public.%I alter column %I set default model_clock.%I()', c.table_name, c.column_name, c.f);
  end loop;
  execute format('alter database %I set search_path = public, model_clock, pg_catalog', current_database());
end $$;`;

/** Tables of the installation, not those of the queue; parents stand for their partitions. */
const TABLES = /* sql */ `
select c.oid::regclass::text as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'migrations'
group by c.oid order by 1`;

export class VirtualDatabase {
  private constructor(
    readonly url: string,
    private readonly client: pg.Client,
    private readonly dropIt: () => Promise<void>,
    private tables: { name: string; columns: string }[],
    /** Milliseconds of the epoch; the clock of every server on it. */
    public nowMs: number,
  ) {}

  static async open(): Promise<VirtualDatabase> {
    const made = await freshDatabase();
    const setUp = new pg.Client({ connectionString: made.url });
    await setUp.connect();
    await setUp.query(CLOCK);
    await setUp.end();
    const client = new pg.Client({ connectionString: made.url });
    await client.connect();
    const { rows } = await client.query<{ ms: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms',
    );
    return new VirtualDatabase(made.url, client, () => made.drop(), [], rows[0]!.ms);
  }

  async query<T extends object>(sql: string, params: unknown[] = []): Promise<T[]> {
    return (await this.client.query<T>(sql, params)).rows;
  }

  async setTime(ms: number): Promise<void> {
    this.nowMs = ms;
    await this.client.query('update model_clock.present set at = to_timestamp($1::float8 / 1000)', [ms]);
  }

  /** Keeps what is there now under a name. */
  async save(name: string): Promise<void> {
    this.tables = await this.query(TABLES);
    await this.client.query(`drop schema if exists kept_${name} cascade; create schema kept_${name}`);
    const copies = this.tables.map(({ name: table, columns }) => {
      const plain = table.replace(/^public\./, '');
      return `create table kept_${name}.${plain} as select ${columns} from public.${plain}`;
    });
    await this.client.query(copies.join(';'));
  }

  /** Puts back what was kept: everything since is forgotten, but for the time. */
  async load(name: string): Promise<void> {
    const all = this.tables.map(({ name: table }) => `public.${table.replace(/^public\./, '')}`);
    const fill = this.tables.map(({ name: table, columns }) => {
      const plain = table.replace(/^public\./, '');
      return `insert into public.${plain} (${columns}) overriding system value select ${columns} from kept_${name}.${plain}`;
    });
    await this.client.query(
      `begin; set local session_replication_role = replica; truncate ${all.join(', ')}; ${fill.join(';')}; commit`,
    );
  }

  async close(): Promise<void> {
    await this.client.end();
    await this.dropIt();
  }
}
