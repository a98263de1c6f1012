/** Who is left? The campaign's devices, and why each is where it is. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, Member } from '@drydock/contracts';
import { getRouteApi, Link } from '@tanstack/react-router';
import { errorSentence, isStatus, reading } from '../../data/api.js';
import { filterValues, useFilterFields } from '../../data/filter-help.js';
import { useKeysetRows } from '../../data/keyset.js';
import { count } from '../../format/numbers.js';
import { useServerNow, useTransfer } from '../../live/use-live.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { Empty } from '../../pieces/page-state.js';
import { readableReason } from '../../pieces/reason.js';
import { deploymentLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { WhyDrawer } from '../../pieces/why-drawer.js';
import classes from './campaign.module.css';
import { DeviceStory } from './device-story.js';
import { exportUrl } from './head-actions.js';

const route = getRouteApi('/campaigns/$name');
const nameOf = (row: Member): string => row.device.name ?? row.device.identity;

const COLUMNS: readonly Column<Member>[] = [
  {
    key: 'device',
    head: 'Device',
    width: '15%',
    card: 'first',
    cell: (row) => <span title={row.device.id}>{nameOf(row)}</span>,
  },
  { key: 'state', head: 'State', width: '172px', card: 'first', cell: (row) => <State row={row} /> },
  { key: 'stage', head: 'Stage', width: '52px', align: 'right', card: 'none', cell: (row) => row.stage + 1 },
  { key: 'version', head: 'Runs', width: '80px', cell: (row) => <span className="mono">{row.version ?? '–'}</span> },
  { key: 'site', head: 'Site', width: '9%', card: 'none', cell: (row) => row.site.name },
  { key: 'gateway', head: 'Gateway', width: '11%', cell: (row) => row.gateway?.name ?? '–' },
  { key: 'why', head: 'Why', cell: (row) => <Reason row={row} /> },
  { key: 'tries', head: 'Tries', width: '48px', align: 'right', card: 'none', cell: (row) => count(row.tries) },
  { key: 'since', head: 'Since', width: '104px', card: 'none', cell: (row) => <Time at={row.stateAt} /> },
];

function State({ row }: { row: Member }) {
  const transfer = useTransfer(row.state === 'transferring' ? row.id : undefined);
  return (
    <>
      <StateMark look={deploymentLook(row.state)} />
      {transfer && transfer.totalBytes > 0 && ` ${Math.floor((100 * transfer.sentBytes) / transfer.totalBytes)} %`}
    </>
  );
}

function Reason({ row }: { row: Member }) {
  const now = useServerNow(10_000);
  if (row.reason === null) return <span className="muted">read back</span>;
  const sentence = readableReason(row.reason, now);
  return <span title={sentence}>{sentence}</span>;
}

export function Devices({ campaign }: { campaign: Campaign }) {
  const { why, q = '', stage } = route.useSearch();
  const navigate = route.useNavigate();
  const fields = useFilterFields('member');
  const stageIndex = stage !== undefined && /^\d{1,2}$/.test(stage) ? Number(stage) - 1 : undefined;
  const rows = useKeysetRows<Member>(['campaign-part', campaign.id, 'members', q, stageIndex], (after) =>
    answerOf(
      reading.GET('/api/v1/campaigns/{id}/members', {
        params: {
          path: { id: campaign.id },
          query: {
            limit: 200,
            ...(q !== '' && { filter: q }),
            ...(stageIndex !== undefined && { stage: stageIndex }),
            ...(after !== undefined && { after }),
          },
        },
      }),
    ).then((page) => ({ ...page, total: page.total ?? undefined })),
  );
  const isRefused = rows.isError && (isStatus(rows.error, 422) || isStatus(rows.error, 400));
  const open = rows.rows?.find((row) => row.device.id === why);
  const ask = (row: Member | undefined) =>
    void navigate({
      search: (before) => ({ ...before, why: row?.device.id }),
      replace: why !== undefined && row !== undefined,
      resetScroll: false,
    });
  const filter = (next: string) =>
    void navigate({ search: (before) => ({ ...before, q: next, why: undefined }), resetScroll: false });
  return (
    <section className="stack" aria-labelledby="devices">
      <div className="row spread">
        <h2 id="devices">
          Devices{stageIndex !== undefined && <span className="muted"> of stage {stageIndex + 1}</span>}
        </h2>
        <a href={exportUrl(campaign, 'csv')} download className="small">
          CSV of all
        </a>
      </div>
      <FilterBar
        label="Filter devices"
        value={q}
        onChange={filter}
        fields={fields}
        loadValues={(field, typed) => filterValues(field, typed, campaign.id)}
        bareWords={['identity', 'name']}
        error={isRefused ? errorSentence(rows.error) : undefined}
        aside={rows.total === undefined ? undefined : `${count(rows.total)} match`}
        placeholder="state==failed;site==oslo"
      />
      <DataTable
        label="Devices of the campaign"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={isRefused ? { ...rows, isError: false, isOld: true } : rows}
        onOpen={ask}
        rowKeys={{ w: ask, ' ': ask }}
        openKey={open?.id}
        onWalk={ask}
        empty={
          <Empty>
            {q === '' && stageIndex === undefined ? (
              <p>
                {campaign.state === 'draft'
                  ? 'Devices become members when the campaign starts.'
                  : 'No device matches what this campaign selects.'}
              </p>
            ) : (
              <p>
                No device matches.{' '}
                <Link
                  to="/campaigns/$name"
                  params={{ name: campaign.name }}
                  search={(before) => ({ ...before, q: undefined, stage: undefined })}
                  className={classes.inText}
                >
                  Show all {count(campaign.sums.total)}
                </Link>
              </p>
            )}
          </Empty>
        }
      />
      {why !== undefined && (
        <WhyDrawer
          campaign={campaign}
          deviceId={why}
          title={
            open
              ? [nameOf(open), open.device.model, open.site.name, open.gateway?.name].filter(Boolean).join(' · ')
              : ''
          }
          close={() => ask(undefined)}
        >
          <DeviceStory campaign={campaign} deviceId={why} />
        </WhyDrawer>
      )}
    </section>
  );
}
