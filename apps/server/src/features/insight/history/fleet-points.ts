/** What runs in the fleet and what failed, over time: one count of the devices an hour, and the counters of failures. */
import { queryRows, type Queryable } from '../../../adapters/database/rows.js';

/** Kinds of one organisation that one look keeps; the smallest are left out, and their devices count as other. */
const MOST_KINDS = 500;

/** At most once an hour for each organisation. @returns rows that were kept. */
export async function keepFleetVersions(tx: Queryable): Promise<number> {
  const rows = await queryRows(
    tx,
    `with due as (
       select o.id from orgs o where not exists (
         select 1 from fleet_versions v where v.org_id = o.id and v.at >= date_trunc('hour', clock_timestamp()))),
     moment as (select clock_timestamp() as at),
     counted as (
       select d.org_id, coalesce(d.model, '') as model, coalesce(d.running_version, '') as version, count(*) as n,
         count(*) filter (where d.last_seen_at > clock_timestamp() - interval '30 days') as seen
       from devices d where d.state = 'active' and d.org_id in (select id from due) group by 1, 2, 3),
     ranked as (select *, row_number() over (partition by org_id order by n desc, model, version) as place from counted)
     insert into fleet_versions (org_id, at, model, version, n, seen)
     select org_id, at, case when place <= ${MOST_KINDS} then model else '*' end, case when place <= ${MOST_KINDS} then version else '*' end,
       sum(n), sum(seen)
     from ranked cross join moment group by 1, 2, 3, 4 on conflict do nothing returning 1`,
  );
  return rows.length;
}

/** At most once an hour for each organisation: how many tries had failed so far, by code. */
export async function keepFailurePoints(tx: Queryable): Promise<number> {
  const rows = await queryRows(
    tx,
    `with due as (
       select o.id from orgs o where not exists (
         select 1 from failure_points p where p.org_id = o.id and p.at >= date_trunc('hour', clock_timestamp()))),
     moment as (select clock_timestamp() as at)
     insert into failure_points (org_id, at, code, n)
     select id, at, '', 0 from due cross join moment
     union all
     select c.org_id, m.at, f.code, sum(f.n) from failure_counters f join campaigns c on c.id = f.campaign_id cross join moment m
     where c.org_id in (select id from due) and f.n > 0 group by 1, 2, 3 on conflict do nothing returning 1`,
  );
  return rows.length;
}
