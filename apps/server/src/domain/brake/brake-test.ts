/**
 * A test of the brake over its epochs. A person who resumes a halted campaign opens a new epoch: empty counts and
 * an alpha of its own; trials in flight stay with the old one, whose evidence is kept. If their results raise the
 * old evidence tenfold, it rings again. A limit that is changed after seeing data applies to the new epoch only.
 */
import { InvariantError } from '@drydock/dfu-core';
import { logBar } from './e-value.js';
import {
  currentEvidence,
  floored,
  newLedger,
  peaksOf,
  withFailure,
  withFrontier,
  withNeverStarted,
  type CountedFailure,
  type LedgerRules,
  type Peak,
  type TrialLedger,
} from './trial-ledger.js';

/** How much an old epoch's evidence must grow after a resume to ring again. */
export const OLD_EPOCH_FACTOR = 10;

export interface BrakeEpoch {
  /** Ordinals of the test above this one, up to the next epoch's, belong to it. */
  readonly after: number;
  readonly ledger: TrialLedger;
  /** Evidence (ln E, after the floor) when a person last resumed; null in the current epoch, or where there was none. */
  readonly logEAtResume: number | null;
}

/** State of one test: plain JSON. The last epoch is the current one; there is always one. */
export interface BrakeTest {
  readonly epochs: readonly BrakeEpoch[];
}

/** @throws InvariantError for a limit outside (0, 1). */
export function newBrakeTest(rules: LedgerRules): BrakeTest {
  return { epochs: [{ after: 0, ledger: newLedger(rules), logEAtResume: null }] };
}

/**
 * A person resumes. @param granted the last ordinal that this test has given out. @param gatewaysTried so far.
 * @param rules of the new epoch. @throws InvariantError where ordinals would go backwards.
 */
export function resumed(test: BrakeTest, granted: number, gatewaysTried: number, rules: LedgerRules): BrakeTest {
  const current = currentEpoch(test);
  if (!(Number.isSafeInteger(granted) && granted >= current.after))
    throw new InvariantError(`a brake epoch opens after ordinal ${granted}, the last one after ${current.after}`);
  // Old epochs, too: what they say by now has been answered for.
  const answered = test.epochs.map((epoch) => ({
    ...epoch,
    logEAtResume: floored(peaksOf(epoch.ledger), gatewaysTried)?.logE ?? null,
  }));
  return { epochs: [...answered, { after: granted, ledger: newLedger(rules), logEAtResume: null }] };
}

/** Enters a failure by its ordinal in this test; it finds its epoch. @throws InvariantError as `withFailure`. */
export function recordFailure(test: BrakeTest, failure: CountedFailure): BrakeTest {
  return inEpochOf(test, failure.ordinal, (ledger, ordinal) => withFailure(ledger, { ...failure, ordinal }));
}

/** Enters a grant that is proven never to have started. @throws InvariantError for an ordinal that is none. */
export function recordNeverStarted(test: BrakeTest, ordinal: number): BrakeTest {
  return inEpochOf(test, ordinal, withNeverStarted);
}

/** All trials up to this ordinal are final. */
export function recordFrontier(test: BrakeTest, finalUpTo: number): BrakeTest {
  return {
    epochs: test.epochs.map((epoch, index) => {
      const end = test.epochs[index + 1]?.after ?? Infinity;
      const upTo = Math.min(finalUpTo, end) - epoch.after;
      return upTo > 0 ? { ...epoch, ledger: withFrontier(epoch.ledger, upTo) } : epoch;
    }),
  };
}

export interface TestFacts {
  readonly test: BrakeTest;
  /** Last ordinal that this test has given out. */
  readonly granted: number;
  /** Gateways behind the granted ones. */
  readonly gatewaysTried: number;
}

export interface TestVerdict {
  readonly rings: boolean;
  /** What rang, or else the largest of the current epoch that the floor lets count; null before any. */
  readonly peak: Peak | null;
  readonly limit: number;
  /** From 0; an older one than the current rings by results that came after the resume. */
  readonly epoch: number;
  readonly oldEpoch: boolean;
  /** What the current epoch says now, unknown outcomes as not failed: for amber. */
  readonly current: Peak;
}

/** Judges a test at its own alpha, old epochs first. @throws InvariantError for numbers that are none. */
export function judgeTest(facts: TestFacts, alpha: number): TestVerdict {
  const bar = logBar(alpha);
  const last = facts.test.epochs.length - 1;
  const now = currentEpoch(facts.test);
  const current = currentEvidence(now.ledger, Math.max(0, facts.granted - now.after));
  for (const [index, epoch] of facts.test.epochs.entries()) {
    const peak = floored(peaksOf(epoch.ledger), facts.gatewaysTried);
    const oldEpoch = index < last;
    const needed = oldEpoch ? barOfOld(epoch, bar) : bar;
    if (peak && peak.logE >= needed)
      return { rings: true, peak, limit: epoch.ledger.limit, epoch: index, oldEpoch, current };
    if (!oldEpoch) return { rings: false, peak, limit: epoch.ledger.limit, epoch: index, oldEpoch, current };
  }
  throw new InvariantError('a brake test has no epoch');
}

/** An epoch that had not reached its bar may still do so; one that had must grow tenfold. */
function barOfOld(epoch: BrakeEpoch, bar: number): number {
  const atResume = epoch.logEAtResume;
  return atResume === null || atResume < bar ? bar : atResume + Math.log(OLD_EPOCH_FACTOR);
}

function currentEpoch(test: BrakeTest): BrakeEpoch {
  const current = test.epochs.at(-1);
  if (!current) throw new InvariantError('a brake test has no epoch');
  return current;
}

function inEpochOf(
  test: BrakeTest,
  ordinal: number,
  change: (ledger: TrialLedger, ordinal: number) => TrialLedger,
): BrakeTest {
  if (!(Number.isSafeInteger(ordinal) && ordinal >= 1))
    throw new InvariantError(`the ordinal of a trial is ${ordinal}`);
  const at = test.epochs.findLastIndex((epoch) => epoch.after < ordinal);
  return {
    epochs: test.epochs.map((epoch, index) =>
      index === at ? { ...epoch, ledger: change(epoch.ledger, ordinal - epoch.after) } : epoch,
    ),
  };
}
