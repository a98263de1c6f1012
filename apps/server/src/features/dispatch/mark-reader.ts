/**
 * Marks of the brake out of Postgres. They are written once and stay, so a server remembers those that are older than any
 * transaction may be, and a look reads what is new. Their number is checked each time: a memory that does not fit what is
 * stored is thrown away.
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { BrakeTestName } from './brake-marks.js';

export interface Mark {
  readonly test: BrakeTestName;
  readonly deployment: string;
  readonly ordinal: number;
  readonly stratum: number;
  readonly stratumOrdinal: number;
  readonly gateway: string | null;
  readonly site: string | null;
  /** Place among the trials of its gateway and of its site, from 1; null: marked before places were kept. */
  readonly gatewayRank: number | null;
  readonly siteRank: number | null;
}

interface Remembered {
  readonly marks: Mark[];
  /** Everything up to this moment of the database's clock is in it. */
  readonly untilMs: number;
}

/** No transaction that writes marks lasts so long. */
const SETTLED_AFTER_MS = 5 * 60_000;
const MAX_CAMPAIGNS_REMEMBERED = 50;
/** Below it nothing is remembered: reading it costs less than asking. */
const LEAST_REMEMBERED = 500;

const memory = new Map<string, Remembered>();

interface Row {
  test: BrakeTestName;
  deployment_id: string;
  ordinal: string;
  stratum_idx: number;
  stratum_ordinal: string;
  gateway_id: string | null;
  site_id: string | null;
  gateway_rank: string | null;
  site_rank: string | null;
  at_ms: number;
}

/** All marks of a campaign, in no order. */
export async function readMarks(tx: Queryable, campaignId: string): Promise<readonly Mark[]> {
  const known = memory.get(campaignId);
  const [count] = await queryRows<{ n: number; settled: number; until: number }>(
    tx,
    `select count(*)::int as n, (count(*) filter (where at <= to_timestamp($2::float8 / 1000)))::int as settled,
       floor(extract(epoch from clock_timestamp()) * 1000)::float8 - ${SETTLED_AFTER_MS} as until
     from brake_marks where campaign_id = $1`,
    [campaignId, known?.untilMs ?? 0],
  );
  if (known && known.marks.length === count!.settled) {
    const fresh = await readSince(tx, campaignId, known.untilMs);
    remember(campaignId, known.marks, fresh, count!.until);
    return fresh.length === 0 ? known.marks : [...known.marks, ...fresh.map(toMark)];
  }
  memory.delete(campaignId);
  const rows = await readSince(tx, campaignId, null);
  if (rows.length >= LEAST_REMEMBERED) remember(campaignId, [], rows, count!.until);
  return rows.map(toMark);
}

/** Keeps what is older than any open transaction: what is younger may still be rolled back, or come to light. */
function remember(campaignId: string, marks: readonly Mark[], rows: readonly Row[], untilMs: number): void {
  const settled = rows.filter((row) => row.at_ms <= untilMs).map(toMark);
  memory.delete(campaignId);
  memory.set(campaignId, { marks: [...marks, ...settled], untilMs });
  const [oldest] = memory.keys();
  if (memory.size > MAX_CAMPAIGNS_REMEMBERED && oldest !== undefined) memory.delete(oldest);
}

async function readSince(tx: Queryable, campaignId: string, sinceMs: number | null): Promise<Row[]> {
  return queryRows<Row>(
    tx,
    `select test, deployment_id, ordinal, stratum_idx, stratum_ordinal, gateway_id, site_id, gateway_rank, site_rank,
       extract(epoch from at)::float8 * 1000 as at_ms
     from brake_marks where campaign_id = $1 and ($2::float8 is null or at > to_timestamp($2::float8 / 1000))`,
    [campaignId, sinceMs],
  );
}

const orNull = (value: string | null): number | null => (value === null ? null : Number(value));

function toMark(row: Row): Mark {
  return {
    test: row.test,
    deployment: row.deployment_id,
    ordinal: Number(row.ordinal),
    stratum: row.stratum_idx,
    stratumOrdinal: Number(row.stratum_ordinal),
    gateway: row.gateway_id,
    site: row.site_id,
    gatewayRank: orNull(row.gateway_rank),
    siteRank: orNull(row.site_rank),
  };
}
