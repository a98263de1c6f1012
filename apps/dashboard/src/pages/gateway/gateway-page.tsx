/** Can this gateway work? */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { isStatus } from '../../data/api.js';
import { useServerNow } from '../../live/use-live.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { AuditLines } from '../../pieces/audit-lines.js';
import { Note } from '../../pieces/note.js';
import { Part } from '../../pieces/page-state.js';
import { ConnectedLight, gatewayLook, ReportLight } from '../fleet/gateway-look.js';
import { StateMark } from '../../pieces/state-mark.js';
import { GatewayActions } from './actions.js';
import { FailureShare } from './failure-share.js';
import classes from './gateway.module.css';
import { GatewayFacts } from './gateway-facts.js';
import { GatewayLinks } from './gateway-links.js';
import { gatewayHealthQuery, gatewayQuery } from './queries.js';
import { gatewaySentence } from './sentence.js';
import { Slots } from './slots.js';
import { Work } from './work.js';

const route = getRouteApi('/fleet/gateways/$id');
const CRUMBS = [{ to: '/fleet/gateways', label: 'Gateways' }];

export default function GatewayPage() {
  const { id } = route.useParams();
  const clock = useServerNow(10_000);
  const gateway = useQuery(gatewayQuery(id));
  const health = useQuery(gatewayHealthQuery(id));
  if (gateway.isError && isStatus(gateway.error, 404)) {
    return (
      <>
        <PageHead title="No such gateway" crumbs={CRUMBS} />
        <p>
          No gateway has the id <code>{id}</code>.
        </p>
      </>
    );
  }
  return (
    <>
      <PageHead
        title={gateway.data?.name ?? 'Gateway'}
        crumbs={CRUMBS}
        aside={
          gateway.data && (
            <span className="row">
              <CopyCommand words={['gateway', 'show', gateway.data.name]} />
              <GatewayActions gateway={gateway.data} />
            </span>
          )
        }
      />
      <Part query={gateway}>
        {(found) => (
          <>
            <section aria-label="Answer" className="stack">
              <p className={classes.lights}>
                <StateMark look={gatewayLook(found)} strong />
                <ConnectedLight online={found.online} />
                <ReportLight at={health.data?.lastReportAt} nowMs={clock} />
                <span className="muted">
                  <Link to="/fleet/gateways" search={{ q: `site==${found.siteName}` }}>
                    {found.siteName}
                  </Link>
                </span>
              </p>
              <p className={classes.answer}>{gatewaySentence(found, health.data)}</p>
            </section>
            {found.state === 'quarantined' && (
              <Note>
                Quarantined, nothing new starts here: “{found.stateNote}” What runs goes on to its end; devices that
                others hear are planned there.
              </Note>
            )}
            {found.state === 'decommissioned' && <Note>Decommissioned, its key is revoked: “{found.stateNote}”</Note>}
            {found.holdNote !== null && <Note>On hold, nothing new starts here: “{found.holdNote}”</Note>}
            {health.data?.journal && (
              <Note bad>
                Its journal cannot be written, so nothing new starts: {health.data.journal.note ?? 'no reason was told'}
                . Most often its disk is full: make room on the gateway; it goes on by itself.
              </Note>
            )}
            <div className={classes.columns}>
              <div className={classes.column}>
                <Part query={health}>{(data) => <FailureShare health={data} />}</Part>
                <GatewayLinks gateway={found} />
                <Part query={health}>{(data) => <Slots slots={data.slots} inFlight={data.inFlight} />}</Part>
              </div>
              <div className={classes.column}>
                <Part query={health}>{(data) => <Work gateway={found} health={data} />}</Part>
                <GatewayFacts gateway={found} />
              </div>
            </div>
            <AuditLines kind="gateway" id={id} title="Audit of this gateway" />
          </>
        )}
      </Part>
    </>
  );
}
