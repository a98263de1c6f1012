/** What came out: proven, failed or reverted, not known. Three shares of what ended, always with their counts. */
import type { SumsBody } from '@drydock/contracts';
import type { ReactNode } from 'react';
import { count, shareOf } from '../format/numbers.js';
import { stageParts, threeShares } from './bar-parts.js';
import { Bar } from './bar.js';
import classes from './three-share-bar.module.css';

interface Props {
  readonly sums: SumsBody;
  /** What it is of, for its name: "campaign bc127-6.1.2". */
  readonly of: string;
  /** Makes a share a door to its devices. */
  readonly door?: (states: readonly string[], label: ReactNode) => ReactNode;
}

const ENDED = new Set(['proven', 'unproven', 'failed', 'reverted', 'lost']);

export function ThreeShareBar({ sums, of, door = (_, label) => label }: Props) {
  const shares = threeShares(sums);
  return (
    <div className={classes.shares}>
      <Bar parts={stageParts(sums).filter((part) => ENDED.has(part.key))} of={`What ended of ${of}`} height={14} />
      <dl className={classes.list}>
        <div>
          <dt className={classes.proven}>
            <span aria-hidden>✓</span> proven
          </dt>
          <dd>{door(['proven'], <Figure n={shares.proven} of={shares.ended} />)}</dd>
        </div>
        <div>
          <dt className={classes.bad}>
            <span aria-hidden>✕ ↩</span> failed or reverted
          </dt>
          <dd>
            {door(['failed', 'reverted'], <Figure n={shares.bad} of={shares.ended} />)}
            {shares.bad > 0 && (
              <span className="small muted">
                {' '}
                ✕ failed {count(sums.failed)} · ↩ reverted {count(sums.reverted)}
              </span>
            )}
          </dd>
        </div>
        <div>
          <dt className={classes.unknown}>
            <span aria-hidden>?</span> not known
          </dt>
          <dd>
            {door(['unproven', 'lost'], <Figure n={shares.notKnown} of={shares.ended} />)}
            {shares.notKnown > 0 && (
              <span className="small muted">
                {' '}
                ◐ unproven {count(sums.unproven)} · ┄ lost {count(sums.lost)}
              </span>
            )}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function Figure({ n, of }: { n: number; of: number }) {
  return (
    <>
      <strong className="live-number">{count(n)}</strong> <span>{of === 0 ? '' : shareOf(n, of)}</span>
    </>
  );
}
