/** What the fleet has shown so far, in the form a forecast draws from. Every read is bounded. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import { COLD_START, logOdds, type ForecastHistory, type LinkKind } from '../../domain/forecast/index.js';

/** Latest campaigns of the model that are looked at, and attempts of each. */
const CAMPAIGNS = 20;
const ATTEMPTS = 2_000;
const RESIDUALS = 500;
const DEVICES_LOOKED_AT = 200;
const GATEWAYS = 20_000;
/** Variance of the log-odds inside one gateway: one connection more or less moves it by about one. */
const ON_VARIANCE = 1;

export interface FleetHistory {
  readonly history: ForecastHistory;
  /** What nothing is known of, for people. */
  readonly defaults: readonly string[];
}

/** @param pastShocks ln(actual / p50) of finished campaigns. */
export async function readForecastHistory(
  tx: Queryable,
  of: { readonly orgId: string; readonly model: string },
  pastShocks: readonly number[],
): Promise<FleetHistory> {
  const rates = await readRates(tx, of);
  const attempts = await readAttempts(tx, of);
  const gatewayOn = await readConnections(tx, of);
  const total = rates.reduce((sum, row) => sum + row.n, 0);
  const mean = total === 0 ? 0 : rates.reduce((sum, row) => sum + row.n * row.mean, 0) / total;
  const squares = rates.reduce((sum, row) => sum + row.squares + row.n * (row.mean - mean) ** 2, 0);
  const defaults = [
    ...(total === 0 ? ['link speed'] : []),
    ...(attempts.length === 0 ? ['failure rates'] : []),
    ...(gatewayOn.length === 0 ? ['gateway connectivity'] : []),
    'device connectivity',
    'time of a session besides the transfer',
    ...(pastShocks.length === 0 ? ['spread between campaigns'] : []),
  ];
  return {
    history: {
      link: await linkOf(tx, of),
      modelRates: total === 0 ? [] : [{ id: of.model, count: total, mean, sumSquares: squares }],
      gatewayRates: rates.map((row) => ({ id: row.id, count: row.n, mean: row.mean - mean, sumSquares: row.squares })),
      rateResiduals: rates.flatMap((row) => row.residuals).slice(0, RESIDUALS),
      gatewayOn,
      deviceOn: [],
      attempts,
      fixedMs: {},
      pastShocks,
    },
    defaults,
  };
}

const RECENT = `select c.id from campaigns c join artifacts a on a.id = c.artifact_id
  where c.org_id = $1 and a.model = $2 and c.started_at is not null order by c.started_at desc limit ${CAMPAIGNS}`;

interface Rate {
  readonly id: string;
  readonly n: number;
  readonly mean: number;
  readonly squares: number;
  readonly residuals: readonly number[];
}

/** Log of bytes per second by gateway, of proven updates, without what does not depend on size. */
async function readRates(tx: Queryable, of: { orgId: string; model: string }): Promise<Rate[]> {
  return queryRows<Rate>(
    tx,
    `with recent as (${RECENT}),
     seen as (
       select att.gateway_id, ln(att.sent_bytes * 1000.0 / greatest(att.duration_ms - $3::float8, att.duration_ms * 0.2))::float8 as rate
       from recent cross join lateral (
         select * from attempts where campaign_id = recent.id and outcome = 'proven' and sent_bytes > 0 and duration_ms > 0
         order by granted_at desc limit ${ATTEMPTS}) att),
     means as (
       select gateway_id, count(*)::int as n, avg(rate) as mean, (var_pop(rate) * count(*))::float8 as squares,
         (array_agg(rate))[1:20] as first_ones
       from seen group by gateway_id order by gateway_id limit ${GATEWAYS})
     select gateway_id::text as id, n, mean, squares,
       case when n >= 3 then array(select one - mean from unnest(first_ones) one)::float8[] else '{}' end as residuals
     from means`,
    [of.orgId, of.model, COLD_START.fixedMs],
  );
}

async function readAttempts(
  tx: Queryable,
  of: { orgId: string; model: string },
): Promise<ForecastHistory['attempts'][number][]> {
  const rows = await queryRows<{ attempt: number; tries: number; transport: number; firmware: number }>(
    tx,
    `with recent as (${RECENT}),
     seen as (select att.* from recent cross join lateral (
       select attempt, outcome, blame from attempts where campaign_id = recent.id and outcome in ('proven', 'failed')
       order by granted_at desc limit ${ATTEMPTS}) att)
     select least(attempt, 5) as attempt, count(*)::int as tries,
       (count(*) filter (where outcome = 'failed' and blame in ('link', 'gateway', 'server')))::int as transport,
       (count(*) filter (where outcome = 'failed' and blame in ('firmware', 'device')))::int as firmware
     from seen group by 1 order by 1`,
    [of.orgId, of.model],
  );
  return rows.map((row) => ({
    model: of.model,
    attempt: row.attempt,
    tries: row.tries,
    transportFailures: row.transport,
    firmwareFailures: row.firmware,
  }));
}

/** Share of the last 30 days in which an agent of the gateway was heard, from the lives of its epochs. */
async function readConnections(
  tx: Queryable,
  of: { orgId: string; model: string },
): Promise<ForecastHistory['gatewayOn'][number][]> {
  const rows = await queryRows<{ id: string; n: number; on_share: number }>(
    tx,
    `select e.gateway_id::text as id, count(*)::int as n,
       (extract(epoch from sum(e.heard_at - greatest(e.first_seen_at, now() - interval '30 days')))
         / extract(epoch from now() - greatest(min(e.first_seen_at), now() - interval '30 days')))::float8 as on_share
     from gateway_epochs e join gateways g on g.id = e.gateway_id
     where g.org_id = $1 and g.state = 'active' and e.heard_at > now() - interval '30 days' and e.was_live
       and exists (select 1 from devices dev where dev.gateway_id = g.id and dev.model = $2)
     group by e.gateway_id having now() - min(e.first_seen_at) > interval '1 day' order by e.gateway_id limit ${GATEWAYS}`,
    [of.orgId, of.model],
  );
  return rows.map((row) => {
    const share = Math.min(0.999, Math.max(0.001, row.on_share));
    return { id: row.id, count: row.n, mean: logOdds(share), sumSquares: ON_VARIANCE * row.n };
  });
}

async function linkOf(tx: Queryable, of: { orgId: string; model: string }): Promise<LinkKind> {
  const [row] = await queryRows<{ uart: boolean }>(
    tx,
    `select coalesce(avg(case when links::text like '%"serial:%' then 1 else 0 end) > 0.5, false) as uart from (
       select links from devices where org_id = $1 and model = $2 and links <> '[]' limit ${DEVICES_LOOKED_AT}) looked_at`,
    [of.orgId, of.model],
  );
  return row?.uart ? 'uart' : 'ble';
}
