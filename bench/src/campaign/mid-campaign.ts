/** Puts a planned campaign into its middle, by SQL: results, failures with their brake marks, devices under way and lost. */
import type pg from 'pg';

export interface MidCampaign {
  /** Members granted so far. */
  readonly tried: number;
  readonly failed: number;
  readonly lost: number;
  /** Under way now, the last that were granted. */
  readonly live: number;
}

export async function moveToMiddle(client: pg.Client, campaignId: string, middle: MidCampaign): Promise<void> {
  const { tried, failed, lost, live } = middle;
  await client.query('set session_replication_role = replica');
  await client.query('set synchronous_commit = off');
  const done = tried - live;
  await client.query('begin');
  // No look of the engine comes in between.
  await client.query('select 1 from campaigns where id = $1 for update', [campaignId]);
  // What the server has started since the campaign was, is part of the middle.
  await client.query('delete from attempts where campaign_id = $1', [campaignId]);
  await client.query(
    "update deployments set state = 'planned', attempt = 0, gateway_id = null where campaign_id = $1 and state = 'granted'",
    [campaignId],
  );
  await client.query(
    `with ranked as (
       select d.id, d.position, row_number() over (order by d.position) as at,
         row_number() over (partition by d.stratum_idx order by d.position) as stratum_at, v.gateway_id, g.epoch
       from deployments d join devices v on v.id = d.device_id join gateways g on g.id = v.gateway_id
       where d.campaign_id = $1 and d.state = 'planned' and g.online),
     x as (
       select *, case when at > $3 then 'transferring' when at % ($3 / $4) = 1 then 'failed' when at % ($3 / $5) = 2 then 'lost'
         else 'proven' end as state, now() - ($2 - at) * interval '20 milliseconds' as began
       from ranked where at <= $2)
     update deployments d set state = x.state, ordinal = x.at, stratum_ordinal = x.stratum_at, attempt = 1, tries = 1,
       gateway_id = x.gateway_id, epoch = x.epoch, granted_at = x.began, start_by = x.began + interval '5 minutes',
       finish_by = x.began + interval '1 day', touched_at = x.began + interval '5 seconds',
       at_risk = x.state in ('transferring', 'lost'), at_risk_at = case when x.state in ('transferring', 'lost') then x.began + interval '10 seconds' end,
       outcome_code = case x.state when 'failed' then 'target.no-return' end,
       ended_at = case when x.state = 'transferring' then null else x.began + interval '70 seconds' end
     from x where d.id = x.id`,
    [campaignId, tried, done, failed, lost],
  );
  await client.query(
    `insert into attempts (deployment_id, reign, attempt, campaign_id, device_id, gateway_id, epoch, mode, granted_at, start_by,
       finish_by, touched_at, ended_at, outcome, duration_ms, sent_bytes, gateway_rank, site_rank)
     select id, 0, 1, campaign_id, device_id, gateway_id, epoch, 'update', granted_at, start_by, finish_by, touched_at, ended_at,
       case when state = 'transferring' then null else state end, case when state = 'proven' then 61000 end, 250000,
       row_number() over (partition by gateway_id order by ordinal), row_number() over (partition by site_id order by ordinal)
     from deployments where campaign_id = $1 and ordinal is not null`,
    [campaignId],
  );
  await client.query(
    `insert into brake_marks (campaign_id, test, deployment_id, ordinal, stratum_idx, stratum_ordinal, gateway_id, site_id, code,
       gateway_rank, site_rank)
     select d.campaign_id, t.test, d.id, d.ordinal, d.stratum_idx, d.stratum_ordinal, d.gateway_id, d.site_id, d.outcome_code,
       d.gateway_rank, d.site_rank
     from (select *, row_number() over (partition by gateway_id order by ordinal) as gateway_rank,
         row_number() over (partition by site_id order by ordinal) as site_rank
       from deployments where campaign_id = $1 and ordinal is not null) d
       cross join (values ('firmware'), ('any')) as t(test)
     where d.state = 'failed'`,
    [campaignId],
  );
  await client.query(
    `insert into campaign_holders (campaign_id, kind, ref_id, tried)
     select $1::uuid, 'gateway', gateway_id, count(*) from deployments where campaign_id = $1 and ordinal is not null group by 3
     union all select $1::uuid, 'site', site_id, count(*) from deployments where campaign_id = $1 and ordinal is not null group by 3
     on conflict (campaign_id, kind, ref_id) do update set tried = excluded.tried`,
    [campaignId],
  );
  await client.query(
    `update campaign_strata s set tried = x.n, first_granted_at = now(), opened_at = now()
     from (select stratum_idx, count(*) as n from deployments where campaign_id = $1 and ordinal is not null group by 1) x
     where s.campaign_id = $1 and s.idx = x.stratum_idx`,
    [campaignId],
  );
  await client.query(
    `update campaign_counters c set n = coalesce((select count(*) from deployments d where d.campaign_id = $1
       and d.stage_idx = c.stage_idx and d.state = c.state), 0) where c.campaign_id = $1`,
    [campaignId],
  );
  await client.query(
    `update gateways g set in_flight = x.n from (
       select gateway_id, count(*)::int as n from deployments where campaign_id = $1 and state = 'transferring' group by 1) x
     where g.id = x.gateway_id`,
    [campaignId],
  );
  await client.query(
    `update campaign_stages set state = case when idx = 0 then 'passed' else 'open' end, opened_at = now(),
       deadline_at = now() + interval '7 days' where campaign_id = $1`,
    [campaignId],
  );
  // Those that were passed over stay planned before it: the search goes on behind.
  await client.query(
    `update campaigns set next_ordinal = $2, gateways_tried = (select count(*) from campaign_holders
         where campaign_id = $1 and kind = 'gateway'), sites_tried = (select count(*) from campaign_holders
         where campaign_id = $1 and kind = 'site'), scan_stage = 1, scan_position = (
       select max(position) from deployments where campaign_id = $1 and ordinal is not null) where id = $1`,
    [campaignId, tried + 1],
  );
  await client.query('commit');
  await client.query('set session_replication_role = origin');
  await client.query('vacuum analyze deployments, attempts, brake_marks, gateways, campaign_holders');
}
