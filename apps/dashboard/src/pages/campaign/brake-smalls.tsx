/** The brake's other tests, small: versions, gateways and sites, nearest to a halt first. A press shows one of them large. */
import type { BrakeTestBody } from '@drydock/contracts';
import { count } from '../../format/numbers.js';
import { evidenceWords, nearestFirst, ringWords, smallShape, testName } from './brake-steps.js';
import classes from './brake-smalls.module.css';

const MOST_SHOWN = 12;

interface Props {
  readonly tests: readonly BrakeTestBody[];
  readonly shown: string;
  readonly show: (test: string) => void;
}

export function BrakeSmalls({ tests, shown, show }: Props) {
  const sorted = nearestFirst(tests);
  const rest = sorted.slice(MOST_SHOWN);
  const groups = tests.filter(({ group }) => group !== null).length;
  return (
    <details open={groups > 0}>
      <summary>
        All {tests.length} tests, nearest to a halt first
        {groups > 0 && <span className="muted"> ({count(groups)} of versions, gateways and sites)</span>}
      </summary>
      <ul className={classes.smalls}>
        {sorted.slice(0, MOST_SHOWN).map((test) => (
          <li key={test.test}>
            <button
              type="button"
              className="plain-button"
              aria-pressed={test.test === shown}
              onClick={() => show(test.test)}
            >
              {testName(test)}
            </button>
            <Small test={test} />
            <span className="small">
              {count(test.failures)} of {count(test.tried)}; {ringWords(test)}{' '}
              <span className="muted">Evidence {evidenceWords(test)}.</span>
            </span>
          </li>
        ))}
      </ul>
      {rest.length > 0 && (
        <p className="small muted">
          {count(rest.length)} more are farther from a halt than these: {count(sum(rest, 'failures'))} of{' '}
          {count(sum(rest, 'tried'))} failed there.
        </p>
      )}
    </details>
  );
}

const sum = (tests: readonly BrakeTestBody[], of: 'failures' | 'tried'): number =>
  tests.reduce((total, test) => total + test[of], 0);

const [WIDTH, HEIGHT] = [120, 36];

/** The same two lines as in the large plot; its numbers stand beside it in words. */
function Small({ test }: { test: BrakeTestBody }) {
  const { halt, path, end } = smallShape(test, WIDTH, HEIGHT);
  return (
    <svg
      className={classes.small}
      data-rings={test.rings || undefined}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`${testName(test)}: ${test.sentence}`}
    >
      <line className={classes.ground} x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
      {halt !== '' && <path className={classes.halt} d={halt} />}
      <path className={classes.path} d={path} />
      <circle cx={end.x} cy={end.y} r="2.5" />
    </svg>
  );
}
