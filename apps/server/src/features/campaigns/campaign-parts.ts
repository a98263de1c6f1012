/** Parts of a campaign that the API shows: its strata, and who is quarantined in it. */
import type { QuarantineBody, StratumBody } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';

const MOST_SHOWN = 500;

export async function readStrata(tx: Queryable, campaignId: string): Promise<StratumBody[]> {
  const rows = await queryRows<{
    idx: number;
    version: string;
    size: string;
    in_first_stage: string;
    tried: string;
    stopped_at: Date | null;
    stopped_note: string | null;
  }>(
    tx,
    `select idx, version, size, in_first_stage, tried, stopped_at, stopped_note from campaign_strata
     where campaign_id = $1 order by idx limit ${MOST_SHOWN}`,
    [campaignId],
  );
  return rows.map((row) => ({
    index: row.idx,
    version: row.version,
    size: Number(row.size),
    inFirstStage: Number(row.in_first_stage),
    tried: Number(row.tried),
    stopped: row.stopped_at === null ? null : { at: row.stopped_at.toISOString(), note: row.stopped_note ?? '' },
  }));
}

/** Those that stand now. */
export async function readQuarantines(tx: Queryable, campaignId: string): Promise<QuarantineBody[]> {
  const rows = await queryRows<{
    id: string;
    kind: 'gateway' | 'site';
    ref_id: string;
    name: string;
    at: Date;
    note: string;
    probe_at: Date | null;
  }>(
    tx,
    `select q.id, q.kind, q.ref_id, coalesce(g.name, s.name, '') as name, q.at, q.note, q.probe_at
     from campaign_quarantines q left join gateways g on q.kind = 'gateway' and g.id = q.ref_id
       left join sites s on q.kind = 'site' and s.id = q.ref_id
     where q.campaign_id = $1 and q.lifted_at is null order by q.at limit ${MOST_SHOWN}`,
    [campaignId],
  );
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    ref: { id: row.ref_id, name: row.name },
    at: row.at.toISOString(),
    note: row.note,
    probeAt: row.probe_at?.toISOString() ?? null,
  }));
}

/** Names of gateways and sites by their ids. */
export async function readPlaceNames(tx: Queryable, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await queryRows<{ id: string; name: string }>(
    tx,
    `select id, name from gateways where id = any($1::uuid[]) union all select id, name from sites where id = any($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}
