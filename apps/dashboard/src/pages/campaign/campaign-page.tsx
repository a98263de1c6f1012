/** Safe to go on? Who is left? When done? The order never changes: answer, result, stages, brake, failures, pace, decisions, devices. */
import type { Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { PageHead } from '../../app/page-head.js';
import { rememberCampaignName } from '../../app/speaker.js';
import { isStatus } from '../../data/api.js';
import { useLiveness } from '../../live/use-live.js';
import { Part } from '../../pieces/page-state.js';
import { PHONE, useMedia } from '../../pieces/use-media.js';
import { Answer } from './answer.js';
import { Brake } from './brake.js';
import classes from './campaign.module.css';
import { Decisions } from './decisions.js';
import { Devices } from './devices.js';
import { Failures } from './failures.js';
import { Fold } from './fold.js';
import { HeadActions } from './head-actions.js';
import { Pace } from './pace.js';
import { campaignIdQuery, campaignQuery } from './queries.js';
import { Result } from './result.js';
import { Stages } from './stages.js';
import { Standing } from './standing.js';

const route = getRouteApi('/campaigns/$name');
const CRUMBS = [{ to: '/campaigns', label: 'Campaigns' }];

export default function CampaignPage() {
  const { name } = route.useParams();
  const id = useQuery(campaignIdQuery(name));
  if (isStatus(id.error, 404)) {
    return (
      <>
        <PageHead title={name} crumbs={CRUMBS} />
        <p>
          No campaign is called {name}.{' '}
          <Link to="/campaigns" search={{}}>
            All campaigns
          </Link>
        </p>
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
      {(data) => <Page campaign={data} />}
    </Part>
  );
}

function Page({ campaign }: { campaign: Campaign }) {
  const isPhone = useMedia(PHONE);
  const isOld = useLiveness().kind !== 'live';
  const isDraft = campaign.state === 'draft' || campaign.state === 'awaiting-approval';
  return (
    <div className={`${classes.page} ${isOld ? 'is-old' : ''}`}>
      <PageHead title={campaign.name} crumbs={CRUMBS} aside={<HeadActions campaign={campaign} />} />
      <Answer campaign={campaign} />
      <Standing campaign={campaign} />
      <Result campaign={campaign} />
      <Stages campaign={campaign} />
      {!isDraft && (
        <div className={classes.pair}>
          <Fold title="Brake" closed={isPhone}>
            <Brake campaign={campaign} />
          </Fold>
          <Fold title="What failed" closed={isPhone}>
            <Failures campaign={campaign} />
          </Fold>
          <Fold title="Pace and forecast" closed={isPhone}>
            <Pace campaign={campaign} />
          </Fold>
          <Fold title="Decisions" closed={isPhone}>
            <Decisions campaign={campaign} />
          </Fold>
        </div>
      )}
      <Devices campaign={campaign} />
    </div>
  );
}
