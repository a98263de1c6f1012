/** The devices themselves, and all of them as a file. */
import { answerOf } from '@drydock/api-client';
import type { Advisory, ExposedDevice, Exposure } from '@drydock/contracts';
import { getRouteApi, Link } from '@tanstack/react-router';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { count } from '../../format/numbers.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Empty } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import type { AdvisorySearch } from './route.js';
import classes from './advisories.module.css';

const route = getRouteApi('/advisories/$id');

export function ExposedDevices({ advisory, exposure }: { advisory: Advisory; exposure: Exposure }) {
  const search = route.useSearch();
  const { status, model, site, reach } = search;
  const siteName = (id: string) => exposure.sites.find((one) => one.site === id)?.name ?? id.slice(0, 8);
  const filters = {
    advisory: advisory.id,
    status: status ?? ('affected' as const),
    ...(model !== undefined && { model }),
    ...(site !== undefined && { site }),
    ...(reach !== undefined && { silent: reach === 'out' ? ('true' as const) : ('false' as const) }),
  };
  const rows =
    useKeysetRows<ExposedDevice> // Who they are is asked again where the number of them moved.
    (['exposure', advisory.id, 'devices', filters, exposure.affected, exposure.unknown], (after) =>
      answerOf(
        reading.GET('/api/v1/exposure/devices', {
          params: { query: { ...filters, limit: 200, ...(after !== undefined && { after }) } },
        }),
      ),
    );
  const columns: readonly Column<ExposedDevice>[] = [
    {
      key: 'device',
      head: 'Device',
      card: 'first',
      cell: (row) => <span title={row.device}>{row.name ?? row.device.slice(0, 13)}</span>,
    },
    { key: 'model', head: 'Model', width: '18%', card: 'none', cell: (row) => row.model },
    {
      key: 'version',
      head: 'Runs',
      width: '110px',
      card: 'first',
      cell: (row) => <span className="mono">{row.version ?? 'says none'}</span>,
    },
    { key: 'site', head: 'Site', width: '16%', cell: (row) => siteName(row.site) },
    { key: 'reach', head: 'Reach', width: '130px', cell: (row) => (row.silent ? '┄ out of reach' : '● in reach') },
    { key: 'seen', head: 'Last seen', width: '120px', cell: (row) => <Time at={row.lastSeenAt} /> },
  ];
  const { affected, unknown } = exposure;
  const chips: readonly { readonly label: string; readonly search: AdvisorySearch; readonly on: boolean }[] = [
    { label: `all ${count(affected.devices)} exposed`, search: {}, on: status === undefined && reach === undefined },
    {
      label: `${count(affected.devices - affected.silent)} in reach`,
      search: { reach: 'in' },
      on: status === undefined && reach === 'in',
    },
    {
      label: `${count(affected.silent)} out of reach`,
      search: { reach: 'out' },
      on: status === undefined && reach === 'out',
    },
    {
      label: `${count(unknown.devices)} with version not known`,
      search: { status: 'unknown' },
      on: status === 'unknown',
    },
  ];
  const narrowed = model !== undefined || site !== undefined;
  return (
    <section className="stack" aria-labelledby="exposed">
      <h2 id="exposed">Devices</h2>
      <div className="row" role="group" aria-label="Which">
        {chips.map((chip) => (
          <Link
            key={chip.label}
            to="/advisories/$id"
            params={{ id: advisory.id }}
            search={{ ...chip.search, model, site }}
            resetScroll={false}
            className={classes.chip}
            data-on={chip.on || undefined}
          >
            {chip.label}
          </Link>
        ))}
        {narrowed && (
          <Link to="/advisories/$id" params={{ id: advisory.id }} search={{ status, reach }} resetScroll={false}>
            ✕ only {[model, site && siteName(site)].filter(Boolean).join(', ')}
          </Link>
        )}
      </div>
      <DataTable
        label="Exposed devices"
        columns={columns}
        rowKey={(row) => row.device}
        rows={rows}
        height="420px"
        empty={
          <Empty>
            <p>
              No device{status === 'unknown' ? '’s version is unknown' : ' is exposed'}
              {narrowed || reach !== undefined ? ' with this choice' : ''}.
            </p>
          </Empty>
        }
      />
      <p className="row">
        <a href={csvOf(filters)} download>
          CSV of these
        </a>
        {affected.silent > 0 && (
          <a href={csvOf({ advisory: advisory.id, status: 'affected', silent: 'true' })} download>
            CSV of the {count(affected.silent)} out of reach, with last seen
          </a>
        )}
      </p>
    </section>
  );
}

const csvOf = (filters: Readonly<Record<string, string>>): string =>
  `/api/v1/exposure/export?${new URLSearchParams({ ...filters, format: 'csv' }).toString()}`;
