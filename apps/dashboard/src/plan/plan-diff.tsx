/** How a plan differs from another; ⚠ where it lets more through, or stops later. The server compares. */
import type { PolicyDiff } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { diffPlace, diffValue } from './diff-words.js';
import classes from './plan.module.css';

export function PlanDiff({ diff }: { diff: PolicyDiff }) {
  const { against, lines } = diff;
  if (against === null)
    return <p className="muted">It is the first campaign of this model: there is nothing to compare it with.</p>;
  const looser = lines.filter((line) => line.looser === true).length;
  return (
    <div className="stack">
      <p>
        {lines.length === 0 ? 'No difference to ' : `${lines.length} differences to `}
        <Link to="/campaigns/$name" params={{ name: against.name }} search={{}}>
          {against.name}
        </Link>
        {looser > 0 ? `, ${looser} of them looser.` : lines.length > 0 ? ', none of them looser.' : '.'}
      </p>
      {lines.length > 0 && (
        <div className={classes.scroll} tabIndex={0} role="region" aria-label="Differences">
          <table className={classes.diff}>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">Was</th>
                <th scope="col">Is</th>
                <th scope="col">Looser</th>
              </tr>
            </thead>
            <tbody>
              {[...lines]
                .sort((a, b) => Number(b.looser === true) - Number(a.looser === true))
                .map((line) => (
                  <tr key={line.path} data-looser={line.looser === true || undefined}>
                    <th scope="row">{diffPlace(line.path)}</th>
                    <td>{diffValue(line.path, line.from)}</td>
                    <td>{diffValue(line.path, line.to)}</td>
                    <td>{line.looser === true ? '⚠ looser' : line.looser === false ? 'stricter' : ''}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
