/** What needs me, and does anything go wrong? */
import { useQuery } from '@tanstack/react-query';
import { PageHead } from '../../app/page-head.js';
import { overviewQuery } from '../../data/queries.js';
import { Part } from '../../pieces/page-state.js';
import { FleetLine } from './fleet-line.js';
import { LiveCampaigns } from './live-campaigns.js';
import { NeedsPerson } from './needs-person.js';

export default function OverviewPage() {
  const overview = useQuery(overviewQuery);
  return (
    <>
      <PageHead title="Overview" />
      <NeedsPerson />
      <LiveCampaigns />
      <Part query={overview} headings={['Fleet']}>
        {(data) => <FleetLine overview={data} />}
      </Part>
    </>
  );
}
