/** Points of campaigns over time, made from counters: how many are kept never depends on the size of a campaign. */
import type { DataSource } from 'typeorm';
import { queryRows, type Queryable } from '../../../adapters/database/rows.js';

/** Selects from `campaigns c`; add a `where`. */
export const POINT_OF_NOW = `select clock_timestamp() as at, n.*, (c.next_ordinal - 1)::float8 as granted
  from campaigns c cross join lateral (
    select coalesce(sum(n) filter (where state = 'proven'), 0)::float8 as proven,
      coalesce(sum(n) filter (where state = 'failed'), 0)::float8 as failed,
      coalesce(sum(n) filter (where state = 'reverted'), 0)::float8 as reverted,
      coalesce(sum(n) filter (where state = 'unproven'), 0)::float8 as unproven,
      coalesce(sum(n) filter (where state = 'lost'), 0)::float8 as lost,
      coalesce(sum(n) filter (where state in ('transferring', 'activating', 'proving', 'cancelling', 'rescue')), 0)::float8 as in_flight,
      coalesce(sum(n) filter (where state not in ('skipped', 'cancelled')), 0)::float8 as target
    from campaign_counters where campaign_id = c.id) n`;

/** A point each 10 s in the first hour of a campaign, each minute later, and one at its end. */
export async function keepCampaignPoints(tx: Queryable): Promise<number> {
  const rows = await queryRows(
    tx,
    `with due as (
       select c.id from campaigns c
         left join lateral (select at from campaign_points where campaign_id = c.id order by at desc limit 1) last on true
       where c.started_at is not null and (
         (c.state in ('running', 'paused', 'halted', 'aborting') and (last.at is null or last.at < clock_timestamp()
            - case when c.started_at > clock_timestamp() - interval '1 hour' then interval '9 seconds' else interval '55 seconds' end))
         or (c.ended_at > clock_timestamp() - interval '1 day' and (last.at is null or last.at < c.ended_at)))),
     now as (${POINT_OF_NOW.replace('select clock_timestamp()', 'select c.id, clock_timestamp()')} where c.id in (select id from due))
     insert into campaign_points (campaign_id, at, proven, failed, reverted, unproven, lost, in_flight, target, granted)
     select id, at, proven, failed, reverted, unproven, lost, in_flight, target, granted from now
     on conflict do nothing returning 1`,
  );
  return rows.length;
}

/** Older points thin out: one in 10 minutes after a day, one an hour after 30 days. Outlooks are kept for 90 days. */
export async function thinHistory(source: DataSource): Promise<void> {
  for (const [age, width] of [
    ['1 day', '10 minutes'],
    ['30 days', '1 hour'],
  ]) {
    await source.query(
      `delete from campaign_points p where p.at < now() - $1::interval and exists (
         select 1 from campaign_points o where o.campaign_id = p.campaign_id and o.at > p.at
           and date_bin($2::interval, o.at, 'epoch') = date_bin($2::interval, p.at, 'epoch'))`,
      [age, width],
    );
  }
  await source.query(`delete from campaign_outlooks where at < now() - interval '90 days'`);
  await source.query(`delete from failure_points where at < now() - interval '8 days'`);
  await source.query(
    `delete from fleet_versions v where v.at < now() - interval '14 days' and (v.at < now() - interval '730 days' or exists (
       select 1 from fleet_versions o where o.org_id = v.org_id and o.at > v.at
         and date_trunc('day', o.at) = date_trunc('day', v.at)))`,
  );
}
