/**
 * The brake's facts out of Postgres, judged by `domain/brake`. What is read grows with the failures of the campaign,
 * never with its devices; only gateways and sites with three failures or more are looked at one by one.
 */
import type { Policy } from '@drydock/contracts';
import { queryRows, type Queryable } from '../../adapters/database/rows.js';
import {
  gatewayCap,
  judgeBrakes,
  newLedger,
  overdueLimit,
  stratumWeight,
  type BrakeFacts,
  type BrakeTest,
  type BrakeVerdict,
  type CountedFailure,
  type HoldersFacts,
  type LedgerRules,
  type StratumFacts,
  type TestFacts,
} from '../../domain/brake/index.js';
import type { BrakeFindings } from '../../domain/campaign/decide.js';
import type { Sums } from '../../domain/sums/sums.js';
import type { BrakeTestName } from './brake-marks.js';

/** An epoch that a person closed by resuming. Ordinals above `after` belong to the next one. */
export interface PastEpoch {
  readonly after: number;
  readonly limit: number;
  /** Evidence (ln E after the floor) of each test when it was closed, by test name. */
  readonly logE: Readonly<Record<string, number>>;
  /** Last ordinal given out by each stratum. */
  readonly strata: Readonly<Record<string, number>>;
}

export interface BrakeCampaign {
  readonly id: string;
  readonly policy: Policy;
  readonly brakeLimit: number;
  readonly brakePast: readonly PastEpoch[];
  readonly nextOrdinal: number;
}

interface Mark {
  readonly test: BrakeTestName;
  readonly deployment: string;
  readonly ordinal: number;
  readonly stratum: number;
  readonly stratumOrdinal: number;
  readonly gateway: string | null;
  readonly site: string | null;
  /** Its deployment ended well all the same. */
  readonly good: boolean;
  /** Its deployment is not at its end, or lost. */
  readonly open: boolean;
}

interface Stratum {
  readonly idx: number;
  readonly version: string;
  readonly size: number;
  readonly tried: number;
  readonly stopped: boolean;
}

export interface BrakeState {
  readonly facts: BrakeFacts;
  readonly verdict: BrakeVerdict;
  readonly strata: readonly Stratum[];
}

const LEAST_FAILURES_OF_HOLDER = 3;
/** Trials of one gateway or site that are looked at; more than any has while its first failures count. */
const MOST_TRIALS_OF_HOLDER = 20_000;
/** Share of the room in flight that overdue devices may hold, and the fewest that count as many. */
const MAX_OVERDUE_SHARE = 0.1;
const MIN_OVERDUE = 2;

/** @param sums over all stages. @param inFlightMax room in flight now. */
export async function readBrakes(
  tx: Queryable,
  campaign: BrakeCampaign,
  sums: Sums,
  inFlightMax: number,
): Promise<BrakeState> {
  const marks = await readMarks(tx, campaign.id);
  const strata = await readStrata(tx, campaign.id);
  const granted = campaign.nextOrdinal - 1;
  const holders = await readHolderCounts(tx, campaign.id);
  const cap = gatewayCap(Math.max(1, holders.gateways.total));
  const { policy, brakeLimit, brakePast } = campaign;
  const gatewaysTried = holders.gateways.tried;
  const testOf = (name: BrakeTestName, key: string, rules: (limit: number) => LedgerRules): TestFacts => ({
    test: epochsOf(
      marks.filter((mark) => mark.test === name).map((mark) => toFailure(mark, mark.ordinal)),
      brakePast.map((past) => ({ after: past.after, limit: past.limit, logE: past.logE[key] ?? null })),
      brakeLimit,
      rules,
    ),
    granted,
    gatewaysTried,
  });
  const finishedGood = sums.proven + sums.unproven;
  const anyMarks = marks.filter((mark) => mark.test === 'any');
  const facts: BrakeFacts = {
    alpha: policy.brake.alpha,
    limit: brakeLimit,
    campaign: testOf('firmware', 'campaign', (limit) => ({ limit, gatewayCap: cap })),
    strata: strata.map((stratum, place): StratumFacts => {
      const key = `version:${stratum.version}`;
      const frozen = policy.membership === 'frozen';
      return {
        kind: 'version',
        key: stratum.version,
        weight: stratumWeight(
          frozen ? { membership: 'frozen', strata: strata.length } : { membership: 'growing' },
          place + 1,
        ),
        left: stratum.size - stratum.tried,
        stopped: stratum.stopped,
        test: epochsOf(
          marks
            .filter((mark) => mark.test === 'firmware' && mark.stratum === stratum.idx)
            .map((mark) => toFailure(mark, mark.stratumOrdinal)),
          brakePast.map((past) => ({
            after: past.strata[stratum.idx] ?? 0,
            limit: past.limit,
            logE: past.logE[key] ?? null,
          })),
          brakeLimit,
          (limit) => ({ limit, gatewayCap: cap }),
        ),
        granted: stratum.tried,
        gatewaysTried,
      };
    }),
    left: sums.planned,
    overdue: testOf('overdue', 'overdue', (limit) => ({ limit: overdueLimit(limit), gatewayCap: cap })),
    transport: testOf('transport', 'transport', () => ({ limit: policy.brake.transportLimit, gatewayCap: cap })),
    gateways: await holdersOf(tx, campaign.id, 'gateway', holders.gateways, anyMarks, finishedGood),
    sites: await holdersOf(tx, campaign.id, 'site', holders.sites, anyMarks, finishedGood),
    thresholds: policy.brake.thresholds.map((one) => ({ share: one.maxFailureShare, minTried: one.minTried })),
    bad: sums.failed + sums.reverted + sums.suspect,
    tried: sums.known + sums.suspect,
    overdueInFlight: marks.filter((mark) => mark.test === 'overdue' && mark.open && mark.ordinal > afterOf(brakePast))
      .length,
    mostOverdueInFlight: Math.max(MIN_OVERDUE, Math.floor(MAX_OVERDUE_SHARE * inFlightMax)),
  };
  return { facts, verdict: judgeBrakes(facts), strata };
}

