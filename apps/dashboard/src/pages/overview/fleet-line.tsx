/** The fleet in one line. */
import type { Overview } from '@drydock/contracts';
import { count, shortCount } from '../../format/numbers.js';
import classes from './overview.module.css';

export function FleetLine({ overview }: { overview: Overview }) {
  const { devices, gateways } = overview;
  if (gateways.total === 0) {
    return (
      <section className="panel prose" aria-labelledby="fleet">
        <h2 id="fleet">Fleet</h2>
        <p>No gateway has reported yet.</p>
        <ol>
          <li>Create a one-time token.</li>
          <li>Run the enrol command on the gateway.</li>
          <li>It appears here within seconds.</li>
        </ol>
      </section>
    );
  }
  const figures: readonly (readonly [string, string, boolean?])[] = [
    [shortCount(devices.total), 'devices'],
    [`${shortCount(gateways.online)} of ${shortCount(gateways.total)}`, 'gateways connected'],
    [count(gateways.quarantined), 'gateways quarantined', gateways.quarantined > 0],
    [count(devices.needsRescue), 'devices without an application', devices.needsRescue > 0],
  ];
  return (
    <section className="panel" aria-labelledby="fleet">
      <header>
        <h2 id="fleet">Fleet</h2>
      </header>
      <dl className={classes.fleet}>
        {figures.map(([figure, label, wants]) => (
          <div key={label} data-wants={wants || undefined}>
            <dd>{figure}</dd>
            <dt>{label}</dt>
          </div>
        ))}
      </dl>
    </section>
  );
}
