/** The fleet in one line; each number is a door to those that it counts. */
import type { Overview } from '@drydock/contracts';
import { Link, type LinkProps } from '@tanstack/react-router';
import { count, shortCount } from '../../format/numbers.js';
import classes from './overview.module.css';

interface Figure {
  readonly n: string;
  readonly label: string;
  readonly door: Pick<LinkProps, 'to' | 'search'>;
  readonly wants?: boolean;
  /** In full, where it is shown short. */
  readonly title?: string;
}

export function FleetLine({ overview }: { overview: Overview }) {
  const { devices, gateways } = overview;
  if (gateways.total === 0) return <FirstUse />;
  const figures: readonly Figure[] = [
    {
      n: shortCount(devices.total),
      title: count(devices.total),
      label: 'devices',
      door: { to: '/fleet/devices', search: {} },
    },
    {
      n: shortCount(devices.seenIn30Days),
      title: count(devices.seenIn30Days),
      label: 'seen in 30 d',
      door: { to: '/fleet/devices', search: { q: 'lastSeen<P30D' } },
    },
    {
      n: `${shortCount(gateways.online)} of ${shortCount(gateways.total)}`,
      title: `${count(gateways.online)} of ${count(gateways.total)}`,
      label: 'gateways connected',
      door: { to: '/fleet/gateways', search: { show: 'connected' } },
    },
    {
      n: count(gateways.quarantined),
      label: 'gateways quarantined',
      door: { to: '/fleet/gateways', search: { show: 'quarantined' } },
      wants: gateways.quarantined > 0,
    },
    {
      n: count(devices.needsRescue),
      label: 'devices without an application',
      door: { to: '/fleet/devices', search: { show: 'rescue' } },
      wants: devices.needsRescue > 0,
    },
  ];
  return (
    <section className="panel" aria-labelledby="fleet">
      <header>
        <h2 id="fleet">Fleet</h2>
      </header>
      <dl className={classes.fleet}>
        {figures.map(({ n, title, label, door, wants }) => (
          <div key={label} data-wants={wants || undefined}>
            <dd title={title}>
              <Link {...door} aria-label={`${n} ${label}`}>
                {n}
              </Link>
            </dd>
            <dt>{label}</dt>
          </div>
        ))}
      </dl>
    </section>
  );
}

function FirstUse() {
  return (
    <section className="panel prose" aria-labelledby="fleet">
      <h2 id="fleet">Fleet</h2>
      <p>No gateway has reported yet.</p>
      <ol>
        <li>
          <Link to="/fleet/gateways" search={{ open: 'enrol' }}>
            Create a one-time token
          </Link>
          .
        </li>
        <li>Run the command that comes with it on the gateway.</li>
        <li>It appears here within seconds.</li>
      </ol>
      <p className="muted">
        Nothing at hand? <code>npm run demo</code> starts a server of its own with simulated devices.
      </p>
    </section>
  );
}
