/**
 * All brakes of a campaign over one snapshot of its facts: what halts, what is stopped, who is quarantined, and
 * why. A brake that cannot be judged rings nothing and lets nothing start (P11).
 */
import { alphaOf, type StratumKind } from './alpha.js';
import { judgeTest, type TestFacts, type TestVerdict } from './brake-test.js';
import { evidenceOf, percent, risingSentence, type BrakeName, type Evidence } from './evidence.js';
import { judgeHolder, mostQuarantined, type HoldersFacts } from './sick-holder.js';
import type { Peak } from './trial-ledger.js';

export interface StratumFacts extends TestFacts {
  readonly kind: StratumKind;
  readonly key: string;
  /** Share inside its kind, see `stratumWeight`. */
  readonly weight: number;
  /** Devices of the stratum that no grant has gone out to. */
  readonly left: number;
  readonly stopped: boolean;
}

/** A plain threshold: halts once `minTried` have results and more than `share` of them are bad. */
export interface Threshold {
  readonly share: number;
  readonly minTried: number;
}

export interface BrakeFacts {
  readonly alpha: number;
  /** The campaign's limit of the current epoch. */
  readonly limit: number;
  readonly campaign: TestFacts;
  readonly strata: readonly StratumFacts[];
  /** Devices of the campaign that no grant has gone out to. */
  readonly left: number;
  readonly overdue: TestFacts;
  readonly transport: TestFacts;
  readonly gateways: HoldersFacts;
  readonly sites: HoldersFacts;
  readonly thresholds: readonly Threshold[];
  /** By the sums of the gate: failed, reverted and suspect among known and suspect. */
  readonly bad: number;
  readonly tried: number;
  /** Started devices past their state's deadline, and the most that may be: see `mostOverdue` of the pace. */
  readonly overdueInFlight: number;
  readonly mostOverdueInFlight: number;
}

export type Halt =
  | { readonly kind: 'test'; readonly evidence: Evidence; readonly sentence: string }
  | { readonly kind: 'stratum-too-large'; readonly evidence: Evidence; readonly sentence: string }
  | {
      readonly kind: 'threshold';
      readonly bad: number;
      readonly tried: number;
      readonly share: number;
      readonly sentence: string;
    }
  | {
      readonly kind: 'too-many-quarantined';
      readonly of: 'gateway' | 'site';
      readonly quarantined: number;
      readonly tried: number;
      readonly sentence: string;
    }
  | { readonly kind: 'overdue-in-flight'; readonly overdue: number; readonly most: number; readonly sentence: string };

export interface StoppedStratum {
  readonly kind: StratumKind;
  readonly key: string;
  readonly evidence: Evidence;
}

export interface Quarantine {
  readonly id: string;
  readonly evidence: Evidence;
}

export interface Amber {
  readonly test: BrakeName;
  readonly current: Peak;
  readonly sentence: string;
}

export interface BrakeVerdict {
  readonly halts: readonly Halt[];
  readonly strataStopped: readonly StoppedStratum[];
  readonly gatewaysQuarantined: readonly Quarantine[];
  readonly sitesQuarantined: readonly Quarantine[];
  /** Not empty: the pace does not grow and no stage opens. Falls away again with successes. */
  readonly amber: readonly Amber[];
  /** Of everything that rang, in the order above. */
  readonly evidence: readonly Evidence[];
  /** Tests that could not be judged, and why. Not empty: nothing new may be granted. */
  readonly cannotTell: readonly { readonly test: string; readonly detail: string }[];
}

/** The current evidence from which on the campaign is amber. */
export const AMBER_LOG_E = Math.log(10);