/** What the engine acts on; undefined when a test cannot be judged. */
export function findingsOf(state: BrakeState): BrakeFindings | undefined {
  const { verdict, strata } = state;
  if (verdict.cannotTell.length > 0) return undefined;
  const [halt] = verdict.halts;
  return {
    amber: verdict.amber.length > 0,
    halt: halt ? { rule: halt.sentence, evidence: { ...halt, all: verdict.halts.map((one) => one.sentence) } } : null,
    strata: verdict.strataStopped.flatMap((stopped) => {
      const stratum = strata.find((one) => one.version === stopped.key);
      return stratum ? [{ index: stratum.idx, note: stopped.evidence.sentence }] : [];
    }),
    quarantine: [
      ...verdict.gatewaysQuarantined.map((one) => ({ kind: 'gateway' as const, ...quarantineOf(one) })),
      ...verdict.sitesQuarantined.map((one) => ({ kind: 'site' as const, ...quarantineOf(one) })),
    ],
  };
}

const quarantineOf = (one: BrakeVerdict['gatewaysQuarantined'][number]) => ({
  refId: one.id,
  note: one.evidence.sentence,
  evidence: { ...one.evidence },
});

const afterOf = (past: readonly PastEpoch[]): number => past.at(-1)?.after ?? 0;

const toFailure = (mark: Mark, ordinal: number): CountedFailure => ({
  ordinal,
  gatewayId: mark.gateway ?? '',
  weight: 1,
});

/** One ledger per epoch, each with its own numbering from 1. */
function epochsOf(
  failures: readonly CountedFailure[],
  past: readonly { readonly after: number; readonly limit: number; readonly logE: number | null }[],
  limit: number,
  rules: (limit: number) => LedgerRules,
): BrakeTest {
  const sorted = [...failures].sort((a, b) => a.ordinal - b.ordinal);
  const starts = [0, ...past.map((one) => one.after)];
  return {
    epochs: starts.map((after, index) => {
      const end = starts[index + 1] ?? Number.MAX_SAFE_INTEGER;
      const own = sorted
        .filter((failure) => failure.ordinal > after && failure.ordinal <= end)
        .map((failure) => ({ ...failure, ordinal: failure.ordinal - after }));
      return {
        after,
        // One mark per trial and test is in the table, so the ordinals are distinct.
        ledger: { ...newLedger(rules(past[index]?.limit ?? limit)), failures: own },
        logEAtResume: past[index]?.logE ?? null,
      };
    }),
  };
}

