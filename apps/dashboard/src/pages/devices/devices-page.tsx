/** Which devices run what, and where? */
import { answerOf } from '@drydock/api-client';
import type { Device } from '../../data/shapes.js';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useKeys } from '../../app/keys.js';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { filterValues, filterFault, useFilterFields } from '../../data/filter-help.js';
import { useKeysetRows } from '../../data/keyset.js';
import { overviewQuery } from '../../data/queries.js';
import { count } from '../../format/numbers.js';
import { ChipLinks } from '../../pieces/chip-links.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable } from '../../pieces/data-table.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { FleetNav } from '../fleet/fleet-nav.js';
import { ColumnChoice } from './column-choice.js';
import { chosenColumns, deviceColumns } from './columns.js';
import { DeviceWhyDrawer } from './device-why-drawer.js';
import { NoDevice } from './no-device.js';
import { matchQuery } from './queries.js';

const route = getRouteApi('/fleet/devices');
const PAGE = 500;

export default function DevicesPage() {
  const { q = '', show, why, cols } = route.useSearch();
  const navigate = route.useNavigate();
  const fields = useFilterFields('device');
  const rows = useKeysetRows<Device>(
    ['devices', 'list', q, show],
    (after) =>
      answerOf(
        reading.GET('/api/v1/devices', {
          params: {
            query: {
              limit: PAGE,
              ...(after !== undefined && { after }),
              ...(q !== '' && { filter: q }),
              ...narrowed(show),
            },
          },
        }),
      ),
    { renewEveryMs: 10_000 },
  );
  const fault = filterFault(rows.error);
  const match = useQuery({ ...matchQuery(q), enabled: q !== '' && fault === undefined });
  const fleet = useQuery(overviewQuery);
  const total = show !== undefined ? undefined : q === '' ? fleet.data?.devices.total : match.data?.count;
  const setFilter = (next: string) =>
    void navigate({ search: (before) => ({ ...before, q: next === '' ? undefined : next, why: undefined }) });
  const ask = (row: Device | undefined) =>
    void navigate({
      search: (before) => ({ ...before, why: row?.id }),
      replace: why !== undefined,
      resetScroll: false,
    });
  const csv = exportUrl(q, show);
  useKeys([{ keys: 'e', does: 'export as CSV', act: () => location.assign(csv) }]);
  const all = deviceColumns(q, setFilter);
  const asked = rows.rows?.find((row) => row.id === why);
  return (
    <>
      <PageHead
        title="Devices"
        aside={
          <span className="row">
            <ColumnChoice
              all={all}
              cols={cols}
              choose={(next) =>
                void navigate({ search: (before) => ({ ...before, cols: next }), replace: true, resetScroll: false })
              }
            />
            <a href={csv} download>
              CSV
            </a>
            <CopyCommand words={['device', 'ls', ...(q === '' ? [] : ['--where', q])]} />
          </span>
        }
      />
      <FleetNav />
      <FilterBar
        label="Filter of devices"
        value={q}
        onChange={setFilter}
        fields={fields}
        loadValues={filterValues}
        bareWords={['identity', 'name']}
        error={fault}
        placeholder="filter, e.g. model==sensor-*;version<1.4.0, or a part of a name or address"
        aside={matched(q, fault, match.data)}
      />
      {match.data && q !== '' && fault === undefined && <p className="small muted">{match.data.sentence}</p>}
      <ChipLinks
        label="Which devices"
        chips={[
          { label: 'all', search: { q, cols }, current: show === undefined },
          { label: '◇ want approval', search: { q, cols, show: 'approval' }, current: show === 'approval' },
          { label: '⚑ need rescue', search: { q, cols, show: 'rescue' }, current: show === 'rescue' },
          {
            label: '– decommissioned',
            search: { q, cols, show: 'decommissioned' },
            current: show === 'decommissioned',
          },
        ]}
      />
      <DataTable
        label="Devices"
        columns={chosenColumns(all, cols)}
        rowKey={(row) => row.id}
        rows={{
          ...rows,
          total: rows.total ?? total,
          isError: rows.isError && fault === undefined,
          ...(fault !== undefined && rows.rows === undefined && { data: [] }),
        }}
        height="calc(100vh - 300px)"
        onOpen={(row) => void navigate({ to: '/fleet/devices/$id', params: { id: row.id } })}
        rowKeys={{ w: ask, ' ': ask }}
        openKey={asked?.id}
        onWalk={ask}
        empty={<NoDevice q={q} show={show} fault={fault} drop={setFilter} />}
      />
      {why !== undefined && <DeviceWhyDrawer id={why} device={asked} close={() => ask(undefined)} />}
    </>
  );
}

function narrowed(show: string | undefined): {
  approved?: 'false';
  needsRescue?: 'true';
  state?: 'decommissioned' | 'active';
} {
  if (show === 'rescue') return { needsRescue: 'true', state: 'active' };
  if (show === 'approval') return { approved: 'false', state: 'active' };
  return show === 'decommissioned' ? { state: 'decommissioned' } : {};
}

function exportUrl(q: string, show: string | undefined): string {
  const query = new URLSearchParams({ ...(q !== '' && { filter: q }), ...narrowed(show) }).toString();
  return `/api/v1/fleet/devices/export${query === '' ? '' : `?${query}`}`;
}

function matched(
  q: string,
  fault: string | undefined,
  data: { count: number; exact: boolean } | undefined,
): string | undefined {
  if (q === '' || fault !== undefined) return undefined;
  return data === undefined ? '– match' : `${data.exact ? '' : 'about '}${count(data.count)} match`;
}
