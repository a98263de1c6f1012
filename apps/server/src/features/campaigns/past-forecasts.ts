/** What rehearsals said before the start, and what came: how far the next may be believed. */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

/** Of the devices that were reached; the last few wait for ever somewhere. */
const SHARE = 0.95;
const MOST_PAST = 100;

export interface PastForecast {
  readonly p10Ms: number | null;
  readonly p50Ms: number;
  readonly p90Ms: number | null;
  readonly actualMs: number;
}

/** Kept for the calibration: only of a campaign that has not started. */
export async function keepForecast(
  tx: Queryable,
  campaignId: string,
  forecast: { readonly p10: number | null; readonly p50: number | null; readonly p90: number | null },
): Promise<void> {
  if (forecast.p50 === null) return;
  await queryRows(
    tx,
    `insert into campaign_forecasts (campaign_id, p10_ms, p50_ms, p90_ms)
     select id, $2, $3, $4 from campaigns where id = $1 and started_at is null
     on conflict (campaign_id) do update set made_at = clock_timestamp(), p10_ms = excluded.p10_ms,
       p50_ms = excluded.p50_ms, p90_ms = excluded.p90_ms`,
    [campaignId, forecast.p10, forecast.p50, forecast.p90],
  );
}

/** When the campaign is over: how long it took until 95 % of those that came to a result had one. */
export async function recordActual(tx: Queryable, campaignId: string): Promise<void> {
  await queryRows(
    tx,
    `update campaign_forecasts f set actual_ms = extract(epoch from x.done - c.started_at)::float8 * 1000
     from campaigns c, (
       select percentile_disc(${SHARE}) within group (order by ended_at) as done from deployments
       where campaign_id = $1 and state in ('proven', 'unproven', 'failed', 'reverted') and ended_at is not null) x
     where f.campaign_id = $1 and c.id = $1 and x.done > c.started_at`,
    [campaignId],
  );
}

/** Finished campaigns that were rehearsed, latest first. */
export async function pastForecasts(tx: Queryable, orgId: string): Promise<PastForecast[]> {
  const rows = await queryRows<{ p10: number | null; p50: number; p90: number | null; actual: number }>(
    tx,
    `select f.p10_ms as p10, f.p50_ms as p50, f.p90_ms as p90, f.actual_ms as actual
     from campaign_forecasts f join campaigns c on c.id = f.campaign_id
     where c.org_id = $1 and f.actual_ms is not null order by c.ended_at desc nulls last limit ${MOST_PAST}`,
    [orgId],
  );
  return rows.map((row) => ({ p10Ms: row.p10, p50Ms: row.p50, p90Ms: row.p90, actualMs: row.actual }));
}
