/** Who did what? */
import { answerOf } from '@drydock/api-client';
import type { AuditRecord } from '@drydock/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useKeys } from '../../app/keys.js';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { useKeysetRows } from '../../data/keyset.js';
import { auditDetail, auditWho } from '../../pieces/audit-words.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { FilterBar } from '../../pieces/filter-bar.js';
import { Empty } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import { AuditDrawer } from './audit-drawer.js';
import { AUDIT_FIELDS, readAuditFilter } from './audit-filter.js';
import { TargetLink } from './target-link.js';

const route = getRouteApi('/audit');

const MARKS: Readonly<Record<AuditRecord['actor']['kind'], string>> = {
  person: '☺',
  gateway: '▣',
  rule: '⚙',
  system: '⚙',
};

const COLUMNS: readonly Column<AuditRecord>[] = [
  { key: 'at', head: 'Time', width: '124px', cell: (row) => <Time at={row.at} fixed /> },
  {
    key: 'who',
    head: 'Who',
    width: '18%',
    cell: (row) => (
      <>
        <span aria-hidden className="muted">
          {MARKS[row.actor.kind]}{' '}
        </span>
        {auditWho(row.actor)}
      </>
    ),
  },
  { key: 'action', head: 'Did', width: '20%', card: 'first', cell: (row) => <code>{row.action}</code> },
  {
    key: 'target',
    head: 'To what',
    width: '18%',
    cell: (row) => (row.target === null ? '–' : <TargetLink target={row.target} params={row.params} />),
  },
  {
    key: 'detail',
    head: 'How: before → after',
    card: 'none',
    cell: (row) => <span className="muted">{auditDetail(row.params)}</span>,
  },
  {
    key: 'ip',
    head: 'From where',
    width: '112px',
    card: 'none',
    cell: (row) => <span className="mono small">{row.ip ?? '–'}</span>,
  },
];

export default function AuditPage() {
  const { q = '', line } = route.useSearch();
  const navigate = route.useNavigate();
  const { query, fault } = readAuditFilter(q);
  const rows = useKeysetRows<AuditRecord>(
    ['audit', 'list', q],
    (after) =>
      answerOf(
        reading.GET('/api/v1/audit', {
          params: { query: { limit: 200, ...(after !== undefined && { after }), ...query } },
        }),
      ),
    { enabled: fault === undefined, renewEveryMs: 10_000 },
  );
  const people = useQuery({
    queryKey: ['people', 'names'],
    retry: false,
    queryFn: () => answerOf(reading.GET('/api/v1/people', { params: { query: { limit: 500 } } })),
  }).data?.items;
  const csv = `/api/v1/audit/export?${new URLSearchParams(query as Record<string, string>).toString()}`;
  useKeys([{ keys: 'e', does: 'export as CSV', act: () => location.assign(csv) }]);
  const open = (row: AuditRecord | undefined) =>
    void navigate({
      search: (before) => ({ ...before, line: row?.id }),
      replace: line !== undefined,
      resetScroll: false,
    });
  const shown = rows.rows?.find((row) => row.id === line);
  return (
    <>
      <PageHead
        title="Audit"
        aside={
          <span className="row">
            <a href={csv} download>
              CSV
            </a>
            <CopyCommand words={['audit', ...(q === '' ? [] : ['--where', q])]} />
          </span>
        }
      />
      <FilterBar
        label="Filter of the audit"
        value={q}
        onChange={(next) => void navigate({ search: { q: next === '' ? undefined : next } })}
        fields={AUDIT_FIELDS.map((field) =>
          field.name === 'actor' && people
            ? { ...field, values: people.map((person) => ({ value: person.id, label: person.name })) }
            : field,
        )}
        error={fault}
        placeholder="filter, e.g. action==campaign.*;from==2026-11-01"
      />
      <DataTable
        label="Audit"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={{ ...rows, ...(fault !== undefined && rows.rows === undefined && { data: [] }) }}
        height="calc(100vh - 240px)"
        onOpen={open}
        rowKeys={{ ' ': open }}
        openKey={shown?.id}
        onWalk={open}
        empty={
          <Empty>
            <p>
              {fault !== undefined
                ? 'The filter cannot be read, so nothing was looked for.'
                : q === ''
                  ? 'Nothing has been done yet.'
                  : 'No line matches.'}{' '}
              {q !== '' && (
                <button type="button" className="plain-button" onClick={() => void navigate({ search: {} })}>
                  Show all
                </button>
              )}
            </p>
          </Empty>
        }
      />
      {shown && <AuditDrawer record={shown} close={() => open(undefined)} />}
    </>
  );
}
