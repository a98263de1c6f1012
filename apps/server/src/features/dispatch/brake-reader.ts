/**
 * The brake's facts out of Postgres, judged by `domain/brake`. What is read of a look grows with what failed since the last
 * one, never with the devices of the campaign.
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
  type LedgerRules,
  type StratumFacts,
  type TestFacts,
} from '../../domain/brake/index.js';
import type { BrakeFindings } from '../../domain/campaign/decide.js';
import type { Sums } from '../../domain/sums/sums.js';
import { holdersOf, readHolderCounts } from './brake-holders.js';
import type { BrakeTestName } from './brake-marks.js';
import { readMarks, type Mark } from './mark-reader.js';

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
  const byTest = grouped(marks, (mark) => mark.test);
  const byStratum = grouped(byTest.get('firmware') ?? [], (mark) => mark.stratum);
  const testOf = (name: BrakeTestName, key: string, rules: (limit: number) => LedgerRules): TestFacts => ({
    test: epochsOf(
      (byTest.get(name) ?? []).map((mark) => toFailure(mark, mark.ordinal)),
      brakePast.map((past) => ({ after: past.after, limit: past.limit, logE: past.logE[key] ?? null })),
      brakeLimit,
      rules,
    ),
    granted,
    gatewaysTried,
  });
  const finishedGood = sums.proven + sums.unproven;
  const anyMarks = byTest.get('any') ?? [];
  const finished = {
    good: finishedGood,
    goodAfterFailure: await countGoodAfterFailure(tx, campaign.id, anyMarks.length),
  };
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
          (byStratum.get(stratum.idx) ?? []).map((mark) => toFailure(mark, mark.stratumOrdinal)),
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
    gateways: await holdersOf(tx, campaign, 'gateway', holders.gateways, anyMarks, finished),
    sites: await holdersOf(tx, campaign, 'site', holders.sites, anyMarks, finished),
    thresholds: policy.brake.thresholds.map((one) => ({ share: one.maxFailureShare, minTried: one.minTried })),
    bad: sums.failed + sums.reverted + sums.suspect,
    tried: sums.known + sums.suspect,
    overdueInFlight: byTest.has('overdue') ? await countOverdue(tx, campaign.id, afterOf(brakePast)) : 0,
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
    rising: verdict.amber[0] && { test: verdict.amber[0].test, sentence: verdict.amber[0].sentence },
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

function grouped<K>(marks: readonly Mark[], key: (mark: Mark) => K): Map<K, Mark[]> {
  const groups = new Map<K, Mark[]>();
  for (const mark of marks) {
    const group = groups.get(key(mark));
    if (group) group.push(mark);
    else groups.set(key(mark), [mark]);
  }
  return groups;
}

/** Marked as overdue and still not at their end, or lost: they are at risk, so few rows are looked at. */
async function countOverdue(tx: Queryable, campaignId: string, after: number): Promise<number> {
  const [row] = await queryRows<{ n: number }>(
    tx,
    `select count(*)::int as n from deployments dep
     where dep.campaign_id = $1 and dep.at_risk and dep.ordinal > $2
       and dep.state in ('planned', 'granted', 'downloading', 'transferring', 'activating', 'proving', 'cancelling',
         'rescue', 'lost')
       and exists (select 1 from brake_marks m
         where m.campaign_id = $1 and m.test = 'overdue' and m.deployment_id = dep.id)`,
    [campaignId, after],
  );
  return row!.n;
}

/** From so many failures on, how many of them ended well is counted once a minute: the quarantine's limit hardly moves by it. */
const COUNTED_EACH_LOOK = 2_000;
const COUNTED_AGAIN_MS = 60_000;
const MAX_REMEMBERED = 200;
const goodAfterFailure = new Map<string, { n: number; atMs: number }>();

/** Devices that failed at least once and ended well all the same. */
async function countGoodAfterFailure(tx: Queryable, campaignId: string, failures: number): Promise<number> {
  if (failures === 0) return 0;
  const known = goodAfterFailure.get(campaignId);
  if (failures > COUNTED_EACH_LOOK && known && performance.now() - known.atMs < COUNTED_AGAIN_MS) return known.n;
  const [row] = await queryRows<{ n: number }>(
    tx,
    `select count(*)::int as n from brake_marks m join deployments dep on dep.id = m.deployment_id
     where m.campaign_id = $1 and m.test = 'any' and dep.state in ('proven', 'unproven')`,
    [campaignId],
  );
  goodAfterFailure.delete(campaignId);
  goodAfterFailure.set(campaignId, { n: row!.n, atMs: performance.now() });
  const [oldest] = goodAfterFailure.keys();
  if (goodAfterFailure.size > MAX_REMEMBERED && oldest !== undefined) goodAfterFailure.delete(oldest);
  return row!.n;
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
