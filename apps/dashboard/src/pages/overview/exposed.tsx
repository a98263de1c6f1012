/** Who is exposed now, by advisory. */
import type { Overview } from '@drydock/contracts';
import { count, shareOf } from '../../format/numbers.js';
import classes from './overview.module.css';

export function Exposed({ overview }: { overview: Overview }) {
  return (
    <section className="panel stack" aria-labelledby="exposed">
      <header>
        <h2 id="exposed">Exposed now</h2>
      </header>
      {overview.exposed.length === 0 ? (
        <p>No open advisory has exposed devices.</p>
      ) : (
        <ul className={classes.exposed}>
          {overview.exposed.map(({ advisory, affected, total, outOfReach, unknown }) => (
            <li key={advisory.id}>
              <span>
                <strong>{advisory.cve}</strong> {advisory.title}
              </span>
              <span>
                <b>{count(affected)}</b> of {count(total)} ({shareOf(affected, total)})
                <span className="muted">
                  {outOfReach > 0 && `, ${count(outOfReach)} out of reach`}
                  {unknown > 0 && `, ${count(unknown)} not known`}
                </span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
