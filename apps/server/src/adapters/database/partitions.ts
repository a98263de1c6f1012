/**
 * Partitions of the tables that grow: `reports` by day, `audit` by month. Made ahead at start and by a daily job, and
 * dropped when their whole range is older than the retention (design, section 7: growth has a rule).
 */
import type { EntityManager } from 'typeorm';

const DAY_MS = 86_400_000;
/** Held in the transaction, so that servers beside each other do not create the same partition. */
const LOCK_KEY = 0x44524459;

export interface Retention {
  readonly reportDays: number;
  readonly auditMonths: number;
}

interface PartitionPlan {
  readonly name: string;
  readonly from: Date;
  readonly to: Date;
}

/** Names and ranges that must exist at `now`: yesterday to a week ahead, this month to two ahead. */
export function partitionsWanted(now: Date): { reports: PartitionPlan[]; audit: PartitionPlan[] } {
  const today = Math.floor(now.getTime() / DAY_MS) * DAY_MS;
  const reports = Array.from({ length: 9 }, (_, index) => {
    const from = new Date(today + (index - 1) * DAY_MS);
    return { name: `reports_${stamp(from)}`, from, to: new Date(from.getTime() + DAY_MS) };
  });
  const audit = Array.from({ length: 4 }, (_, index) => {
    const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index - 1, 1));
    const to = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + index, 1));
    return { name: `audit_${stamp(from).slice(0, 6)}`, from, to };
  });
  return { reports, audit };
}

/** Creates what is missing and drops what is over. Safe to run at any time, on any number of servers. */
export async function maintainPartitions(
  tx: Pick<EntityManager, 'query'>,
  now: Date,
  retention: Retention,
): Promise<{ created: string[]; dropped: string[] }> {
  await tx.query('select pg_advisory_xact_lock($1)', [LOCK_KEY]);
  const wanted = partitionsWanted(now);
  const created: string[] = [];
  const dropped: string[] = [];
  for (const table of ['reports', 'audit'] as const) {
    const existing = await childrenOf(tx, table);
    for (const plan of wanted[table]) {
      if (existing.includes(plan.name)) continue;
      // Names and bounds are made here from digits alone.
      await tx.query(
        `create table ${plan.name} partition of ${table} for values from ('${plan.from.toISOString()}') to ('${plan.to.toISOString()}')`,
      );
      created.push(plan.name);
    }
    for (const name of existing) {
      const end = endOf(name);
      if (end === undefined) continue;
      const keepFrom =
        table === 'reports'
          ? new Date(now.getTime() - retention.reportDays * DAY_MS)
          : new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - retention.auditMonths, now.getUTCDate()));
      if (end > keepFrom) continue;
      await tx.query(`drop table ${name}`);
      dropped.push(name);
    }
  }
  return { created, dropped };
}

/**
 * Makes a partition again that a backup names.
 * @throws Error for a name that is none of ours.
 */
export async function createPartitionNamed(query: (sql: string) => Promise<unknown>, name: string): Promise<void> {
  const to = endOf(name);
  if (to === undefined) throw new Error(`${name.slice(0, 60)} is no name of a partition.`);
  const table = name.startsWith('reports_') ? 'reports' : 'audit';
  const from =
    table === 'reports'
      ? new Date(to.getTime() - DAY_MS)
      : new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() - 1, 1));
  await query(
    `create table if not exists ${name} partition of ${table} for values from ('${from.toISOString()}') to ('${to.toISOString()}')`,
  );
}

async function childrenOf(tx: Pick<EntityManager, 'query'>, table: string): Promise<string[]> {
  const rows = (await tx.query(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = $1::regclass order by 1`,
    [table],
  )) as { name: string }[];
  return rows.map((row) => row.name);
}

/** The end of a partition's range, from its name; undefined for tables that are not ours. */
function endOf(name: string): Date | undefined {
  const day = /^reports_(\d{4})(\d{2})(\d{2})$/.exec(name);
  if (day) return new Date(Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3]) + 1));
  const month = /^audit_(\d{4})(\d{2})$/.exec(name);
  if (month) return new Date(Date.UTC(Number(month[1]), Number(month[2]), 1));
  return undefined;
}

function stamp(date: Date): string {
  return date.toISOString().slice(0, 10).replaceAll('-', '');
}
