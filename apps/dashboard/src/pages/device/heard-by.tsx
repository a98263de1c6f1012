import type { DeviceNow } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { Time } from '../../pieces/time.js';
import classes from './device.module.css';

/** From these levels on, in dBm: what people expect of a link. */
const LEVELS: readonly (readonly [number, string])[] = [
  [-65, 'strong'],
  [-75, 'good'],
  [-85, 'weak'],
];

export const signalWord = (rssiDbm: number): string => LEVELS.find(([from]) => rssiDbm >= from)?.[1] ?? 'very weak';

/** With a minus sign, not a hyphen. */
export const dbm = (rssiDbm: number): string => `${String(rssiDbm).replace('-', '−')} dBm`;

/** Every gateway that hears it, strongest first. */
export function HeardBy({ heardBy }: { heardBy: DeviceNow['heardBy'] }) {
  if (heardBy.length === 0) return <p className="muted">No gateway hears it.</p>;
  return (
    <ul className={classes.lines}>
      {heardBy.map((each) => (
        <li key={each.gateway.id}>
          <Link to="/fleet/gateways/$id" params={{ id: each.gateway.id }}>
            {each.gateway.name}
          </Link>
          {each.rssiDbm !== null ? (
            <span>
              {dbm(each.rssiDbm)} <span className="muted">{signalWord(each.rssiDbm)}</span>
            </span>
          ) : (
            <span className="muted">{each.links.map((link) => link.split(':')[0]).join(', ') || 'by wire'}</span>
          )}
          {each.chosen && <span>← works with it</span>}
          <span className="muted">
            {each.online ? (
              <Time at={each.lastSeenAt} />
            ) : (
              <>
                gateway away, heard <Time at={each.lastSeenAt} />
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
