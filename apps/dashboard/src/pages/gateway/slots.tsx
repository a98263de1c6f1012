/** What holds its places now. How many it may have at once is each campaign's own limit. */
import type { GatewayHealth } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { count } from '../../format/numbers.js';
import { deploymentLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import classes from './gateway.module.css';

export function Slots({ slots, inFlight }: Pick<GatewayHealth, 'slots' | 'inFlight'>) {
  return (
    <section className="panel" aria-labelledby="slots">
      <header>
        <h2 id="slots">Under way here</h2>
        <span className="small muted">
          {slots.length > 0 && `${count(Math.max(inFlight, slots.length))} in flight`}
        </span>
      </header>
      {slots.length === 0 ? (
        <p className="muted">Nothing: all of its places are free.</p>
      ) : (
        <ul className={classes.lines}>
          {slots.map(({ device, campaign, state, stateAt }) => (
            <li key={device.id}>
              <StateMark look={deploymentLook(state)} />
              <Link to="/fleet/devices/$id" params={{ id: device.id }}>
                {device.name}
              </Link>
              <Link
                to="/campaigns/$name"
                params={{ name: campaign.name }}
                search={{ why: device.id }}
                className="muted"
              >
                {campaign.name}
              </Link>
              <span className="muted">
                since <Time at={stateAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
