/** Which gateways are sick or away? */
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { filterValues } from '../../data/filter-help.js';
import { useKeysetRows } from '../../data/keyset.js';
import { overviewQuery } from '../../data/queries.js';
import { sitesQuery } from '../../data/sites.js';
import type { Gateway } from '../../data/shapes.js';
import { count } from '../../format/numbers.js';
import { ChipLinks } from '../../pieces/chip-links.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable } from '../../pieces/data-table.js';
import { FilterBar, type FilterField } from '../../pieces/filter-bar.js';
import { Allowed } from '../../pieces/page-state.js';
import { readPlainFilter } from '../../pieces/plain-filter.js';
import { useMayDo } from '../../session/use-session.js';
import { EnrolDialog } from '../fleet/enrol-dialog.js';
import { FleetNav } from '../fleet/fleet-nav.js';
import { GATEWAY_COLUMNS } from './columns.js';
import { NoGateway } from './no-gateway.js';
import { GATEWAY_SHOWS, type GatewaysSearch } from './search.js';

const route = getRouteApi('/fleet/gateways');
const FIELDS: readonly FilterField[] = [
  { name: 'name', hint: 'e.g. name==gw-*', operators: ['=='] },
  { name: 'site', hint: 'e.g. site==oslo', operators: ['=='] },
  { name: 'tag', hint: 'e.g. tag==ring=canary', operators: ['=='] },
];
const MARKS: Readonly<Record<(typeof GATEWAY_SHOWS)[number], string>> = {
  connected: '● connected',
  away: '┄ away',
  quarantined: '⚑ quarantined',
  decommissioned: '– decommissioned',
};

export default function GatewaysPage() {
  const { q = '', show, open } = route.useSearch();
  const navigate = route.useNavigate();
  const operator = useMayDo('operator');
  const read = readPlainFilter(
    q,
    FIELDS.map(({ name }) => name),
  );
  const sites = useQuery({ ...sitesQuery, enabled: read.values.site !== undefined }).data;
  const site = sites?.find((each) => each.name === read.values.site || each.id === read.values.site);
  const isSiteUnknown = read.values.site !== undefined && sites !== undefined && site === undefined;
  const fault = read.fault ?? (isSiteUnknown ? `No site is called ${read.values.site}.` : undefined);
  const isReady = fault === undefined && (read.values.site === undefined || site !== undefined);
  const rows = useKeysetRows<Gateway>(
    ['gateways', 'list', q, show],
    (after) =>
      answerOf(
        reading.GET('/api/v1/gateways', {
          params: {
            query: {
              limit: 200,
              ...(after !== undefined && { after }),
              ...(read.values.name !== undefined && { name: read.values.name }),
              ...(read.values.tag !== undefined && { tag: read.values.tag }),
              ...(site && { site: site.id }),
              ...narrowed(show),
            },
          },
        }),
      ),
    { enabled: isReady, renewEveryMs: 5_000 },
  );
  const fleet = useQuery(overviewQuery).data?.gateways;
  const change = (next: Partial<GatewaysSearch>) => void navigate({ search: (before) => ({ ...before, ...next }) });
  return (
    <>
      <PageHead
        title="Gateways"
        aside={
          <span className="row">
            <CopyCommand words={['gateway', 'ls', ...flagsOf(read.values, show)]} />
            <Allowed why={operator.why}>
              {(disabled) => (
                <Button variant="filled" disabled={disabled} onClick={() => change({ open: 'enrol' })}>
                  Enrol a gateway…
                </Button>
              )}
            </Allowed>
          </span>
        }
      />
      <FleetNav />
      {fleet !== undefined && fleet.total > 0 && (
        <p>
          {count(fleet.online)} of {count(fleet.total)} are connected now
          {fleet.quarantined > 0 && `, ${count(fleet.quarantined)} are quarantined`}.
        </p>
      )}
      <FilterBar
        label="Filter of gateways"
        value={q}
        onChange={(next) => change({ q: next === '' ? undefined : next })}
        fields={FIELDS}
        loadValues={(field, typed) => filterValues(field === 'name' ? 'gateway' : field, typed)}
        bareWords={['name']}
        error={fault}
        placeholder="filter, e.g. site==oslo, or a part of a name"
      />
      <ChipLinks
        label="Which gateways"
        chips={[undefined, ...GATEWAY_SHOWS].map((each) => ({
          label: each === undefined ? 'all' : MARKS[each],
          search: { q, show: each },
          current: each === show,
        }))}
      />
      <DataTable
        label="Gateways"
        columns={GATEWAY_COLUMNS}
        rowKey={(row) => row.id}
        rows={{
          ...rows,
          total: rows.total ?? (q === '' && show === undefined ? fleet?.total : undefined),
          ...(fault !== undefined && rows.rows === undefined && { data: [] }),
        }}
        height="calc(100vh - 300px)"
        onOpen={(row) => void navigate({ to: '/fleet/gateways/$id', params: { id: row.id } })}
        empty={
          <NoGateway
            isFiltered={q !== '' || show !== undefined}
            fault={fault}
            clear={() => change({ q: undefined, show: undefined })}
            enrol={() => change({ open: 'enrol' })}
          />
        }
      />
      {open === 'enrol' && <EnrolDialog close={() => change({ open: undefined })} />}
    </>
  );
}

function narrowed(show: GatewaysSearch['show']): {
  online?: 'true' | 'false';
  state?: 'quarantined' | 'decommissioned';
} {
  switch (show) {
    case 'connected':
      return { online: 'true' };
    case 'away':
      return { online: 'false' };
    case 'quarantined':
    case 'decommissioned':
      return { state: show };
    default:
      return {};
  }
}

/** As the command line asks for the same; its `--where` is of the devices behind a gateway. */
function flagsOf(values: Readonly<Record<string, string>>, show: GatewaysSearch['show']): string[] {
  const flags = Object.entries(values).flatMap(([field, value]) => [`--${field}`, value]);
  if (show === undefined) return flags;
  if (show === 'connected') return [...flags, '--online'];
  return show === 'away' ? [...flags, '--offline'] : [...flags, '--state', show];
}
