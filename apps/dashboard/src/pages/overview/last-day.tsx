/** The last 24 hours: failed tries by code, and how well reports flow. */
import { errorSentence, isErrorCode, type Overview } from '@drydock/contracts';
import { count } from '../../format/numbers.js';
import { duration } from '../../format/times.js';
import { Time } from '../../pieces/time.js';
import classes from './overview.module.css';

export function LastDay({ overview }: { overview: Overview }) {
  const { failures, reports } = overview;
  return (
    <section className="panel stack" aria-labelledby="day">
      <header>
        <h2 id="day">
          Failed tries{' '}
          <span className="muted">
            since <Time at={failures.since} fixed />
          </span>
        </h2>
      </header>
      {failures.items.length === 0 ? (
        <p>No try failed.</p>
      ) : (
        <ul className={classes.codes}>
          {failures.items.slice(0, 8).map((item) => (
            <li key={item.code} title={isErrorCode(item.code) ? errorSentence(item.code) : item.sentence}>
              <code>{item.code}</code>
              <Hours hours={item.hours} code={item.code} />
              <b className="num">{count(item.n)}</b>
            </li>
          ))}
        </ul>
      )}
      <p className="small muted">
        Reports {reports.perSecond < 10 ? reports.perSecond.toFixed(1) : count(Math.round(reports.perSecond))}/s
        {reports.lagMs !== null && ` · lag ${duration(reports.lagMs)}`} · {count(reports.waiting)} waiting
        {reports.newestAgeMs !== null && ` · newest ${duration(reports.newestAgeMs)} ago`}
      </p>
    </section>
  );
}

/** One stroke for each hour; its height is its share of the worst hour. */
function Hours({ hours, code }: { hours: readonly number[]; code: string }) {
  const most = Math.max(1, ...hours);
  return (
    <span className={classes.hours} role="img" aria-label={`${code} by hour: ${hours.join(', ')}`}>
      {hours.map((n, index) => (
        <span
          key={index}
          style={{ height: n === 0 ? 1 : Math.max(3, Math.round((16 * n) / most)) }}
          data-any={n > 0 || undefined}
        />
      ))}
    </span>
  );
}
