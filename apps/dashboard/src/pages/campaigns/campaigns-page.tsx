/** What is live, held, done? */
import { answerOf } from '@drydock/api-client';
import type { CampaignSummary } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useKeys } from '../../app/keys.js';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { campaignFilterValues, filterFault, useFilterFields } from '../../data/filter-help.js';
import { useKeysetRows } from '../../data/keyset.js';
import { endsWords } from '../../format/ends-words.js';
import { count, shareOf } from '../../format/numbers.js';
import { useServerNow } from '../../live/use-live.js';
import { barParts } from '../../pieces/bar-parts.js';
import { Bar } from '../../pieces/bar.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { pressChip } from '../../pieces/filter-text.js';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { CampaignPeek } from './campaign-peek.js';
import classes from './campaigns-page.module.css';
import { Picked } from './picked.js';
import { StateChips } from './state-chips.js';

const route = getRouteApi('/campaigns');

const columns = (picked: ReadonlySet<string>): readonly Column<CampaignSummary>[] => [
  {
    key: 'picked',
    head: '☑',
    width: '32px',
    card: 'none',
    cell: (row) =>
      picked.has(row.name) ? (
        <>
          <span aria-hidden>☑</span>
          <span className="sr-only">selected</span>
        </>
      ) : (
        ''
      ),
  },
  {
    key: 'name',
    head: 'Name',
    width: '17%',
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
    width: '148px',
    card: 'first',
    cell: (row) => <StateMark look={campaignLook(row.state, row.sums)} />,
  },
  {
    key: 'stage',
    head: 'Stage',
    width: '50px',
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
    width: '104px',
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
    width: '100px',
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
    width: '78px',
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
    width: '66px',
    align: 'right',
    card: 'none',
    cell: (row) => ended(row, row.parts.inFlight),
  },
  { key: 'ends', head: 'Ends', width: '150px', card: 'none', cell: (row) => <Ends row={row} /> },
  { key: 'owner', head: 'Owner', width: '74px', card: 'none', cell: (row) => row.createdBy ?? '–' },
];

/** When it is done, eight times in ten; of those that do not run, since when they are as they are. */
function Ends({ row: { state, ends, stateAt } }: { row: CampaignSummary }) {
  const now = useServerNow(60_000);
  if (state !== 'running') {
    return (
      <span className="muted">
        {state} <Time at={stateAt} />
      </span>
    );
  }
  return <span title="When 95 % of the reachable devices are done, eight times in ten">{endsWords(ends, now)}</span>;
}

/** A draft has no members, so nothing of it is known yet. */
function ended(row: CampaignSummary, n: number): string {
  return row.state === 'draft' ? '–' : count(n);
}

export default function CampaignsPage() {
  const { q = '', state, peek } = route.useSearch();
  const navigate = route.useNavigate();
  const operator = useMayDo('operator');
  const fields = useFilterFields('campaign');
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const rows = useKeysetRows<CampaignSummary>(['campaigns', 'list', q, state], (after) =>
    answerOf(
      reading.GET('/api/v1/campaigns', {
        params: {
          query: {
            limit: 100,
            ...(q !== '' && { filter: q }),
            ...(after !== undefined && { after }),
            ...(state !== undefined && { state }),
          },
        },
      }),
    ),
  );
  const fault = filterFault(rows.error);
  const peeked = rows.rows?.find((row) => row.id === peek);
  const setPeek = (row: CampaignSummary | undefined) =>
    void navigate({ search: (before) => ({ ...before, peek: row?.id }), replace: peek !== undefined });
  const filter = (next: string) => void navigate({ search: { q: next } });
  const pick = ({ name }: CampaignSummary) => {
    const next = new Set(picked);
    if (!next.delete(name)) next.add(name);
    setPicked(next);
  };
  // A link from elsewhere may name a state: it is shown as the part of the filter that it is.
  const whole = state === undefined ? q : pressChip(q, 'state', state, false);
  const asCommand = command('campaign', 'ls', ...(whole === '' ? [] : ['--where', whole]));
  useKeys([
    {
      keys: 'y',
      does: 'copy as command',
      act: () => void navigator.clipboard?.writeText(asCommand).catch(() => undefined),
    },
  ]);
  return (
    <>
      <PageHead
        title="Campaigns"
        aside={
          <div className="row">
            <CopyButton text={asCommand} label="Copy as command" />
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
      <FilterBar
        label="Filter campaigns"
        value={whole}
        onChange={filter}
        fields={fields}
        loadValues={campaignFilterValues}
        bareWords={['name', 'note']}
        error={fault}
        placeholder="state==halted;model==sensor-*"
      />
      <StateChips filter={whole} change={filter} />
      {picked.size > 0 && (
        <Picked
          campaigns={(rows.rows ?? []).filter(({ name }) => picked.has(name))}
          names={[...picked]}
          filter={filter}
          clear={() => setPicked(new Set())}
        />
      )}
      <DataTable
        label="Campaigns"
        columns={columns(picked)}
        rowKey={(row) => row.id}
        rows={fault === undefined ? rows : { ...rows, isError: false, isOld: true }}
        height="calc(100vh - 270px)"
        onOpen={(row) => void navigate({ to: '/campaigns/$name', params: { name: row.name }, search: {} })}
        rowKeys={{ ' ': setPeek, x: pick }}
        openKey={peek}
        onWalk={setPeek}
        empty={
          <Empty>
            {whole === '' ? (
              <p>
                No campaign yet. <Link to="/artifacts">Upload an artifact</Link>, then{' '}
                <Link to="/campaigns/new">make a campaign of it</Link>.
              </p>
            ) : (
              <p>
                No campaign matches.{' '}
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