async function readMarks(tx: Queryable, campaignId: string): Promise<Mark[]> {
  const rows = await queryRows<{
    test: BrakeTestName;
    deployment_id: string;
    ordinal: string;
    stratum_idx: number;
    stratum_ordinal: string;
    gateway_id: string | null;
    site_id: string | null;
    good: boolean;
    open: boolean;
  }>(
    tx,
    `select m.test, m.deployment_id, m.ordinal, m.stratum_idx, m.stratum_ordinal, m.gateway_id, m.site_id,
       dep.state in ('proven', 'unproven') as good,
       dep.state not in ('proven', 'unproven', 'failed', 'reverted', 'cancelled', 'skipped') as open
     from brake_marks m join deployments dep on dep.id = m.deployment_id where m.campaign_id = $1`,
    [campaignId],
  );
  return rows.map((row) => ({
    test: row.test,
    deployment: row.deployment_id,
    ordinal: Number(row.ordinal),
    stratum: row.stratum_idx,
    stratumOrdinal: Number(row.stratum_ordinal),
    gateway: row.gateway_id,
    site: row.site_id,
    good: row.good,
    open: row.open,
  }));
}

/** In the order of their first grant, then by place: what the shared error level is divided by. */
async function readStrata(tx: Queryable, campaignId: string): Promise<Stratum[]> {
  const rows = await queryRows<{ idx: number; version: string; size: string; tried: string; stopped: boolean }>(
    tx,
    `select idx, version, size, tried, stopped_at is not null as stopped from campaign_strata where campaign_id = $1
     order by first_granted_at nulls last, idx`,
    [campaignId],
  );
  return rows.map((row) => ({ ...row, size: Number(row.size), tried: Number(row.tried) }));
}

interface HolderCount {
  readonly total: number;
  readonly tried: number;
  readonly quarantined: number;
}

/** How many gateways and sites the campaign has and has tried: kept in `campaign_holders`, moved by grants. */
async function readHolderCounts(
  tx: Queryable,
  campaignId: string,
): Promise<{ gateways: HolderCount; sites: HolderCount }> {
  const [row] = await queryRows<Record<string, number>>(
    tx,
    `select c.gateways_planned, c.sites_planned,
       (select count(*)::int from campaign_holders h where h.campaign_id = c.id and h.kind = 'gateway') as gateways_tried,
       (select count(*)::int from campaign_holders h where h.campaign_id = c.id and h.kind = 'site') as sites_tried,
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
async function holdersOf(
  tx: Queryable,
  campaignId: string,
  kind: 'gateway' | 'site',
  count: HolderCount,
  marks: readonly Mark[],
  finishedGood: number,
): Promise<HoldersFacts> {
  const bad = marks.filter((mark) => !mark.good).length;
  const all = { ...count, finished: finishedGood + bad, failed: marks.length };
  // Reports commit between the reads of one look: a holder is never counted with more than all have.
  const neverFailed = Math.max(0, finishedGood - (marks.length - bad));
  if (count.total < 2) return { ...all, total: Math.max(1, count.total), listed: [] };
  const cleared = await queryRows<{ ref_id: string; live: boolean; from_ordinal: string }>(
    tx,
    `select ref_id, bool_or(lifted_at is null) as live, max(from_ordinal)::text as from_ordinal
     from campaign_quarantines where campaign_id = $1 and kind = $2 group by ref_id`,
    [campaignId, kind],
  );
  const byHolder = new Map<string, Mark[]>();
  for (const mark of marks) {
    const id = kind === 'gateway' ? mark.gateway : mark.site;
    if (id === null) continue;
    byHolder.set(id, [...(byHolder.get(id) ?? []), mark]);
  }
  const listed = [];
  for (const [id, own] of byHolder) {
    const past = cleared.find((row) => row.ref_id === id);
    const from = Number(past?.from_ordinal ?? 0);
    const counted = own.filter((mark) => mark.ordinal > from);
    if (past?.live || counted.length < LEAST_FAILURES_OF_HOLDER) continue;
    const trials = await queryRows<{ ordinal: string; good: boolean }>(
      tx,
      `select ordinal::text, state in ('proven', 'unproven') as good from deployments
       where campaign_id = $1 and ${kind}_id = $2 and ordinal > $3 order by ordinal limit ${MOST_TRIALS_OF_HOLDER}`,
      [campaignId, id, from],
    );
    const failedAt = new Set(counted.map((mark) => mark.ordinal));
    // A device that failed here may be planned elsewhere by now: it was tried here all the same.
    const order = [...new Set([...trials.map((row) => Number(row.ordinal)), ...failedAt])].sort((a, b) => a - b);
    const good = trials.filter((row) => row.good && !failedAt.has(Number(row.ordinal))).length;
    listed.push({
      id,
      failedOrdinals: order.flatMap((ordinal, index) => (failedAt.has(ordinal) ? [index + 1] : [])),
      neverStarted: [],
      finished: Math.min(good, neverFailed) + counted.length,
      failed: counted.length,
      quarantined: false,
    });
  }
  return { ...all, listed };
}
