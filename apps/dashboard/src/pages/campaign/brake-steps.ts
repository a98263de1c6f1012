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

/** What a test is over, in words. */
export function testName({ test, group }: Pick<BrakeTestBody, 'test' | 'group'>): string {
  if (test === 'campaign') return 'all devices';
  if (test === 'overdue') return 'not proven in time';
  if (test === 'transport') return 'links';
  if (test.startsWith('stratum:')) return `that ran ${group ?? 'an unknown version'}`;
  if (test.startsWith('gateway:')) return `gateway ${group ?? ''}`;
  if (test.startsWith('site:')) return `site ${group ?? ''}`;
  return test;
}

const DOES: Readonly<Record<BrakeTestBody['then'], string>> = {
  halt: 'halt the campaign',
  stop: 'stop this version',
  quarantine: 'set it aside',
};
const DID: Readonly<Record<BrakeTestBody['then'], string>> = {
  halt: 'it halts the campaign',
  stop: 'it stops this version',
  quarantine: 'it is set aside',
};

/** "2 more would stop this version." */
export function ringWords(test: BrakeTestBody): string {
  if (test.rings) return `it rang: ${DID[test.then]}.`;
  const more = moreUntilHalt(test);
  return more === undefined
    ? `no row of failures in sight would ${DOES[test.then]}.`
    : `${more} more would ${DOES[test.then]}.`;
}

/** Those that ring first, then by how little evidence is missing. */
export function nearestFirst(tests: readonly BrakeTestBody[]): BrakeTestBody[] {
  const nearness = (test: BrakeTestBody): number =>
    test.rings ? Number.MAX_VALUE : (test.logEvidence ?? -Number.MAX_VALUE) - test.logBar;
  return [...tests].sort((a, b) => nearness(b) - nearness(a));
}

/** Staircase and path as paths of SVG, in a box with zero at its foot. */
export function smallShape(
  test: BrakeTestBody,
  width: number,
  height: number,
): { halt: string; path: string; end: { x: number; y: number } } {
  const end = Math.max(10, Math.ceil(test.tried * 1.3));
  const steps = test.staircase.filter((_, index, all) => index === 0 || all[index - 1]!.within < end);
  // What is near is what is looked at: the staircase may leave the box upwards.
  const top = Math.max(test.failures, steps[0]?.failures ?? 3) + 1;
  const at = (tried: number, failures: number) => ({
    x: Math.round((10 * width * Math.min(tried, end)) / end) / 10,
    y: Math.round(10 * height * (1 - Math.min(failures, top) / top)) / 10,
  });
  const line = (points: readonly { x: number; y: number }[]) =>
    points.map(({ x, y }, index) => (index === 0 ? `M${x} ${y}` : `H${x}V${y}`)).join('');
  let from = 0;
  const halt: { x: number; y: number }[] = [];
  for (const step of steps) {
    halt.push(at(from, step.failures));
    from = step.within;
    if (from >= end) break;
  }
  if (halt.length > 0) halt.push({ x: at(Math.min(from, end), 0).x, y: halt.at(-1)!.y });
  return {
    halt: line(halt),
    path: line(test.path.map(({ tried, failures }) => at(tried, failures))),
    end: at(test.tried, test.failures),
  };
}
