/** Where do devices stand, and who may bring new ones in? */
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import type { Site } from '../../data/shapes.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { filterValue } from '../../pieces/filter-text.js';
import { Allowed, Empty, Part } from '../../pieces/page-state.js';
import { StateMark } from '../../pieces/state-mark.js';
import { useMayDo } from '../../session/use-session.js';
import { EnrolDialog } from '../fleet/enrol-dialog.js';
import { FleetNav } from '../fleet/fleet-nav.js';
import { OpenTokens } from './open-tokens.js';
import { SiteDialog } from './site-dialog.js';

const CLAIMS: Readonly<Record<Site['claimMode'], string>> = {
  open: 'any device that a gateway hears',
  list: 'only devices of its list',
  approval: 'every device waits for a person',
};

type Open = { readonly what: 'new' } | { readonly what: 'change' | 'enrol'; readonly site: Site };

export default function SitesPage() {
  const [open, setOpen] = useState<Open>();
  const operator = useMayDo('operator');
  const rows = useKeysetRows<Site>(['sites', 'list'], (after) =>
    answerOf(
      reading.GET('/api/v1/sites', { params: { query: { limit: 200, ...(after !== undefined && { after }) } } }),
    ),
  );
  const tokens = useQuery({
    queryKey: ['enrolment-tokens'],
    enabled: operator.may,
    queryFn: () => answerOf(reading.GET('/api/v1/enrolment-tokens', { params: { query: { limit: 200 } } })),
  });
  const close = () => setOpen(undefined);
  const columns: readonly Column<Site>[] = [
    {
      key: 'name',
      head: 'Site',
      width: '22%',
      card: 'first',
      cell: (row) => (
        <Link to="/fleet/devices" search={{ q: `site==${filterValue(row.name)}` }}>
          <strong>{row.name}</strong>
        </Link>
      ),
    },
    { key: 'zone', head: 'Time zone', width: '18%', cell: (row) => row.zone },
    { key: 'claims', head: 'Takes in', cell: (row) => CLAIMS[row.claimMode] },
    {
      key: 'state',
      head: 'State',
      width: '136px',
      cell: (row) => (
        <StateMark
          look={
            row.state === 'decommissioned'
              ? { family: 'waiting', mark: '–', label: 'decommissioned' }
              : row.holdNote !== null
                ? { family: 'person', mark: '‖', label: 'on hold' }
                : { family: 'waiting', mark: '○', label: 'active' }
          }
        />
      ),
    },
    {
      key: 'actions',
      head: 'Actions',
      width: '188px',
      card: 'none',
      cell: (row) =>
        row.state === 'active' && (
          <span className="row" style={{ flexWrap: 'nowrap' }}>
            <button
              type="button"
              className="plain-button"
              disabled={!operator.may}
              onClick={() => setOpen({ what: 'enrol', site: row })}
            >
              Enrol a gateway…
            </button>
            <button
              type="button"
              className="plain-button"
              disabled={!operator.may}
              aria-label={`Change ${row.name}`}
              onClick={() => setOpen({ what: 'change', site: row })}
            >
              Change…
            </button>
          </span>
        ),
    },
  ];
  return (
    <>
      <PageHead
        title="Sites"
        aside={
          <Allowed why={operator.why}>
            {(disabled) => (
              <Button variant="filled" disabled={disabled} onClick={() => setOpen({ what: 'new' })}>
                New site…
              </Button>
            )}
          </Allowed>
        }
      />
      <FleetNav />
      <DataTable
        label="Sites"
        columns={columns}
        rowKey={(row) => row.id}
        rows={rows}
        {...(operator.may && {
          onOpen: (row: Site) => row.state === 'active' && setOpen({ what: 'change', site: row }),
        })}
        empty={
          <Empty>
            <p>No site yet. A site is a place with gateways: a building, a plant, a ship.</p>
          </Empty>
        }
      />
      {operator.may && (
        <Part query={tokens}>{({ items }) => <OpenTokens tokens={items} sites={rows.rows ?? []} />}</Part>
      )}
      {open?.what === 'new' && <SiteDialog close={close} />}
      {open?.what === 'change' && <SiteDialog site={open.site} close={close} />}
      {open?.what === 'enrol' && <EnrolDialog site={open.site.id} close={close} />}
    </>
  );
}
