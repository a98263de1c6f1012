/** What came out: proven, failed or reverted, not known. Three shares of what ended, always with their counts. */
import type { PartsBody, Share, SharesBody } from '@drydock/contracts';
import type { ReactNode } from 'react';
import { count, shareOf } from '../format/numbers.js';
import { endedParts } from './bar-parts.js';
import { Bar } from './bar.js';
import classes from './three-share-bar.module.css';

export type ShareKind = 'proven' | 'failedOrReverted' | 'notKnown';

interface Props {
  readonly shares: SharesBody;
  readonly parts: PartsBody;
  /** What it is of, for its name: "campaign bc127-6.1.2". */
  readonly of: string;
  /** Makes a share a door to its devices. */
  readonly door?: (kind: ShareKind, figure: ReactNode) => ReactNode;
}

export function ThreeShareBar({ shares, parts, of, door = (_, figure) => figure }: Props) {
  return (
    <div className={classes.shares}>
      <Bar parts={endedParts(parts)} of={`What ended of ${of}`} height={14} />
      <dl className={classes.list}>
        <div>
          <dt className={classes.proven}>
            <span aria-hidden>✓</span> proven
          </dt>
          <dd>{door('proven', <Figure share={shares.proven} />)}</dd>
        </div>
        <div>
          <dt className={classes.bad}>
            <span aria-hidden>✕ ↩</span> failed or reverted
          </dt>
          <dd>
            {door('failedOrReverted', <Figure share={shares.failedOrReverted} />)}
            <Detail n={shares.failedOrReverted.n}>
              ✕ failed {count(parts.failed)} · ↩ reverted {count(parts.reverted)}
            </Detail>
          </dd>
        </div>
        <div>
          <dt className={classes.unknown}>
            <span aria-hidden>?</span> not known
          </dt>
          <dd>
            {door('notKnown', <Figure share={shares.notKnown} />)}
            <Detail n={shares.notKnown.n}>
              ◐ unproven {count(parts.unproven)} · ┄ lost {count(parts.lost)}
            </Detail>
          </dd>
        </div>
      </dl>
    </div>
  );
}

function Figure({ share }: { share: Share }) {
  return (
    <>
      <strong className="live-number">{count(share.n)}</strong>
      {share.of > 0 && ` ${ofTheWhole(share)}`}
    </>
  );
}

/** Behind the count: its percent, or of how few it is. */
function ofTheWhole({ n, of }: Share): string {
  const words = shareOf(n, of);
  return words.endsWith('%') ? words : `of ${count(of)}`;
}

function Detail({ n, children }: { n: number; children: ReactNode }) {
  return n === 0 ? null : <span className={`small muted ${classes.detail}`}>{children}</span>;
}
