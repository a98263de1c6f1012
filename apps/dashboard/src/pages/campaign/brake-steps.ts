/** The brake's table as two step functions over "tried": where it would halt, and how it went. Read off, never computed. */
import type { BrakeTestBody } from '@drydock/contracts';

export interface BrakeLines {
  readonly x: readonly number[];
  readonly halt: readonly (number | null)[];
  readonly path: readonly (number | null)[];
}

/** @param room number of tried devices that the plot must have room for. */
export function brakeLines(test: BrakeTestBody, room: number): BrakeLines {
  const end = Math.max(test.tried, Math.min(room, Math.max(50, Math.ceil(test.tried * 1.4))));
  const inside = test.staircase.filter((step) => step.within < end).map((step) => step.within);
  const x = [...new Set([0, ...inside, ...test.path.map((point) => point.tried), test.tried, end])].sort(
    (a, b) => a - b,
  );
  return {
    x,
    // So many failures among up to `within` tried ring it: right of `within` it takes the next step.
    halt: x.map((tried) => test.staircase.find((step) => step.within > tried)?.failures ?? null),
    path: x.map((tried) => (tried > test.tried ? null : failuresAt(test.path, tried))),
  };
}

function failuresAt(path: BrakeTestBody['path'], tried: number): number {
  let failures = 0;
  for (const point of path) {
    if (point.tried > tried) break;
    failures = point.failures;
  }
  return failures;
}

/** How many more failures in a row would ring the test; undefined where the table ends before. */
export function moreUntilHalt(test: BrakeTestBody): number | undefined {
  for (const { failures, within } of test.staircase) {
    const more = failures - test.failures;
    if (more > 0 && test.tried + more <= within) return more;
  }
  return undefined;
}

/** Evidence as people read it: the number that is compared, not its logarithm. "0.02 of 20" */
export function evidenceWords(test: BrakeTestBody): string {
  const bar = figure(Math.exp(test.logBar));
  return test.logEvidence === null ? `none yet, halts at ${bar}` : `${figure(Math.exp(test.logEvidence))} of ${bar}`;
}

function figure(n: number): string {
  if (!Number.isFinite(n) || n >= 1e6) return 'over a million';
  if (n >= 100) return String(Math.round(n));
  if (n >= 10) return String(Number(n.toFixed(1)));
  return n < 0.01 ? '< 0.01' : String(Number(n.toFixed(2)));
}

/** `stratum:1.4.0` and the like, in words. */
export function testName(test: string): string {
  if (test === 'campaign') return 'all devices';
  if (test === 'overdue') return 'not proven in time';
  if (test === 'transport') return 'links';
  if (test.startsWith('stratum:')) return `that ran ${test.slice(8) || 'an unknown version'}`;
  return test;
}
