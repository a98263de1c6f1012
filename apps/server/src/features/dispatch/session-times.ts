/**
 * What the newest proven attempts of a campaign took, first touch to end. Three rules compare with it: how long a grant
 * may wait for its start, whether a session still fits a window, and when a device under way is suspect.
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

export interface SessionTimes {
  /** Proven attempts that were looked at, at most {@link NEWEST}. */
  readonly n: number;
  /** Milliseconds; null without a proven attempt. */
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
}

const NEWEST = 1_000;
/**
 * Quantiles of a full sample hardly move, and the newest grants are the ones not proven yet: finding a thousand proofs
 * behind them costs more than everything else of a look.
 */
const FRESH_MS = 10_000;
const MAX_REMEMBERED = 200;

const remembered = new Map<string, { readonly times: SessionTimes; readonly atMs: number }>();

/** @param campaign with the database's clock; a full sample is at most ten seconds old. */
export async function readSessionTimes(
  tx: Queryable,
  campaign: { readonly id: string; readonly nowMs: number },
): Promise<SessionTimes> {
  const known = remembered.get(campaign.id);
  if (known && Math.abs(campaign.nowMs - known.atMs) < FRESH_MS) return known.times;
  const [row] = await queryRows<SessionTimes>(
    tx,
    `select count(*)::int as n, percentile_cont(0.5) within group (order by duration_ms) as p50,
       percentile_cont(0.9) within group (order by duration_ms) as p90,
       percentile_cont(0.99) within group (order by duration_ms) as p99 from (
       select duration_ms from attempts where campaign_id = $1 and outcome = 'proven' and duration_ms is not null
       order by granted_at desc limit ${NEWEST}) newest`,
    [campaign.id],
  );
  remembered.delete(campaign.id);
  if (row!.n >= NEWEST) remembered.set(campaign.id, { times: row!, atMs: campaign.nowMs });
  const [oldest] = remembered.keys();
  if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  return row!;
}
