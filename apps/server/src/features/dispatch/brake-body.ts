/** The brake as people read it: every test with its evidence and the staircase at which it would ring. */
import type { BrakeBody, BrakeTestBody } from '@drydock/contracts';
import { alphaOf, judgeTest, logBar, staircase, type TestFacts } from '../../domain/brake/index.js';
import type { BrakeState } from './brake-reader.js';

export function brakeBodyOf(state: BrakeState, epoch: number): BrakeBody {
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
      ),
    ),
  ];
  return { epoch, amber: state.verdict.amber.length > 0, tests: rows };
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

function bodyOf(name: string, facts: TestFacts, alpha: number, what: string): BrakeTestBody {
  const verdict = judgeTest(facts, alpha);
  const { limit } = verdict;
  const { failures, trials } = verdict.current;
  return {
    test: name,
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
