/** Which files are there to be sent? */
import { answerOf } from '@drydock/api-client';
import type { Artifact } from '../../data/shapes.js';
import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { filterValues } from '../../data/filter-help.js';
import { useKeysetRows } from '../../data/keyset.js';
import { bytes } from '../../format/numbers.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { FilterBar, type FilterField } from '../../pieces/filter-bar.js';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { readPlainFilter } from '../../pieces/plain-filter.js';
import { StateMark } from '../../pieces/state-mark.js';
import { Time } from '../../pieces/time.js';
import { useMayDo } from '../../session/use-session.js';
import { signatureLook } from '../artifact/signature-look.js';
import type { ArtifactsSearch } from './route.js';
import { UploadDialog } from './upload-dialog.js';

const route = getRouteApi('/artifacts');
const FIELDS: readonly FilterField[] = [
  { name: 'model', hint: 'e.g. model==sensor-2', operators: ['=='] },
  { name: 'version', hint: 'e.g. version==1.4.0', operators: ['=='] },
  { name: 'sha256', hint: 'what the digest begins with', operators: ['=='], values: [] },
];

const COLUMNS: readonly Column<Artifact>[] = [
  {
    key: 'version',
    head: 'Version',
    width: '18%',
    card: 'first',
    cell: (row) => (
      <Link to="/artifacts/$sha" params={{ sha: row.sha256.slice(0, 12) }}>
        <strong className="mono">{row.version}</strong>
      </Link>
    ),
  },
  { key: 'model', head: 'Model', width: '18%', cell: (row) => row.model },
  { key: 'format', head: 'Format', width: '16%', cell: (row) => row.format },
  { key: 'size', head: 'Size', width: '84px', align: 'right', cell: (row) => bytes(row.sizeBytes) },
  {
    key: 'signed',
    head: 'Signature',
    width: '168px',
    cell: (row) => <StateMark look={signatureLook(row.signature)} />,
  },
  { key: 'file', head: 'File', card: 'none', cell: (row) => <span title={row.fileName}>{row.fileName}</span> },
  { key: 'sha', head: 'SHA-256', width: '124px', card: 'none', cell: (row) => <code>{row.sha256.slice(0, 12)}</code> },
  { key: 'at', head: 'Uploaded', width: '112px', card: 'none', cell: (row) => <Time at={row.createdAt} /> },
];

export default function ArtifactsPage() {
  const { q = '', open } = route.useSearch();
  const navigate = route.useNavigate();
  const operator = useMayDo('operator');
  const { values, fault } = readPlainFilter(
    q,
    FIELDS.map(({ name }) => name),
  );
  const rows = useKeysetRows<Artifact>(
    ['artifacts', 'list', q],
    (after) =>
      answerOf(
        reading.GET('/api/v1/artifacts', {
          params: { query: { limit: 200, ...(after !== undefined && { after }), ...values } },
        }),
      ),
    { enabled: fault === undefined },
  );
  const change = (next: Partial<ArtifactsSearch>) => void navigate({ search: (before) => ({ ...before, ...next }) });
  const upload = (
    <Allowed why={operator.why}>
      {(disabled) => (
        <Button variant="filled" disabled={disabled} onClick={() => change({ open: 'upload' })}>
          Upload…
        </Button>
      )}
    </Allowed>
  );
  return (
    <>
      <PageHead
        title="Artifacts"
        aside={
          <span className="row">
            <CopyCommand words={['artifact', 'ls', ...(q === '' ? [] : ['--where', q])]} />
            {upload}
          </span>
        }
      />
      <FilterBar
        label="Filter of artifacts"
        value={q}
        onChange={(next) => change({ q: next === '' ? undefined : next })}
        fields={FIELDS}
        loadValues={filterValues}
        bareWords={['version']}
        error={fault}
        placeholder="filter, e.g. model==sensor-2"
      />
      <DataTable
        label="Artifacts"
        columns={COLUMNS}
        rowKey={(row) => row.id}
        rows={{ ...rows, ...(fault !== undefined && rows.rows === undefined && { data: [] }) }}
        height="calc(100vh - 240px)"
        onOpen={(row) => void navigate({ to: '/artifacts/$sha', params: { sha: row.sha256.slice(0, 12) } })}
        empty={
          <Empty>
            {q === '' ? (
              <>
                <p>No artifact yet. An artifact is a file as the maker of the firmware delivers it.</p>
                <p>
                  It is read when it is uploaded: what is broken, unsigned or for another model is refused with the
                  reason.
                </p>
                {upload}
              </>
            ) : (
              <p>
                No artifact matches.{' '}
                <button type="button" className="plain-button" onClick={() => change({ q: undefined })}>
                  Show all
                </button>
              </p>
            )}
          </Empty>
        }
      />
      {open === 'upload' && (
        <UploadDialog
          close={() => change({ open: undefined })}
          stored={(artifact) =>
            void navigate({ to: '/artifacts/$sha', params: { sha: artifact.sha256.slice(0, 12) }, replace: true })
          }
        />
      )}
    </>
  );
}
