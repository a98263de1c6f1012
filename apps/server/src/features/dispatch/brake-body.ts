/** The brake as people read it: every test with its evidence and the staircase at which it would ring. */
import type { BrakeBody, BrakeTestBody } from '@drydock/contracts';
import {
  alphaOf,
  judgeHolder,
  judgeTest,
  logBar,
  staircase,
  type HolderFacts,
  type HoldersFacts,
  type TestFacts,
} from '../../domain/brake/index.js';
import type { BrakeState } from './brake-reader.js';

/** Gateways and sites that are shown, those nearest to being set aside. */
const MOST_HOLDERS = 12;

/** Ids of the gateways and sites that `brakeBodyOf` shows, so that their names can be looked up. */
export function holdersShown({ facts }: BrakeState): string[] {
  return [...facts.gateways.listed, ...facts.sites.listed].map(({ id }) => id);
}

/** @param names of gateways and sites by id. */
export function brakeBodyOf(state: BrakeState, epoch: number, names: ReadonlyMap<string, string>): BrakeBody {
  const { facts } = state;
  const rows = [
    bodyOf('campaign', facts.campaign, alphaOf('campaign', facts.alpha), 'failed'),
    bodyOf('overdue', facts.overdue, alphaOf('overdue', facts.alpha), 'were not proven in time'),
    bodyOf(
      'transport',
      facts.transport,
      alphaOf('transport', facts.alpha),
      'used up their tries for reasons of the link',
    ),
    ...facts.strata.map((stratum) =>
      bodyOf(
        `stratum:${stratum.key}`,
        stratum,
        alphaOf(stratum.kind, facts.alpha, stratum.weight),
        `that ran ${stratum.key || 'an unknown version'} failed`,
        { group: stratum.key || 'an unknown version', then: 'stop' },
      ),
    ),
    ...holderBodies('gateway', facts.gateways, facts.limit, names),
    ...holderBodies('site', facts.sites, facts.limit, names),
  ];
  return { epoch, amber: state.verdict.amber.length > 0, tests: rows };
}

function holderBodies(
  kind: 'gateway' | 'site',
  all: HoldersFacts,
  limit: number,
  names: ReadonlyMap<string, string>,
): BrakeTestBody[] {
  return all.listed
    .map((holder) => holderBody(kind, holder, all, limit, names.get(holder.id) ?? holder.id))
    .sort((a, b) => (b.logEvidence ?? -Infinity) - b.logBar - ((a.logEvidence ?? -Infinity) - a.logBar))
    .slice(0, MOST_HOLDERS);
}

/** Its trials in its own order, against what the others allow; the others move that, so the staircase holds as of now. */
function holderBody(
  kind: 'gateway' | 'site',
  holder: HolderFacts,
  all: HoldersFacts,
  campaignLimit: number,
  name: string,
): BrakeTestBody {
  const { peak, limit, alpha, sick } = judgeHolder(holder, all, campaignLimit);
  const places = [...new Set(holder.failedOrdinals)].sort((a, b) => a - b);
  const tried = Math.max(holder.finished, places.at(-1) ?? 0);
  return {
    test: `${kind}:${holder.id}`,
    group: name,
    then: 'quarantine',
    limit,
    logEvidence: peak?.logE ?? null,
    logBar: logBar(alpha),
    failures: places.length,
    tried,
    rings: sick,
    sentence: `${places.length} of ${tried} tried at ${name} failed; the others allow ${Number((limit * 100).toFixed(2))} %.`,
    staircase: staircase(limit, alpha, 20),
    path: [
      { tried: 0, failures: 0 },
      ...places.slice(0, MOST_POINTS - 2).map((place, index) => ({ tried: place, failures: index + 1 })),
      { tried, failures: places.length },
    ],
  };
}

const MOST_POINTS = 500;

/** Failures in the order of granting: the path that the staircase is drawn against. */
function pathOf(facts: TestFacts, tried: number): BrakeTestBody['path'] {
  const failures = facts.test.epochs.at(-1)?.ledger.failures ?? [];
  const every = Math.max(1, Math.ceil((failures.length + 1) / (MOST_POINTS - 1)));
  const steps = failures.flatMap(({ ordinal }, index) =>
    index % every === 0 || index === failures.length - 1 ? [{ tried: ordinal, failures: index + 1 }] : [],
  );
  return [{ tried: 0, failures: 0 }, ...steps, { tried, failures: failures.length }];
}

function bodyOf(
  name: string,
  facts: TestFacts,
  alpha: number,
  what: string,
  { group, then }: Pick<BrakeTestBody, 'group' | 'then'> = { group: null, then: 'halt' },
): BrakeTestBody {
  const verdict = judgeTest(facts, alpha);
  const { limit } = verdict;
  const { failures, trials } = verdict.current;
  return {
    test: name,
    group,
    then,
    limit,
    logEvidence: verdict.peak?.logE ?? null,
    logBar: logBar(alpha),
    failures: Math.round(failures),
    tried: trials,
    rings: verdict.rings,
    sentence: `${Math.round(failures)} of ${trials} tried ${what}; the limit is ${Number((limit * 100).toFixed(2))} %.`,
    staircase: staircase(limit, alpha, 20),
    path: pathOf(facts, trials),
  };
}
