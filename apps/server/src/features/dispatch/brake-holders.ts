/**
 * Gateways and sites as the brake compares them: who failed more than the others. A failed trial knows its place among the
 * trials of its holder, so no trials are read; only a holder that was quarantined before is looked up.
 */
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import type { HolderFacts, HoldersFacts } from '../../domain/brake/index.js';
import type { Mark } from './mark-reader.js';

const LEAST_FAILURES_OF_HOLDER = 3;
/** Trials of one holder that are looked at where they must be; more than any has while its first failures count. */
const MOST_TRIALS_OF_HOLDER = 20_000;
/** Up to so many trials in all, those of a holder that ended well are counted one by one. */
const COUNTED_ONE_BY_ONE = 5_000;

export interface HolderCount {
  readonly total: number;
  readonly tried: number;
  readonly quarantined: number;
}

export interface FinishedCounts {
  /** Devices of the campaign that ended well. */
  readonly good: number;
  /** Those among them that had failed before. */
  readonly goodAfterFailure: number;
}

type Kind = 'gateway' | 'site';

/** How many gateways and sites the campaign has and has tried: kept with the campaign, moved by grants. */
export async function readHolderCounts(
  tx: Queryable,
  campaignId: string,
): Promise<{ gateways: HolderCount; sites: HolderCount }> {
  const [row] = await queryRows<Record<string, number>>(
    tx,
    `select c.gateways_planned, c.sites_planned,
       c.gateways_tried, c.sites_tried,
       (select count(*)::int from campaign_quarantines q
        where q.campaign_id = c.id and q.kind = 'gateway' and q.lifted_at is null) as gateways_out,
       (select count(*)::int from campaign_quarantines q
        where q.campaign_id = c.id and q.kind = 'site' and q.lifted_at is null) as sites_out
     from campaigns c where c.id = $1`,
    [campaignId],
  );
  const of = (kind: 'gateways' | 'sites'): HolderCount => ({
    total: Math.max(row?.[`${kind}_planned`] ?? 0, row?.[`${kind}_tried`] ?? 0),
    tried: row?.[`${kind}_tried`] ?? 0,
    quarantined: row?.[`${kind}_out`] ?? 0,
  });
  return { gateways: of('gateways'), sites: of('sites') };
}

/** With one gateway (or site) there are no others to compare it with: the campaign's own test speaks. */
export async function holdersOf(
  tx: Queryable,
  campaign: { readonly id: string; readonly nextOrdinal: number },
  kind: Kind,
  count: HolderCount,
  marks: readonly Mark[],
  finished: FinishedCounts,
): Promise<HoldersFacts> {
  const all = {
    ...count,
    finished: finished.good + Math.max(0, marks.length - finished.goodAfterFailure),
    failed: marks.length,
  };
  // Reports commit between the reads of one look: a holder is never counted with more than all have.
  const neverFailed = Math.max(0, finished.good - finished.goodAfterFailure);
  if (count.total < 2) return { ...all, total: Math.max(1, count.total), listed: [] };
  const byHolder = holdersThatFailed(marks, kind);
  if (byHolder.size === 0) return { ...all, listed: [] };
  const pasts = await readPasts(tx, campaign.id, kind);
  const looked: Looked[] = [];
  for (const [id, own] of byHolder) {
    const past = pasts.get(id);
    const from = past?.from ?? 0;
    const counted = from === 0 ? own : own.filter((mark) => mark.ordinal > from);
    if (past?.live || counted.length < LEAST_FAILURES_OF_HOLDER) continue;
    looked.push({ id, own: counted, from });
  }
  const tried = await readTried(
    tx,
    campaign.id,
    kind,
    looked.map((holder) => holder.id),
  );
  const isKnown = ({ id, own, from }: Looked): boolean =>
    from === 0 &&
    campaign.nextOrdinal > COUNTED_ONE_BY_ONE &&
    (tried.get(id) ?? 0) > 0 &&
    own.every((mark) => rankOf(mark, kind) !== null);
  const trials = await readTrials(
    tx,
    campaign.id,
    kind,
    looked.filter((holder) => !isKnown(holder)),
  );
  const listed = looked.map((holder): HolderFacts => {
    const { id, own } = holder;
    const { places, good } = isKnown(holder)
      ? // Its trials under way are taken as ended well: fewer are left to the others, so their share is no smaller.
        { places: placesOf(own, kind), good: Math.max(0, tried.get(id)! - own.length) }
      : placesAmong(own, trials.get(id) ?? []);
    return {
      id,
      failedOrdinals: places,
      neverStarted: [],
      finished: Math.min(good, neverFailed) + own.length,
      failed: own.length,
      quarantined: false,
    };
  });
  return { ...all, listed };
}

