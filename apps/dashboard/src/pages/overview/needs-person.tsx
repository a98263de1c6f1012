/** What a person must look at, by harm; each with its age and one action. */
import type { CampaignSummary } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { counted } from '../../format/numbers.js';
import { threeShares } from '../../pieces/bar-parts.js';
import { Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark, type CampaignState } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { liveCampaignsQuery } from './campaign-lists.js';
import classes from './overview.module.css';

const NEEDS: readonly CampaignState[] = ['halted', 'awaiting-approval', 'paused'];
const VERBS: Partial<Record<CampaignState, string>> = {
  halted: 'Look',
  'awaiting-approval': 'Review',
  paused: 'Open',
};

export function NeedsPerson() {
  const campaigns = useQuery(liveCampaignsQuery);
  return (
    <section aria-labelledby="needs">
      <Part query={campaigns} headings={['Needs a person']} rows={2}>
        {(all) => {
          const needing = all.filter((campaign) => NEEDS.includes(campaign.state));
          const running = all.filter((campaign) => campaign.state === 'running').length;
          if (needing.length === 0) {
            return (
              <p id="needs" className={classes.calm}>
                Nothing needs you.{' '}
                {running > 0
                  ? `${counted(running, 'campaign')} ${running === 1 ? 'runs' : 'run'} within ${running === 1 ? 'its' : 'their'} limits.`
                  : 'No campaign is running.'}
              </p>
            );
          }
          return (
            <>
              <h2 id="needs" className={classes.needs}>
                {needing.length} {needing.length === 1 ? 'needs' : 'need'} a person
              </h2>
              <ul className={classes.list}>
                {needing.map((campaign) => (
                  <Need key={campaign.id} campaign={campaign} />
                ))}
              </ul>
            </>
          );
        }}
      </Part>
    </section>
  );
}

function Need({ campaign }: { campaign: CampaignSummary }) {
  const { bad, ended } = threeShares(campaign.sums);
  return (
    <li className={classes.need} data-family={campaignLook(campaign.state).family}>
      <span className={classes.needWhat}>
        <StateMark look={campaignLook(campaign.state)} />
        <strong>{campaign.name}</strong>
        <span>
          {campaign.state === 'halted' && `${bad} of ${ended} that ended failed or reverted.`}
          {campaign.state === 'awaiting-approval' && 'It starts when it is approved.'}
          {campaign.state === 'paused' && campaign.stateBy !== null && `By ${campaign.stateBy}.`}
          {campaign.stateReason !== null && ` “${campaign.stateReason}”`}
        </span>
      </span>
      <span className="muted nowrap">
        <Time at={campaign.stateAt} />
      </span>
      <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}} className={classes.act}>
        {VERBS[campaign.state]}
        <span className="sr-only"> {campaign.name}</span>
      </Link>
    </li>
  );
}
