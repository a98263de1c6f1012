/** Which files are there to be sent? */
import { answerOf } from '@drydock/api-client';
import type { Artifact } from '../../data/shapes.js';
import { Button } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createContext, useContext } from 'react';
import { PageHead } from '../../app/page-head.js';
import { reading } from '../../data/api.js';
import { filterValues } from '../../data/filter-help.js';
import { pollEvery } from '../../data/query-client.js';
import { useKeysetRows } from '../../data/keyset.js';
import { bytes, count } from '../../format/numbers.js';
import { CopyCommand } from '../../pieces/copy-command.js';
import { DataTable, type Column } from '../../pieces/data-table.js';
import { FilterBar, type FilterField } from '../../pieces/filter-bar.js';
import { Allowed, Empty } from '../../pieces/page-state.js';
import { filterValue } from '../../pieces/filter-text.js';
import { readPlainFilter } from '../../pieces/plain-filter.js';
import { StateMark, type Look } from '../../pieces/state-mark.js';
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
    head: 'Signed by',
    width: '196px',
    cell: (row) => <StateMark look={signedBy(row)} />,
  },
  { key: 'runs', head: 'Runs on', width: '96px', align: 'right', cell: (row) => <RunsOn artifact={row} /> },
  { key: 'sha', head: 'SHA-256', width: '124px', card: 'none', cell: (row) => <code>{row.sha256.slice(0, 12)}</code> },
  { key: 'at', head: 'Uploaded', width: '112px', card: 'none', cell: (row) => <Time at={row.createdAt} /> },
];

/** A release key by the first digits of its hash, where the file names it. */
function signedBy({ signature, description }: Artifact): Look {
  const look = signatureLook(signature);
  const hash = description.signatures.find(({ keyHash }) => keyHash !== undefined)?.keyHash?.slice(0, 8);
  const words = { verified: 'release key', present: 'a foreign key', none: 'nobody' }[signature];
  return { ...look, label: hash === undefined ? words : `${words} ${hash}` };
}

/** Rows ask together: one question for so many of the list, in its order. */
const ASKED_TOGETHER = 100;
const RunningOf = createContext<ReadonlyMap<string, { readonly devices: number; readonly exact: boolean }>>(new Map());

function RunsOn({ artifact }: { artifact: Artifact }) {
  const known = useContext(RunningOf).get(artifact.id);
  if (!known) return '–';
  const version = artifact.runningVersion ?? artifact.version;
  return (
    <Link
      to="/fleet/devices"
      search={{ q: `model==${filterValue(artifact.model)};version==${filterValue(version)}` }}
      {...(!known.exact && { title: 'as counted in the last hour' })}
    >
      {!known.exact && 'about '}
      {count(known.devices)}
      <span className="sr-only"> {known.devices === 1 ? 'device' : 'devices'}</span>
    </Link>
  );
}

function useRunning(rows: readonly Artifact[]) {
  const pages = Array.from({ length: Math.ceil(rows.length / ASKED_TOGETHER) }, (_, page) =>
    rows.slice(page * ASKED_TOGETHER, (page + 1) * ASKED_TOGETHER).map(({ id }) => id),
  );
  return useQueries({
    queries: pages.map((ids) => ({
      queryKey: ['artifacts', 'running', ids],
      refetchInterval: pollEvery(30_000),
      queryFn: () => answerOf(reading.GET('/api/v1/artifacts-running', { params: { query: { ids: ids.join(',') } } })),
    })),
    combine: (answers) =>
      new Map(answers.flatMap(({ data }) => data?.items ?? []).map((item) => [item.id, item] as const)),
  });
}

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
  const running = useRunning(rows.rows ?? []);
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
      <RunningOf value={running}>
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
      </RunningOf>
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
