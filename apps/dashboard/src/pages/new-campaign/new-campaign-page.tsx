/** Will this plan do what I mean? What, which, how, rehearsed, reviewed; any step by one press. */
import { getRouteApi, Link } from '@tanstack/react-router';
import { useRef } from 'react';
import { PageHead } from '../../app/page-head.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { useMayDo } from '../../session/use-session.js';
import { Composer } from './composer.js';
import { RollBackStart } from './roll-back-start.js';
import { useBeginning, type BeginningSearch } from './use-beginning.js';

const route = getRouteApi('/campaigns/new');
const BACK = [{ to: '/campaigns', label: 'Campaigns' }];

export default function NewCampaignPage() {
  const { may, why } = useMayDo('operator');
  const { as, from } = route.useSearch();
  if (!may) {
    return (
      <>
        <PageHead title="New campaign" crumbs={BACK} />
        <Empty>
          <p>{why}</p>
        </Empty>
      </>
    );
  }
  if (as === 'rollback' && from !== undefined) return <RollBackStart name={from} />;
  return <Begun />;
}

function Begun() {
  const { draft, artifact, from, advisory } = route.useSearch();
  const navigate = route.useNavigate();
  // The draft that this page itself began to keep is the same plan, under its address.
  const own = useRef<{ readonly draft: string; readonly search: BeginningSearch }>(undefined);
  const search: BeginningSearch =
    draft !== undefined && draft === own.current?.draft ? own.current.search : { draft, artifact, from, advisory };
  const beginning = useBeginning(search);
  return (
    <>
      {!beginning.data && <PageHead title="New campaign" crumbs={BACK} />}
      <Part query={beginning} headings={['What', 'Which', 'How']}>
        {(begun) =>
          begun.over ? (
            <>
              <PageHead title="New campaign" crumbs={BACK} />
              <Empty>
                <p>
                  {begun.over.name} is no draft any more: <StateMark look={campaignLook(begun.over.state)} />.{' '}
                  <Link to="/campaigns/$name" params={{ name: begun.over.name }} search={{}}>
                    Open it
                  </Link>{' '}
                  or{' '}
                  <Link to="/campaigns/new" search={{ from: begun.over.name }}>
                    begin a new one from it
                  </Link>
                  .
                </p>
              </Empty>
            </>
          ) : (
            <Composer
              key={JSON.stringify(search)}
              beginning={begun}
              onKept={(id) => {
                own.current = { draft: id, search };
                void navigate({ search: ({ step }) => ({ step, draft: id }), replace: true });
              }}
            />
          )
        }
      </Part>
    </>
  );
}
