import type { GatewayHealth } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import type { GatewayDetail } from '../../data/shapes.js';
import { count } from '../../format/numbers.js';
import { Facts } from '../../pieces/facts.js';
import { Time } from '../../pieces/time.js';
import { CLOCK_IS_OFF_MS, clockWords, journalWords } from './self-words.js';
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
          ['Journal', journalWords(health.journal === null, gateway.journalBytes, gateway.journalEntries)],
          [
            'Its clock',
            gateway.clockOffsetMs === null ? (
              <span className="muted">it does not say</span>
            ) : (
              <>
                {clockWords(gateway.clockOffsetMs)}
                {Math.abs(gateway.clockOffsetMs) >= CLOCK_IS_OFF_MS && (
                  <span className="small muted" style={{ display: 'block' }}>
                    Nothing is decided by it: grants and reports go by the server’s time. Its own log shows other times.
                  </span>
                )}
              </>
            ),
          ],
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
