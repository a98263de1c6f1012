/** What needs me, and does anything go wrong? */
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { PageHead } from '../../app/page-head.js';
import { overviewQuery } from '../../data/queries.js';
import { useLiveness } from '../../live/use-live.js';
import { Part, Waiting } from '../../pieces/page-state.js';
import { Exposed } from './exposed.js';
import { FleetLine } from './fleet-line.js';
import { LastDay } from './last-day.js';
import { LiveCampaigns } from './live-campaigns.js';
import { NeedsPerson } from './needs-person.js';
import classes from './overview.module.css';

const Versions = lazy(() => import('./versions.js'));

export default function OverviewPage() {
  const overview = useQuery(overviewQuery);
  const isOld = useLiveness().kind !== 'live';
  return (
    <div className={`${classes.page} ${isOld ? 'is-old' : ''}`}>
      <PageHead title="Overview" />
      <Part query={overview} headings={['Needs a person', 'Campaigns under way', 'Fleet']}>
        {(data) => (
          <>
            <NeedsPerson overview={data} />
            <LiveCampaigns campaigns={data.running} />
            <FleetLine overview={data} />
            <Suspense fallback={<Waiting headings={['What runs where']} />}>
              <Versions devices={data.devices.total} />
            </Suspense>
            <div className={classes.pair}>
              <LastDay overview={data} />
              <Exposed overview={data} />
            </div>
          </>
        )}
      </Part>
    </div>
  );
}
