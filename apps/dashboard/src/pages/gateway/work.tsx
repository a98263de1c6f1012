import type { GatewayHealth } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import type { GatewayDetail } from '../../data/shapes.js';
import { count } from '../../format/numbers.js';
import { Facts } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';
import { filterValue } from '../../pieces/filter-text.js';

/** What it does, and whether it has heard the newest orders. */
export function Work({ gateway, health }: { gateway: GatewayDetail; health: GatewayHealth }) {
  const { held, newest, waitingSince } = health.order;
  const isCurrent = held === newest;
  return (
    <section className="panel" aria-labelledby="work">
      <header>
        <h2 id="work">Work</h2>
      </header>
      <Facts
        facts={[
          ['In flight', count(health.inFlight)],
          [
            'Devices',
            <Link key="devices" to="/fleet/devices" search={{ q: `gateway==${filterValue(gateway.name)}` }}>
              {count(health.devices)}
            </Link>,
          ],
          [
            'Orders',
            isCurrent ? (
              <>it holds the newest (revision {count(held)})</>
            ) : (
              <>
                it holds revision {count(held)}, the newest is {count(newest)}
                {waitingSince !== null && (
                  <>
                    , waiting since <Time at={waitingSince} />
                  </>
                )}
              </>
            ),
          ],
          ['Last report', <Time key="report" at={health.lastReportAt} />],
          ['Last sign of life', <Time key="seen" at={health.lastSeenAt} />],
          ['Reports committed', count(health.reportsCommitted)],
          ['Journal', health.journal === null ? 'can be written' : 'cannot be written'],
          gateway.logLevel !== null && [
            'Log level',
            <>
              {gateway.logLevel.level} until <Time at={gateway.logLevel.until} fixed />
            </>,
          ],
        ]}
      />
    </section>
  );
}
