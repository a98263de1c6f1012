/** What waits for my name? Plans and gates, the longest waiting first. */
import type { ApprovalItem } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { approvalsQuery } from '../../data/approvals.js';
import { counted } from '../../format/numbers.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import classes from './approvals.module.css';

export default function ApprovalsPage() {
  const approvals = useQuery(approvalsQuery);
  return (
    <>
      <PageHead title="Approvals" aside={<CopyButton text={command('approvals')} label="Copy as command" />} />
      <Part query={approvals} rows={3}>
        {({ items }) => {
          if (items.length === 0) {
            return (
              <Empty>
                <p>
                  Nothing waits for anybody’s name. Plans that ask for approval and gates that wait for a person appear
                  here.{' '}
                  <Link to="/campaigns" search={{}}>
                    Campaigns
                  </Link>
                </p>
              </Empty>
            );
          }
          const mine = items.filter(({ you }) => you.may).length;
          return (
            <>
              <p className={classes.answer}>
                {mine === 0
                  ? 'None of them waits for you'
                  : mine === items.length
                    ? `${counted(mine, 'thing')} ${mine === 1 ? 'waits' : 'wait'} for you`
                    : `${mine} of ${items.length} wait for you`}
                .
              </p>
              <ul className={classes.list}>
                {items.map((item) => (
                  <Waiting key={`${item.campaign.id} ${item.stage?.index ?? ''}`} item={item} />
                ))}
              </ul>
            </>
          );
        }}
      </Part>
    </>
  );
}

function Waiting({ item }: { item: ApprovalItem }) {
  const { campaign, stage, urgent, askedBy, askedAt, endsAt, needed, given, you } = item;
  return (
    <li className={classes.item} data-mine={you.may || undefined}>
      <div className={classes.what}>
        <span>
          <span aria-hidden className={classes.mark}>
            ◇{' '}
          </span>
          <strong>{campaign.name}</strong>{' '}
          {stage === null ? (urgent ? 'urgent plan' : 'plan') : `gate of stage ${stage.index + 1} ${stage.name}`}
        </span>
        <span className={classes.more}>
          {askedBy === null ? 'waits since' : `asked by ${askedBy},`} <Time at={askedAt} /> · {given.length} of {needed}{' '}
          given
          {given.length > 0 && ` (${given.map(({ by }) => by).join(', ')})`}
          {endsAt !== null && (
            <>
              {' '}
              · without it a draft again <Time at={endsAt} />
            </>
          )}
          {!you.may && you.because !== null && ` · ${you.because}`}
        </span>
      </div>
      <Link
        to="/approvals/$name"
        params={{ name: campaign.name }}
        search={stage === null ? {} : { stage: String(stage.index + 1) }}
        className={classes.act}
      >
        Review<span className="sr-only"> {campaign.name}</span>
      </Link>
    </li>
  );
}