interface Looked {
  readonly id: string;
  readonly own: readonly Mark[];
  /** Failures up to this ordinal are left out. */
  readonly from: number;
}

const rankOf = (mark: Mark, kind: Kind): number | null => (kind === 'gateway' ? mark.gatewayRank : mark.siteRank);

function holdersThatFailed(marks: readonly Mark[], kind: Kind): Map<string, Mark[]> {
  const byHolder = new Map<string, Mark[]>();
  for (const mark of marks) {
    const id = kind === 'gateway' ? mark.gateway : mark.site;
    if (id === null) continue;
    const own = byHolder.get(id);
    if (own) own.push(mark);
    else byHolder.set(id, [mark]);
  }
  for (const [id, own] of byHolder) if (own.length < LEAST_FAILURES_OF_HOLDER) byHolder.delete(id);
  return byHolder;
}

/** Each failure has a place of its own: trials that moved to another gateway since leave none free before it. */
function placesOf(own: readonly Mark[], kind: Kind): number[] {
  let last = 0;
  return [...own]
    .sort((a, b) => a.ordinal - b.ordinal)
    .map((mark) => {
      last = Math.max(rankOf(mark, kind) ?? 0, last + 1);
      return last;
    });
}

async function readPasts(
  tx: Queryable,
  campaignId: string,
  kind: Kind,
): Promise<Map<string, { live: boolean; from: number }>> {
  const rows = await queryRows<{ ref_id: string; live: boolean; from_ordinal: string }>(
    tx,
    `select ref_id, bool_or(lifted_at is null) as live, max(from_ordinal)::text as from_ordinal
     from campaign_quarantines where campaign_id = $1 and kind = $2 group by ref_id`,
    [campaignId, kind],
  );
  return new Map(rows.map((row) => [row.ref_id, { live: row.live, from: Number(row.from_ordinal) }]));
}

async function readTried(
  tx: Queryable,
  campaignId: string,
  kind: Kind,
  ids: readonly string[],
): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await queryRows<{ ref_id: string; tried: string }>(
    tx,
    'select ref_id, tried::text from campaign_holders where campaign_id = $1 and kind = $2 and ref_id = any($3::uuid[])',
    [campaignId, kind, ids],
  );
  return new Map(rows.map((row) => [row.ref_id, Number(row.tried)]));
}

interface Trial {
  readonly ordinal: number;
  readonly good: boolean;
}

/** Attempts at a gateway, or at those of a site: found without an index that every report would have to write. */
const TRIED_AT: Readonly<Record<Kind, string>> = {
  gateway: 'a.gateway_id = h.id',
  site: 'a.gateway_id in (select g.id from gateways g where g.site_id = h.id)',
};

/** Trial by trial: exact while a campaign is young, and where the order of a holder began anew after a quarantine. */
async function readTrials(
  tx: Queryable,
  campaignId: string,
  kind: Kind,
  holders: readonly Looked[],
): Promise<Map<string, Trial[]>> {
  if (holders.length === 0) return new Map();
  const rows = await queryRows<{ id: string; ordinals: string[]; goods: boolean[] }>(
    tx,
    `select h.id, array_agg(t.ordinal::text) as ordinals, array_agg(t.good) as goods
     from unnest($2::uuid[], $3::bigint[]) as h(id, after) cross join lateral (
       select d.ordinal, d.state in ('proven', 'unproven') as good
       from attempts a join deployments d on d.id = a.deployment_id
       where ${TRIED_AT[kind]} and a.campaign_id = $1 and d.${kind}_id = h.id and d.ordinal > h.after
       group by 1, 2 order by 1 limit ${MOST_TRIALS_OF_HOLDER}) t
     group by h.id`,
    [campaignId, holders.map((holder) => holder.id), holders.map((holder) => holder.from)],
  );
  return new Map(
    rows.map((row) => [
      row.id,
      row.ordinals.map((ordinal, index) => ({ ordinal: Number(ordinal), good: row.goods[index]! })),
    ]),
  );
}

function placesAmong(own: readonly Mark[], trials: readonly Trial[]): { places: number[]; good: number } {
  const failedAt = new Set(own.map((mark) => mark.ordinal));
  // A device that failed here may be planned elsewhere by now: it was tried here all the same.
  const order = [...new Set([...trials.map((trial) => trial.ordinal), ...failedAt])].sort((a, b) => a - b);
  return {
    places: order.flatMap((ordinal, index) => (failedAt.has(ordinal) ? [index + 1] : [])),
    good: trials.filter((trial) => trial.good && !failedAt.has(trial.ordinal)).length,
  };
}
