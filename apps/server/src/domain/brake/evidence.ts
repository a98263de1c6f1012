/** Why a brake rang: numbers to store, and the sentence a person reads. */
import { logBar } from './e-value.js';
import { largestWithin } from './staircase.js';
import type { Peak } from './trial-ledger.js';

export type BrakeName = 'campaign' | 'model' | 'version' | 'overdue' | 'transport' | 'gateway' | 'site';

export interface Evidence {
  readonly test: BrakeName;
  /** The stratum, gateway or site; null for tests of the whole campaign. */
  readonly key: string | null;
  /** Sum of weights, in the prefix that spoke loudest. */
  readonly failures: number;
  /** Trials of that prefix, in the order of granting. */
  readonly trials: number;
  readonly limit: number;
  readonly alpha: number;
  readonly logE: number;
  /** It rings at this ln E. */
  readonly logBar: number;
  /** So many failures ring within this many trials; null where they never do. */
  readonly within: number | null;
  readonly epoch: number;
  readonly sentence: string;
}

export interface Rung {
  readonly test: BrakeName;
  readonly key: string | null;
  readonly peak: Peak;
  readonly limit: number;
  readonly alpha: number;
  readonly epoch: number;
  readonly oldEpoch: boolean;
}

export function evidenceOf(rung: Rung): Evidence {
  const { failures, trials, logE } = rung.peak;
  const within = largestWithin(failures, rung.limit, rung.alpha) ?? null;
  const { test, key, limit, alpha, epoch } = rung;
  return {
    test,
    key,
    failures,
    trials,
    limit,
    alpha,
    logE,
    logBar: logBar(alpha),
    within,
    epoch,
    sentence: sentenceOf(rung, within),
  };
}

function sentenceOf(rung: Rung, within: number | null): string {
  const { failures, trials } = rung.peak;
  const happened = `${number(failures)} of the first ${trials} started ${WHERE[rung.test](rung.key ?? '')}`;
  const allowed =
    within === null
      ? ''
      : `; the limit of ${percent(rung.limit)} allows ${allowance(failures)} among the first ${within}`;
  const since = rung.oldEpoch ? ' Results of devices started before the resume say so.' : '';
  return `${happened}${allowed}.${NOTE[rung.test] ?? ''}${since}`;
}

/** What a test says now, before it rings. */
export function risingSentence(test: BrakeName, current: Peak, limit: number): string {
  return `${number(current.failures)} of ${current.trials} started ${WHERE[test]('')}; the limit is ${percent(limit)}`;
}

const WHERE: Readonly<Record<BrakeName, (key: string) => string>> = {
  campaign: () => 'failed',
  model: (key) => `of model ${key} failed`,
  version: (key) => `that ran ${key} before failed`,
  overdue: () => 'were not proven in time after activation',
  transport: () => 'used up their attempts on bad links',
  gateway: (key) => `at gateway ${key} failed`,
  site: (key) => `at site ${key} failed`,
};

const NOTE: Readonly<Partial<Record<BrakeName, string>>> = {
  transport: ' This speaks of links, not of the firmware.',
  gateway: ' The limit follows what the other gateways show.',
  site: ' The limit follows what the other sites show.',
};

function allowance(failures: number): string {
  return Number.isInteger(failures) ? String(failures - 1) : `fewer than ${number(failures)}`;
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** At most two decimals, as people write a limit: 2 %, 0.5 %, 3.91 %. */
export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
