/** Who is left? The campaign's devices, and why each is where it is. */
import { answerOf } from '@drydock/api-client';
import type { Campaign, Deployment } from '@drydock/contracts';
import { getRouteApi } from '@tanstack/react-router';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Empty } from '../../pieces/page-state.js';
import { deploymentLook, StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { WhyDrawer } from '../../pieces/why-drawer.js';

const route = getRouteApi('/campaigns/$name');
export const nameOf = (row: Deployment): string => row.device.name ?? row.device.identity;

const COLUMNS: readonly Column<Deployment>[] = [
  { key: 'device', head: 'Device', width: '28%', card: 'first', cell: nameOf },
  { key: 'state', head: 'State', width: '140px', cell: (row) => <StateMark look={deploymentLook(row.state)} /> },
  { key: 'stage', head: 'Stage', width: '64px', align: 'right', card: 'none', cell: (row) => row.stage + 1 },
  { key: 'gateway', head: 'Gateway', width: '20%', cell: (row) => row.gateway?.name ?? '–' },
  { key: 'code', head: 'Outcome', cell: (row) => row.outcomeCode ?? '' },
  { key: 'tries', head: 'Tries', width: '56px', align: 'right', card: 'none', cell: (row) => row.tries },
  { key: 'since', head: 'Since', width: '110px', card: 'none', cell: (row) => <Time at={row.stateAt} /> },
];

export function Devices({ campaign }: { campaign: Campaign }) {
  const { why } = route.useSearch();
  const navigate = route.useNavigate();
  const rows = useKeysetRows<Deployment>(['campaign-part', campaign.id, 'deployments'], (after) =>
    answerOf(
      reading.GET('/api/v1/campaigns/{id}/deployments', {
        params: { path: { id: campaign.id }, query: { limit: 200, ...(after !== undefined && { after }) } },
      }),
    ),
  );
  const open = rows.rows?.find((row) => row.device.id === why);
  const ask = (row: Deployment | undefined) =>
    void navigate({ search: (before) => ({ ...before, why: row?.device.id }), replace: why !== undefined });
  return (
    <section className="stack" aria-labelledby="devices">
      <h2 id="devices">Devices</h2>
      <DataTable
        label="Devices of the campaign"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={rows}
        onOpen={ask}
        rowKeys={{ w: ask, ' ': ask }}
        openKey={open?.id}
        onWalk={ask}
        empty={
          <Empty>
            <p>No device is a member yet.</p>
          </Empty>
        }
      />
      {why !== undefined && (
        <WhyDrawer
          campaign={campaign}
          deviceId={why}
          title={open ? `${nameOf(open)} · ${open.device.model ?? ''}` : ''}
          close={() => ask(undefined)}
        />
      )}
    </section>
  );
}
