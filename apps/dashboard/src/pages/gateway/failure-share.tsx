/** What failed here against the rest of the same campaigns, with the range in which the true share likely lies. */
import type { GatewayHealth } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { count, percent, shareOf } from '../../format/numbers.js';
import { Time } from '../../pieces/time.js';
import classes from './gateway.module.css';

type Share = GatewayHealth['failures']['here'];

export function FailureShare({ health }: { health: GatewayHealth }) {
  const { here, elsewhere, credible } = health.failures;
  const widest = Math.max(0.05, here.likely?.high ?? 0, elsewhere.likely?.high ?? 0);
  return (
    <section className="panel" aria-labelledby="failures">
      <header>
        <h2 id="failures">Failed or reverted here</h2>
        <span className="small muted">last 30 days</span>
      </header>
      {here.of === 0 ? (
        <p className="muted">Nothing that was tried here in the last 30 days has ended.</p>
      ) : (
        <div className="stack">
          <p>
            {count(here.n)} of {count(here.of)} here, {count(elsewhere.n)} of {count(elsewhere.of)} elsewhere in the
            same campaigns.{' '}
            {credible ? (
              <strong>
                <span aria-hidden>⚑ </span>The rate here is credibly above the rest: look at the gateway, not the
                firmware.
              </strong>
            ) : (
              <span className="muted">The rate here is not credibly above the rest.</span>
            )}
          </p>
          <div className={classes.ranges}>
            <Range name="here" share={here} widest={widest} bad={credible} />
            <Range name="elsewhere" share={elsewhere} widest={widest} />
          </div>
        </div>
      )}
      {health.quarantines.length > 0 && (
        <ul className={classes.lines}>
          {health.quarantines.map((each) => (
            <li key={`${each.campaign.id} ${each.at}`}>
              <span aria-hidden>⚑</span>
              <span>
                set aside in{' '}
                <Link to="/campaigns/$name" params={{ name: each.campaign.name }} search={{}}>
                  {each.campaign.name}
                </Link>{' '}
                since <Time at={each.at} />: {each.note}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface RangeProps {
  readonly name: string;
  readonly share: Share;
  readonly widest: number;
  readonly bad?: boolean;
}

function Range({ name, share, widest, bad = false }: RangeProps) {
  const at = (value: number) => `${(Math.min(value, widest) / widest) * 100}%`;
  const { likely } = share;
  const words =
    likely === null ? '–' : `${shareOf(share.n, share.of)}, likely ${percent(likely.low)} to ${percent(likely.high)}`;
  return (
    <>
      <span>{name}</span>
      <span className={classes.axis} role="img" aria-label={`${name}: ${words}`}>
        {likely !== null && (
          <span
            className={classes.range}
            style={{ left: at(likely.low), width: `calc(${at(likely.high)} - ${at(likely.low)})` }}
          />
        )}
        {share.share !== null && (
          <span className={classes.point} data-bad={bad || undefined} style={{ left: at(share.share) }} />
        )}
      </span>
      <span className="small">{words}</span>
    </>
  );
}
