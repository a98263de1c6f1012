import type { Campaign } from '@drydock/contracts';
import { count } from '../../format/numbers.js';
import { threeShares } from '../../pieces/bar-parts.js';
import { ThreeShareBar } from '../../pieces/three-share-bar.js';
import classes from './campaign.module.css';

/** What came out of what ended, and where the others are. */
export function Result({ campaign }: { campaign: Campaign }) {
  const { sums } = campaign;
  return (
    <section className="panel" aria-labelledby="result">
      <header>
        <h2 id="result">
          Result{' '}
          <span className="muted">
            {count(threeShares(sums).ended)} of {count(sums.total)} ended
          </span>
        </h2>
      </header>
      <ThreeShareBar sums={sums} of={`campaign ${campaign.name}`} />
      <p className={classes.others}>
        <span>▶ in flight {count(sums.running + sums.rescue)}</span>
        <span>▷ may still start {count(campaign.exposure?.mayStillStart)}</span>
        <span>○ waiting {count(sums.planned)}</span>
      </p>
    </section>
  );
}
