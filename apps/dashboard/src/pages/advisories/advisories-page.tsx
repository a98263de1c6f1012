/** Who is exposed? What is known to be unsafe, and how many still run it. */
import { answerOf } from '@drydock/api-client';
import type { Advisory, Overview } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { overviewQuery } from '../../data/queries.js';
import { count } from '../../format/numbers.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import classes from './advisories.module.css';

const route = getRouteApi('/advisories');
const STATES = [undefined, 'open', 'closed'] as const;

type Counted = Overview['exposed'][number] | undefined;

function columnsFor(countedOf: (id: string) => Counted): readonly Column<Advisory>[] {
  return [
    {
      key: 'cve',
      head: 'CVE',
      width: '150px',
      card: 'first',
      cell: (row) => <strong className="mono">{row.cve}</strong>,
    },
    { key: 'title', head: 'Title', cell: (row) => row.title },
    { key: 'severity', head: 'Severity', width: '84px', card: 'none', cell: (row) => row.severity },
    {
      key: 'models',
      head: 'Models',
      width: '18%',
      card: 'none',
      cell: (row) => row.models.map(({ model }) => model).join(', '),
    },
    {
      key: 'exposed',
      head: 'Exposed, last counted',
      width: '190px',
      align: 'right',
      card: 'first',
      cell: (row) => <Exposed advisory={row} counted={countedOf(row.id)} />,
    },
    {
      key: 'state',
      head: 'State',
      width: '130px',
      card: 'none',
      cell: (row) =>
        row.closedAt === null ? (
          'open'
        ) : (
          <>
            closed <Time at={row.closedAt} />
          </>
        ),
    },
  ];
}

function Exposed({ advisory, counted }: { advisory: Advisory; counted: Counted }) {
  if (advisory.state === 'closed') return <span className="muted">not counted any more</span>;
  if (!counted) return <span className="muted">none, or not counted yet</span>;
  return (
    <span title={new Date(counted.at).toISOString()}>
      <strong>{count(counted.affected)}</strong> of {count(counted.total)}
    </span>
  );
}

export default function AdvisoriesPage() {
  const { state } = route.useSearch();
  const navigate = route.useNavigate();
  const exposed = useQuery(overviewQuery).data?.exposed ?? [];
  const { may, why } = useMayDo('approver');
  const rows = useKeysetRows<Advisory>(['advisories', 'list', state], (after) =>
    answerOf(
      reading.GET('/api/v1/advisories', {
        params: { query: { limit: 100, ...(after !== undefined && { after }), ...(state !== undefined && { state }) } },
      }),
    ),
  );
  const make = (
    <Allowed why={why}>
      {(disabled) =>
        disabled ? (
          <span className={classes.act} data-off>
            New advisory
          </span>
        ) : (
          <Link to="/advisories/new" className={classes.act}>
            New advisory
          </Link>
        )
      }
    </Allowed>
  );
  return (
    <>
      <PageHead
        title="Advisories"
        aside={
          <span className="row">
            <CopyCommand words={['advisory', 'ls']} />
            {make}
          </span>
        }
      />
      <div className="row" role="group" aria-label="State">
        {STATES.map((each) => (
          <Link
            key={each ?? 'all'}
            to="/advisories"
            search={{ state: each }}
            className={classes.chip}
            data-on={each === state || undefined}
          >
            {each ?? 'all'}
          </Link>
        ))}
      </div>
      <DataTable
        label="Advisories"
        columns={columnsFor((id) => exposed.find((one) => one.advisory.id === id))}
        rowKey={(row) => row.id}
        rows={rows}
        height="calc(100vh - 220px)"
        onOpen={(row) => void navigate({ to: '/advisories/$id', params: { id: row.id }, search: {} })}
        empty={
          <Empty>
            {state === undefined ? (
              <p>
                No advisory yet. An advisory names what is unsafe: models, versions, and the artifact that mends it.
                From then on it is counted who still runs it.{may && <> {make}</>}
              </p>
            ) : (
              <p>
                No advisory is {state}.{' '}
                <Link to="/advisories" search={{}}>
                  Show all
                </Link>
              </p>
            )}
          </Empty>
        }
      />
    </>
  );
}
