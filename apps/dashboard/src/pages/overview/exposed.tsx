/** Who is exposed now, by advisory. */
import type { Overview } from '@drydock/contracts';
import { count, shareOf } from '../../format/numbers.js';
import { Link } from '@tanstack/react-router';
import classes from './overview.module.css';

/** Of fewer the numbers alone say it. */
const FEWEST_FOR_SHARE = 20;

export function Exposed({ overview }: { overview: Overview }) {
  return (
    <section className="panel stack" aria-labelledby="exposed">
      <header>
        <h2 id="exposed">Exposed now</h2>
        <Link to="/advisories" search={{}}>
          All advisories
        </Link>
      </header>
      {overview.exposed.length === 0 ? (
        <p>No open advisory has exposed devices.</p>
      ) : (
        <ul className={classes.exposed}>
          {overview.exposed.map(({ advisory, affected, total, outOfReach, unknown }) => (
            <li key={advisory.id}>
              <span>
                <Link to="/advisories/$id" params={{ id: advisory.id }} search={{}}>
                  <strong>{advisory.cve}</strong> {advisory.title}
                </Link>
              </span>
              <span>
                <b>{count(affected)}</b> of {count(total)}
                {total >= FEWEST_FOR_SHARE && ` (${shareOf(affected, total)})`}
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
