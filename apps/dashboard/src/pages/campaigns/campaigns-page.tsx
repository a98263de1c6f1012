/** What is live, held, done? */
import { answerOf } from '@drydock/api-client';
import { CAMPAIGN_STATES, type CampaignSummary } from '@drydock/contracts';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { count, shareOf } from '../../format/numbers.js';
import { barParts } from '../../pieces/bar-parts.js';
import { Bar } from '../../pieces/bar.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Empty } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { CampaignPeek } from './campaign-peek.js';
import classes from './campaigns-page.module.css';

const route = getRouteApi('/campaigns');

const COLUMNS: readonly Column<CampaignSummary>[] = [
  {
    key: 'name',
    head: 'Name',
    width: '26%',
    card: 'first',
    cell: (row) => (
      <Link to="/campaigns/$name" params={{ name: row.name }} search={{}} className={classes.name}>
        {row.name}
      </Link>
    ),
  },
  {
    key: 'state',
    head: 'State',
    width: '132px',
    cell: (row) => <StateMark look={campaignLook(row.state, row.sums)} />,
  },
  {
    key: 'artifact',
    head: 'Version',
    width: '110px',
    cell: (row) => <span className="mono">{row.artifact.version}</span>,
  },
  {
    key: 'bar',
    head: 'Result',
    card: 'none',
    cell: (row) => <Bar parts={barParts(row.parts)} of={row.name} height={10} />,
  },
  {
    key: 'proven',
    head: 'Proven',
    width: '116px',
    align: 'right',
    cell: (row) => (
      <>
        {count(row.sums.proven)} <span className="muted">of {count(row.sums.total)}</span>
      </>
    ),
  },
  {
    key: 'bad',
    head: 'Failed + rev.',
    width: '112px',
    align: 'right',
    cell: (row) => {
      const { n, of } = row.shares.failedOrReverted;
      return (
        <span className={n > 0 ? classes.bad : undefined}>
          {count(n)} {n > 0 && <span className="small">({shareOf(n, of)})</span>}
        </span>
      );
    },
  },
  {
    key: 'unknown',
    head: 'Not known',
    width: '84px',
    align: 'right',
    cell: (row) => count(row.shares.notKnown.n),
  },
  {
    key: 'flight',
    head: 'In flight',
    width: '76px',
    align: 'right',
    card: 'none',
    cell: (row) => count(row.parts.inFlight),
  },
  { key: 'since', head: 'Since', width: '104px', card: 'none', cell: (row) => <Time at={row.stateAt} /> },
];

export default function CampaignsPage() {
  const { state, peek } = route.useSearch();
  const navigate = route.useNavigate();
  const rows = useKeysetRows<CampaignSummary>(['campaigns', 'list', state], (after) =>
    answerOf(
      reading.GET('/api/v1/campaigns', {
        params: { query: { limit: 100, ...(after !== undefined && { after }), ...(state !== undefined && { state }) } },
      }),
    ),
  );
  const peeked = rows.rows?.find((row) => row.id === peek);
  const setPeek = (row: CampaignSummary | undefined) =>
    void navigate({ search: (before) => ({ ...before, peek: row?.id }), replace: peek !== undefined });
  return (
    <>
      <PageHead
        title="Campaigns"
        aside={
          <CopyButton
            text={command('campaign', 'ls', ...(state ? ['--where', `state==${state}`] : []))}
            label="Copy as command"
          />
        }
      />
      <div className="row" role="group" aria-label="State">
        {[undefined, ...CAMPAIGN_STATES].map((each) => (
          <Link
            key={each ?? 'all'}
            to="/campaigns"
            search={{ state: each }}
            className={classes.chip}
            aria-current={each === state ? 'true' : undefined}
          >
            {each === undefined ? 'all' : <StateMark look={campaignLook(each)} />}
          </Link>
        ))}
      </div>
      <DataTable
        label="Campaigns"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={rows}
        height="calc(100vh - 220px)"
        onOpen={(row) => void navigate({ to: '/campaigns/$name', params: { name: row.name }, search: {} })}
        rowKeys={{ ' ': setPeek }}
        openKey={peek}
        onWalk={setPeek}
        empty={
          <Empty>
            {state === undefined ? (
              <p>
                No campaign yet. An artifact is uploaded and a campaign drafted with the command line:{' '}
                <CopyButton text="drydock artifact push FILE" label="Copy command" />
              </p>
            ) : (
              <p>
                No campaign is {state}.{' '}
                <Link to="/campaigns" search={{}}>
                  Show all
                </Link>
              </p>
            )}
          </Empty>
        }
      />
      {peeked && <CampaignPeek campaign={peeked} close={() => setPeek(undefined)} />}
    </>
  );
}
