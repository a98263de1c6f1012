/** Nothing in the list: why, and what to do. */
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { overviewQuery } from '../../data/queries.js';
import { count } from '../../format/numbers.js';
import { topLevelParts } from '../../pieces/filter-text.js';
import { Empty } from '../../pieces/page-state.js';
import { matchQuery } from './queries.js';

/** Of more parts nobody wants to read. */
const MOST_PARTS = 5;

interface Props {
  readonly q: string;
  readonly show: string | undefined;
  readonly fault: string | undefined;
  readonly drop: (rest: string) => void;
}

export function NoDevice({ q, show, fault, drop }: Props) {
  if (fault !== undefined) return <p className="muted">The filter cannot be read, so nothing was looked for.</p>;
  if (q !== '') return <NoMatch q={q} drop={drop} />;
  if (show === 'rescue') return <Empty>No device needs rescue: each has an application that answers.</Empty>;
  if (show === 'approval') return <Empty>No device wants approval.</Empty>;
  if (show === 'decommissioned') return <Empty>No device is decommissioned.</Empty>;
  return <FirstUse />;
}

function FirstUse() {
  const gateways = useQuery(overviewQuery).data?.gateways.total;
  return (
    <Empty>
      <p>No device has been seen yet.</p>
      <p>
        {gateways === 0 ? (
          <>
            Devices are found by gateways, and there is none. <Link to="/fleet/gateways">Enrol a gateway</Link>
          </>
        ) : (
          <>
            Gateways report what they hear: look whether yours are connected and their links are up.{' '}
            <Link to="/fleet/gateways">Gateways</Link>
          </>
        )}
      </p>
    </Empty>
  );
}

function NoMatch({ q, drop }: Pick<Props, 'q' | 'drop'>) {
  const all = topLevelParts(q);
  const parts = all.slice(0, MOST_PARTS);
  const rests = parts.map((_, left) => all.filter((_part, index) => index !== left).join(';'));
  const counted = useQueries({
    queries: rests.map((rest) => ({ ...matchQuery(rest), enabled: rest !== '' })),
  });
  const fleet = useQuery(overviewQuery).data?.devices.total;
  return (
    <Empty>
      <p>No device matches.</p>
      <ul style={{ margin: 0, paddingLeft: 18 }}>
        {parts.map((part, index) => {
          const rest = rests[index]!;
          const n = rest === '' ? fleet : counted[index]?.data?.count;
          return (
            <li key={part}>
              {count(n)} match without <code>{part}</code>.{' '}
              <button type="button" className="plain-button" onClick={() => drop(rest)}>
                Drop that part
              </button>
            </li>
          );
        })}
      </ul>
    </Empty>
  );
}
