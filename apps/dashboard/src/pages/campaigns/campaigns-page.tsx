/** What is live, held, done? */
import { answerOf } from '@drydock/api-client';
import { CAMPAIGN_STATES, type CampaignSummary } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { count, shareOf } from '../../format/numbers.js';
import { barParts } from '../../pieces/bar-parts.js';
import { Bar } from '../../pieces/bar.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { CampaignPeek } from './campaign-peek.js';
import classes from './campaigns-page.module.css';

const route = getRouteApi('/campaigns');

const COLUMNS: readonly Column<CampaignSummary>[] = [
  {
    key: 'name',
    head: 'Name',
    width: '24%',
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
    width: '164px',
    card: 'first',
    cell: (row) => <StateMark look={campaignLook(row.state, row.sums)} />,
  },
  {
    key: 'stage',
    head: 'Stage',
    width: '56px',
    card: 'none',
    cell: (row) => (row.stage === null ? '' : `${row.stage.index + 1}/${row.stage.of}`),
  },
  {
    key: 'result',
    head: 'Result',
    card: 'none',
    cell: (row) =>
      row.state === 'draft' ? (
        <span className="muted">no members yet</span>
      ) : (
        <Bar parts={barParts(row.parts)} of={row.name} height={10} />
      ),
  },
  {
    key: 'proven',
    head: 'Proven',
    width: '118px',
    align: 'right',
    cell: (row) => (
      <>
        {ended(row, row.shares.proven.n)} <span className="muted">of {ended(row, row.sums.total)}</span>
        <span className={classes.onPhone}> proven</span>
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
          {ended(row, n)} {n > 0 && <span className="small">({shareOf(n, of)})</span>}
          <span className={classes.onPhone}> failed or reverted</span>
        </span>
      );
    },
  },
  {
    key: 'unknown',
    head: 'Not known',
    width: '80px',
    align: 'right',
    cell: (row) => (
      <>
        {ended(row, row.shares.notKnown.n)}
        <span className={classes.onPhone}> not known</span>
      </>
    ),
  },
  {
    key: 'flight',
    head: 'In flight',
    width: '70px',
    align: 'right',
    card: 'none',
    cell: (row) => ended(row, row.parts.inFlight),
  },
  { key: 'since', head: 'Since', width: '104px', card: 'none', cell: (row) => <Time at={row.stateAt} /> },
];

/** A draft has no members, so nothing of it is known yet. */
function ended(row: CampaignSummary, n: number): string {
  return row.state === 'draft' ? '–' : count(n);
}

export default function CampaignsPage() {
  const { state, peek } = route.useSearch();
  const navigate = route.useNavigate();
  const operator = useMayDo('operator');
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
          <div className="row">
            <CopyButton
              text={command('campaign', 'ls', ...(state ? ['--state', state] : []))}
              label="Copy as command"
            />
            <Allowed why={operator.why}>
              {(disabled) => (
                <Button variant="filled" disabled={disabled} onClick={() => void navigate({ to: '/campaigns/new' })}>
                  New campaign
                </Button>
              )}
            </Allowed>
          </div>
        }
      />
      <div className={`row ${classes.chips}`} role="group" aria-label="State">
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
                No campaign yet. <Link to="/artifacts">Upload an artifact</Link>, then{' '}
                <Link to="/campaigns/new">make a campaign of it</Link>.
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
