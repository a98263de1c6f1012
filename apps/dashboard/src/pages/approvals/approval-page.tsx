/** Exactly one plan, or one gate, and a person who answers for it. */
import { answerOf } from '@drydock/api-client';
import type { ApprovalItem, Campaign } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { approvalsQuery } from '../../data/approvals.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { Decide } from './decide.js';
import { GateView } from './gate-view.js';
import { Given } from './given.js';
import { PlanView } from './plan-view.js';
import classes from './approvals.module.css';

const route = getRouteApi('/approvals/$name');
const BACK = [{ to: '/approvals', label: 'Approvals' }];

export default function ApprovalPage() {
  const { name } = route.useParams();
  const { stage } = route.useSearch();
  const index = stage !== undefined && /^\d{1,2}$/.test(stage) ? Number(stage) - 1 : null;
  const approvals = useQuery(approvalsQuery);
  const campaign = useQuery({
    queryKey: ['campaigns', 'plan', name],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns-by-name/{name}', { params: { path: { name } } })),
  });
  return (
    <>
      <PageHead
        title={index === null ? `Approve ${name}?` : `Open what follows stage ${index + 1} of ${name}?`}
        crumbs={BACK}
      />
      <Part query={campaign} headings={['Plan', 'Brake']}>
        {(found) => (
          <Part query={approvals} rows={1}>
            {({ items }) => (
              <View
                campaign={found}
                item={items.find((one) => one.campaign.id === found.id && (one.stage?.index ?? null) === index)}
              />
            )}
          </Part>
        )}
      </Part>
    </>
  );
}

function View({ campaign, item }: { campaign: Campaign; item: ApprovalItem | undefined }) {
  if (!item) {
    return (
      <Empty>
        <p>
          Nothing of {campaign.name} waits for approval here any more: it is{' '}
          <StateMark look={campaignLook(campaign.state, campaign.sums)} />
          {campaign.stateBy !== null && ` by ${campaign.stateBy}`}
          {campaign.stateReason !== null && `, “${campaign.stateReason}”`}.{' '}
          <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}}>
            Open the campaign
          </Link>
        </p>
      </Empty>
    );
  }
  return (
    <div className={classes.view}>
      {item.kind === 'campaign' ? (
        <PlanView campaign={campaign} item={item} />
      ) : (
        <GateView campaign={campaign} stage={campaign.stages[item.stage!.index]} />
      )}
      <Given campaign={campaign} item={item} />
      {/* What was typed belongs to the plan that was on screen. */}
      <Decide key={item.planDigest} campaign={campaign} item={item} />
    </div>
  );
}
