/** How a plan differs from another; ⚠ where it lets more through, or stops later. The server compares. */
import type { PolicyDiff } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { ChangeLines } from './change-lines.js';

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
      {lines.length > 0 && <ChangeLines lines={lines} label="Differences" />}
    </div>
  );
}
