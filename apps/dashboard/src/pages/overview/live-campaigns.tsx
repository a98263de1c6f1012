/** Campaigns that are not over, with their three shares. */
import type { CampaignSummary } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { count, shareOf } from '../../format/numbers.js';
import { stageParts, threeShares } from '../../pieces/bar-parts.js';
import { Bar } from '../../pieces/bar.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { liveCampaignsQuery } from './campaign-lists.js';
import classes from './overview.module.css';

export function LiveCampaigns() {
  const campaigns = useQuery(liveCampaignsQuery);
  return (
    <section className="panel" aria-labelledby="live">
      <header>
        <h2 id="live">Campaigns under way{campaigns.data ? ` · ${campaigns.data.length}` : ''}</h2>
        <Link to="/campaigns" search={{}}>
          All campaigns
        </Link>
      </header>
      <Part query={campaigns} rows={4}>
        {(all) =>
          all.length === 0 ? (
            <Empty>
              <p>No campaign is under way.</p>
            </Empty>
          ) : (
            <ul className={classes.campaigns}>
              {all.map((campaign) => (
                <Line key={campaign.id} campaign={campaign} />
              ))}
            </ul>
          )
        }
      </Part>
    </section>
  );
}

function Line({ campaign }: { campaign: CampaignSummary }) {
  const { sums } = campaign;
  const { bad, ended, notKnown } = threeShares(sums);
  return (
    <li className={classes.campaign}>
      <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}} className={classes.name}>
        {campaign.name}
      </Link>
      <StateMark look={campaignLook(campaign.state, sums)} />
      <Bar parts={stageParts(sums)} of={campaign.name} height={10} />
      <span className={classes.figures}>
        <span>
          <b>{count(sums.proven)}</b> of {count(sums.total)} proven
        </span>
        <span className={bad > 0 ? classes.bad : undefined}>
          <b>{count(bad)}</b> failed or reverted{bad > 0 && ` (${shareOf(bad, ended)})`}
        </span>
        <span>
          <b>{count(notKnown)}</b> not known
        </span>
      </span>
    </li>
  );
}
