/** What came out of what ended, and where the others are. */
import type { Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { count } from '../../format/numbers.js';
import { useServerNow } from '../../live/use-live.js';
import { complementOf, withPart } from '../../pieces/filter-text.js';
import { readableReason } from '../../pieces/reason.js';
import { ThreeShareBar, type ShareKind } from '../../pieces/three-share-bar.js';
import classes from './campaign.module.css';
import { waitingQuery } from './queries.js';

const route = getRouteApi('/campaigns/$name');

const FILTERS: Readonly<Record<ShareKind | 'inFlight' | 'mayStillStart' | 'waiting' | 'setAside', string>> = {
  proven: 'state==proven',
  failedOrReverted: 'state=in=(failed,reverted)',
  notKnown: 'state=in=(unproven,lost)',
  inFlight: 'state=in=(transferring,activating,proving,cancelling,rescue)',
  mayStillStart: 'state=in=(granted,downloading)',
  waiting: 'state==planned',
  setAside: 'state=in=(skipped,cancelled)',
};

export function Result({ campaign }: { campaign: Campaign }) {
  const { parts, shares, sums } = campaign;
  const navigate = route.useNavigate();
  const door = (kind: keyof typeof FILTERS, figure: ReactNode) => (
    <Link
      to="/campaigns/$name"
      params={{ name: campaign.name }}
      search={(before) => ({ ...before, q: FILTERS[kind], why: undefined })}
      hash="devices"
      className={classes.door}
      title="Alt and a press leaves these out"
      onClick={(event) => {
        if (!event.altKey) return;
        event.preventDefault();
        void navigate({
          search: (before) => ({ ...before, q: withPart(before.q ?? '', complementOf(FILTERS[kind])), why: undefined }),
          hash: 'devices',
        });
      }}
    >
      {figure}
    </Link>
  );
  return (
    <section className="panel" aria-labelledby="result">
      <header>
        <h2 id="result">
          Result{' '}
          <span className="muted">
            {count(shares.ended)} of {count(sums.total)} ended
          </span>
        </h2>
      </header>
      <ThreeShareBar shares={shares} parts={parts} of={`campaign ${campaign.name}`} door={door} />
      <p className={classes.others}>
        <span>{door('inFlight', <>▶ in flight {count(parts.inFlight)}</>)}</span>
        <span>{door('mayStillStart', <>▷ may still start {count(parts.mayStillStart)}</>)}</span>
        <span>
          {door('waiting', <>○ waiting {count(parts.waiting)}</>)}
          {parts.waiting > 0 && <WaitingFor id={campaign.id} />}
        </span>
        {parts.setAside > 0 && <span>{door('setAside', <>– set aside {count(parts.setAside)}</>)}</span>}
        {sums.suspect > 0 && (
          <span title="At risk, and silent, late, or failed on the last try: counted in the failure share until proven">
            <span className={classes.suspect} aria-hidden /> suspect {count(sums.suspect)}
          </span>
        )}
      </p>
    </section>
  );
}

/** "gate 3 000 · pace 700": the reasons of those that wait, counted by the server. */
function WaitingFor({ id }: { id: string }) {
  const now = useServerNow(10_000);
  const { data } = useQuery(waitingQuery(id));
  if (!data || data.reasons.length === 0) return null;
  return (
    <span className="muted">
      :{' '}
      {data.reasons.slice(0, 6).map((reason, index) => (
        <span
          key={reason.code}
          title={readableReason(
            {
              code: reason.code,
              params: {},
              sentence: reason.sentence,
              ...(reason.until !== null && { until: reason.until }),
            },
            now,
          )}
        >
          {index > 0 && ' · '}
          {REASONS[reason.code] ?? reason.code} {count(reason.n)}
        </span>
      ))}
      {data.looked < data.waiting && <span> (of {count(data.looked)} looked at)</span>}
    </span>
  );
}

const REASONS: Readonly<Record<string, string>> = {
  'stage.pending': 'stage',
  'stage.held': 'held',
  'stage.behind-held': 'behind a held stage',
  'stage.approval': 'approval',
  'limit.rate': 'pace',
  'limit.in-flight': 'limit in flight',
  'window.closed': 'window',
  'window.too-short': 'window',
  'gateway.offline': 'away',
  'gateway.none': 'no gateway',
  'gateway.full': 'gateway busy',
  'gateway.quarantined': 'quarantine',
  'site.full': 'site busy',
  'retry.later': 'retry',
  'redundancy.group': 'redundancy',
  'campaign.paused': 'paused',
  'campaign.halted': 'halted',
  'campaign.draft': 'not started',
  'stopped.amber': 'evidence rising',
  'stopped.stratum': 'stopped version',
  'stopped.brake': 'brake unknown',
  'engine.due': 'next',
  'device.claimed': 'another campaign',
};
