/** Campaigns that are not over, with their three shares. */
import type { CampaignSummary } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { endsWords } from '../../format/ends-words.js';
import { count, shareOf } from '../../format/numbers.js';
import { useServerNow } from '../../live/use-live.js';
import { barParts } from '../../pieces/bar-parts.js';
import { Bar } from '../../pieces/bar.js';
import { Empty } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import classes from './overview.module.css';

export function LiveCampaigns({ campaigns }: { campaigns: readonly CampaignSummary[] }) {
  return (
    <section className="panel" aria-labelledby="live">
      <header>
        <h2 id="live">Campaigns under way{campaigns.length > 0 && ` · ${campaigns.length}`}</h2>
        <Link to="/campaigns" search={{}}>
          All campaigns
        </Link>
      </header>
      {campaigns.length === 0 ? (
        <Empty>
          <p>No campaign is under way.</p>
        </Empty>
      ) : (
        <ul className={classes.campaigns}>
          {campaigns.map((campaign) => (
            <Line key={campaign.id} campaign={campaign} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Line({ campaign }: { campaign: CampaignSummary }) {
  const { sums, shares, parts, stage } = campaign;
  const now = useServerNow(60_000);
  const bad = shares.failedOrReverted;
  return (
    <li className={classes.campaign}>
      <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}} className={classes.name}>
        {campaign.name}
      </Link>
      <span>
        <StateMark look={campaignLook(campaign.state, sums)} />
        {stage !== null && (
          <span className="muted">
            {' '}
            {stage.index + 1}/{stage.of}
          </span>
        )}
      </span>
      <Bar parts={barParts(parts)} of={campaign.name} height={10} />
      <span className={classes.figures}>
        <span>
          <b className="live-number">{count(parts.proven)}</b> of {count(sums.total)} proven
        </span>
        <span className={bad.n > 0 ? classes.bad : undefined}>
          <b className="live-number">{count(bad.n)}</b> failed or reverted{bad.n > 0 && ` (${shareOf(bad.n, bad.of)})`}
        </span>
        <span>
          <b className="live-number">{count(shares.notKnown.n)}</b> not known
        </span>
        {campaign.state === 'running' && (
          <span className={classes.ends}>
            {campaign.ends?.p50 ? 'ends ' : ''}
            {endsWords(campaign.ends, now)}
          </span>
        )}
      </span>
    </li>
  );
}