export function judgeBrakes(facts: BrakeFacts): BrakeVerdict {
  const cannotTell: { test: string; detail: string }[] = [];
  /** State comes out of a database: whatever is wrong with it, the other tests are judged and nothing starts. */
  const judged = <T>(test: string, judge: () => T): T | undefined => {
    try {
      return judge();
    } catch (error) {
      cannotTell.push({ test, detail: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
  const halts: Halt[] = [];
  const amber: Amber[] = [];
  for (const test of ['campaign', 'overdue', 'transport'] as const) {
    const alpha = alphaOf(test, facts.alpha);
    const verdict = judged(test, () => judgeTest(facts[test], alpha));
    if (!verdict) continue;
    const evidence = judged(test, () => evidenceIfRung(verdict, test, null, alpha));
    if (evidence) halts.push({ kind: 'test', evidence, sentence: evidence.sentence });
    if (verdict.current.logE < AMBER_LOG_E) continue;
    const { current, limit } = verdict;
    amber.push({ test, current, sentence: risingSentence(test, current, limit) });
  }

  const strataStopped: StoppedStratum[] = [];
  for (const stratum of facts.strata) {
    if (stratum.stopped) continue;
    const { kind, key } = stratum;
    const evidence = judged(`${kind} ${key}`, () => {
      const alpha = alphaOf(kind, facts.alpha, stratum.weight);
      return evidenceIfRung(judgeTest(stratum, alpha), kind, key, alpha);
    });
    if (!evidence) continue;
    strataStopped.push({ kind, key, evidence });
    if (stratum.left > facts.left / 2) {
      const sentence = `${evidence.sentence} The stratum is ${stratum.left} of the ${facts.left} devices that are left.`;
      halts.push({ kind: 'stratum-too-large', evidence, sentence });
    }
  }

  const gatewaysQuarantined =
    judged('gateways', () => quarantines(facts.gateways, 'gateway', facts.limit, judged)) ?? [];
  const sitesQuarantined = judged('sites', () => quarantines(facts.sites, 'site', facts.limit, judged)) ?? [];
  halts.push(...tooMany(facts.gateways, 'gateway', gatewaysQuarantined.length));
  halts.push(...tooMany(facts.sites, 'site', sitesQuarantined.length));
  halts.push(...facts.thresholds.flatMap((threshold) => overThreshold(threshold, facts.bad, facts.tried)));
  if (facts.overdueInFlight > facts.mostOverdueInFlight) {
    const [overdue, most] = [facts.overdueInFlight, facts.mostOverdueInFlight];
    const sentence = `${overdue} started devices are past their deadline; at most ${most} may be.`;
    halts.push({ kind: 'overdue-in-flight', overdue, most, sentence });
  }

  const evidence = [
    ...halts.flatMap((halt) => (halt.kind === 'test' ? [halt.evidence] : [])),
    ...strataStopped.map((stopped) => stopped.evidence),
    ...gatewaysQuarantined.map((quarantine) => quarantine.evidence),
    ...sitesQuarantined.map((quarantine) => quarantine.evidence),
  ];
  return { halts, strataStopped, gatewaysQuarantined, sitesQuarantined, amber, evidence, cannotTell };
}

function evidenceIfRung(
  verdict: TestVerdict,
  test: BrakeName,
  key: string | null,
  alpha: number,
): Evidence | undefined {
  const { rings, peak, limit, epoch, oldEpoch } = verdict;
  return rings && peak ? evidenceOf({ test, key, peak, limit, alpha, epoch, oldEpoch }) : undefined;
}

function quarantines(
  all: HoldersFacts,
  test: 'gateway' | 'site',
  limit: number,
  judged: <T>(name: string, judge: () => T) => T | undefined,
): Quarantine[] {
  return all.listed.flatMap((holder) => {
    if (holder.quarantined) return [];
    const verdict = judged(`${test} ${holder.id}`, () => judgeHolder(holder, all, limit));
    if (!verdict?.sick || !verdict.peak) return [];
    const { peak, limit: allowed, alpha } = verdict;
    return [
      {
        id: holder.id,
        evidence: evidenceOf({ test, key: holder.id, peak, limit: allowed, alpha, epoch: 0, oldEpoch: false }),
      },
    ];
  });
}

function tooMany(all: HoldersFacts, of: 'gateway' | 'site', more: number): Halt[] {
  const quarantined = all.quarantined + more;
  const most = mostQuarantined(all.tried);
  if (quarantined <= most) return [];
  const sentence = `${quarantined} of ${all.tried} ${of}s tried are quarantined; more than ${Math.floor(most)} halt the campaign.`;
  return [{ kind: 'too-many-quarantined', of, quarantined, tried: all.tried, sentence }];
}

function overThreshold(threshold: Threshold, bad: number, tried: number): Halt[] {
  const { share, minTried } = threshold;
  if (tried < Math.max(1, minTried) || bad / tried <= share) return [];
  const sentence = `${bad} of ${tried} tried failed; more than ${percent(share)} halt the campaign once ${minTried} are tried.`;
  return [{ kind: 'threshold', bad, tried, share, sentence }];
}
