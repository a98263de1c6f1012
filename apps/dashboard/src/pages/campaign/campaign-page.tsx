/** Safe to go on? Who is left? When done? */
import type { Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect } from 'react';
import { PageHead } from '../../app/page-head.js';
import { rememberCampaignName } from '../../app/speaker.js';
import { isStatus } from '../../data/api.js';
import { Part } from '../../pieces/page-state.js';
import { Answer } from './answer.js';
import { Devices } from './devices.js';
import { campaignIdQuery, campaignQuery } from './queries.js';
import { Result } from './result.js';
import { Stages } from './stages.js';

const route = getRouteApi('/campaigns/$name');
const CRUMBS = [{ to: '/campaigns', label: 'Campaigns' }];

export default function CampaignPage() {
  const { name } = route.useParams();
  const id = useQuery(campaignIdQuery(name));
  if (isStatus(id.error, 404)) {
    return (
      <>
        <PageHead title={name} crumbs={CRUMBS} />
        <p>No campaign is called {name}.</p>
      </>
    );
  }
  return (
    <Part query={id} headings={[name]}>
      {(found) => <Known id={found} name={name} />}
    </Part>
  );
}

function Known({ id, name }: { id: string; name: string }) {
  const campaign = useQuery(campaignQuery(id));
  useEffect(() => rememberCampaignName(id, name), [id, name]);
  return (
    <Part query={campaign} headings={[name]}>
      {(data: Campaign) => (
        <>
          <PageHead title={data.name} crumbs={CRUMBS} />
          <Answer campaign={data} />
          <Result campaign={data} />
          <Stages campaign={data} />
          <Devices campaign={data} />
        </>
      )}
    </Part>
  );
}
