/** An advisory written or changed: what is unsafe, and what mends it. */
import { answerOf, ApiProblemError } from '@drydock/api-client';
import { AdvisoryDraft, SEVERITIES, type Advisory } from '@drydock/contracts';
import { Button, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { PageHead } from '../../app/page-head.js';
import { changing, errorSentence, isStatus, reading } from '../../data/api.js';
import { pathOf } from '../../format/paths.js';
import { Conflict } from '../../pieces/conflict.js';
import { conflictFields, ownChanges } from '../../pieces/own-changes.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { useSeen } from '../../pieces/use-seen.js';
import { useMayDo } from '../../session/use-session.js';
import { advisoryQuery } from './queries.js';
import classes from './advisories.module.css';

const editRoute = getRouteApi('/advisories/$id/edit');
const BACK = [{ to: '/advisories', label: 'Advisories' }];

export function NewAdvisoryPage() {
  return (
    <>
      <PageHead title="New advisory" crumbs={BACK} />
      <Guarded>
        <AdvisoryForm />
      </Guarded>
    </>
  );
}

export function EditAdvisoryPage() {
  const { id } = editRoute.useParams();
  const advisory = useQuery({ ...advisoryQuery(id), staleTime: 0 });
  return (
    <>
      <PageHead title={advisory.data ? `Edit ${advisory.data.cve}` : 'Edit advisory'} crumbs={BACK} />
      <Guarded>
        <Part query={advisory}>{(found) => <AdvisoryForm key={found.id} advisory={found} />}</Part>
      </Guarded>
    </>
  );
}

function Guarded({ children }: { children: React.ReactNode }) {
  const { may, why } = useMayDo('approver');
  return may ? (
    <>{children}</>
  ) : (
    <Empty>
      <p>{why}</p>
    </Empty>
  );
}

interface ModelRow {
  readonly model: string;
  readonly affected: string;
  readonly affectedVersions: string;
  readonly unaffectedVersions: string;
  readonly fixedBy: string;
}

const EMPTY_ROW: ModelRow = { model: '', affected: '', affectedVersions: '', unaffectedVersions: '', fixedBy: '' };
const listed = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

function mendOf({ code, message, path }: { code: string; message: string; path: readonly PropertyKey[] }): string {
  if (code === 'too_small') return 'Write something.';
  if (path.at(-1) === 'model') return 'Write the model as its devices name it: letters, digits, dots, and _ + -.';
  return /^(?:is|are) /.test(message) ? `It ${message}.` : message;
}

const draftOf = ({ cve, title, severity, text, models }: Advisory): AdvisoryDraft => ({
  cve,
  title,
  severity,
  text,
  models,
});

/** What is unsafe about each model, on one line. */
const modelsText = (models: AdvisoryDraft['models']): string =>
  models
    .map((one) => [one.model, one.affected, ...one.affectedVersions].filter((part) => part !== null).join(' '))
    .join('; ');

function AdvisoryForm({ advisory: opened }: { advisory?: Advisory }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const {
    seen,
    before: advisory,
    renew,
  } = useSeen(opened, () => client.fetchQuery({ ...advisoryQuery(opened!.id), staleTime: 0 }));
  const [cve, setCve] = useState(advisory?.cve ?? '');
  const [title, setTitle] = useState(advisory?.title ?? '');
  const [severity, setSeverity] = useState<string>(advisory?.severity ?? 'high');
  const [text, setText] = useState(advisory?.text ?? '');
  const [models, setModels] = useState<readonly ModelRow[]>(
    advisory?.models.map((one) => ({
      model: one.model,
      affected: one.affected ?? '',
      affectedVersions: one.affectedVersions.join(', '),
      unaffectedVersions: one.unaffectedVersions.join(', '),
      fixedBy: one.fixedBy ?? '',
    })) ?? [EMPTY_ROW],
  );
  // Nothing is said against what is still being written; once it was pressed, at every key.
  const [asked, setAsked] = useState(false);
  const artifacts = useQuery({
    queryKey: ['artifacts', 'choice', undefined],
    queryFn: () => answerOf(reading.GET('/api/v1/artifacts', { params: { query: { limit: 200 } } })),
  }).data?.items;
  const saving = useMutation({
    mutationFn: async (body: AdvisoryDraft) => {
      if (!seen) return answerOf(changing.POST('/api/v1/advisories', { body }));
      try {
        return await answerOf(
          changing.PUT('/api/v1/advisories/{id}', {
            params: { path: { id: seen.id }, header: { 'If-Match': `"${seen.revision}"` } },
            body,
          }),
        );
      } catch (problem) {
        if (isStatus(problem, 412)) await renew().catch(() => undefined);
        throw problem;
      }
    },
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({
        predicate: ({ queryKey }) => ['advisory', 'advisories', 'exposure', 'overview'].includes(String(queryKey[0])),
      });
      void navigate({ to: '/advisories/$id', params: { id }, search: {} });
    },
  });
  const draft = AdvisoryDraft.safeParse({
    cve: cve.trim(),
    title,
    severity,
    text,
    models: models.map((row) => ({
      model: row.model.trim(),
      affected: row.affected.trim() === '' ? null : row.affected,
      affectedVersions: listed(row.affectedVersions),
      unaffectedVersions: listed(row.unaffectedVersions),
      fixedBy: row.fixedBy === '' ? null : row.fixedBy,
    })),
  });
  // A part that was left alone stays as it is now, also where somebody else has changed it.
  const mine = (data: AdvisoryDraft) => (advisory ? ownChanges(draftOf(advisory), data) : data);
  const whole = (data: AdvisoryDraft): AdvisoryDraft => (seen ? { ...draftOf(seen), ...mine(data) } : data);
  const own = asked && !draft.success ? draft.error.issues : [];
  const served = saving.error instanceof ApiProblemError ? (saving.error.problem.errors ?? []) : [];
  const faultOf = (path: string): string | undefined => {
    const issue = own.find((one) => pathOf(one.path) === path);
    return issue ? mendOf(issue) : served.find((one) => one.path.replace(/^body\./, '') === path)?.message;
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (draft.success) saving.mutate(whole(draft.data));
  };
  const put = (index: number, change: Partial<ModelRow>) =>
    setModels(models.map((row, at) => (at === index ? { ...row, ...change } : row)));
  return (
    <form onSubmit={submit} className={classes.form} noValidate>
      <div className={classes.grid}>
        <TextInput
          label="CVE"
          placeholder="CVE-2026-12345"
          value={cve}
          onChange={(event) => setCve(event.currentTarget.value)}
          error={faultOf('cve')}
          autoComplete="off"
        />
        <NativeSelect
          label="Severity"
          value={severity}
          onChange={(event) => setSeverity(event.currentTarget.value)}
          data={[...SEVERITIES]}
        />
      </div>
      <TextInput
        label="Title"
        value={title}
        onChange={(event) => setTitle(event.currentTarget.value)}
        error={faultOf('title')}
        maxLength={200}
      />
      {models.map((row, index) => (
        <fieldset key={index} className={classes.model}>
          <legend>Model {index + 1}</legend>
          <div className={classes.grid}>
            <TextInput
              label="Model"
              value={row.model}
              onChange={(event) => put(index, { model: event.currentTarget.value })}
              error={faultOf(`models[${index}].model`)}
              list="known-models"
            />
            <TextInput
              label="Affected versions, as a range"
              placeholder=">=1.2.0 <1.4.3"
              value={row.affected}
              onChange={(event) => put(index, { affected: event.currentTarget.value })}
              error={faultOf(`models[${index}].affected`)}
            />
            <TextInput
              label="Also affected"
              placeholder="versions, with commas"
              value={row.affectedVersions}
              onChange={(event) => put(index, { affectedVersions: event.currentTarget.value })}
              error={faultOf(`models[${index}].affectedVersions`)}
            />
            <TextInput
              label="Not affected, whatever the range says"
              placeholder="versions, with commas"
              value={row.unaffectedVersions}
              onChange={(event) => put(index, { unaffectedVersions: event.currentTarget.value })}
              error={faultOf(`models[${index}].unaffectedVersions`)}
            />
            <NativeSelect
              label="Mended by"
              value={row.fixedBy}
              onChange={(event) => put(index, { fixedBy: event.currentTarget.value })}
              error={faultOf(`models[${index}].fixedBy`)}
              data={[
                { value: '', label: 'nothing yet' },
                ...(artifacts ?? [])
                  .filter(({ model, id }) => model === row.model.trim() || id === row.fixedBy)
                  .map(({ id, model, version }) => ({ value: id, label: `${model} ${version}` })),
                ...(row.fixedBy === '' || artifacts?.some(({ id }) => id === row.fixedBy)
                  ? []
                  : [{ value: row.fixedBy, label: 'an older artifact' }]),
              ]}
            />
          </div>
          {models.length > 1 && (
            <button
              type="button"
              className="plain-button"
              onClick={() => setModels(models.filter((_, at) => at !== index))}
            >
              Remove model {index + 1}
            </button>
          )}
        </fieldset>
      ))}
      {faultOf('models') !== undefined && <p className={classes.fault}>{faultOf('models')}</p>}
      <datalist id="known-models">
        {[...new Set((artifacts ?? []).map(({ model }) => model))].map((model) => (
          <option key={model} value={model} />
        ))}
      </datalist>
      <div>
        <Button onClick={() => setModels([...models, EMPTY_ROW])}>Add a model</Button>
      </div>
      <Textarea
        label="Text (optional)"
        autosize
        minRows={3}
        maxRows={14}
        maxLength={20_000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {saving.isError && isStatus(saving.error, 412) && seen && draft.success && (
        <Conflict
          subject={{ kind: 'advisory', id: seen.id, renew, fields: comparedWith(seen, mine(draft.data)) }}
          onTop="Save mine on top"
          apply={() => saving.mutateAsync(whole(draft.data))}
        />
      )}
      {saving.isError && !isStatus(saving.error, 412) && <p role="alert">Not saved. {errorSentence(saving.error)}</p>}
      <div className="row" style={{ justifyContent: 'flex-end' }}>
        <Link
          to={advisory ? '/advisories/$id' : '/advisories'}
          params={{ id: advisory?.id ?? '' }}
          search={{}}
          className={classes.act}
        >
          {advisory ? 'Keep it as it is' : 'Back to the advisories'}
        </Link>
        <Button type="submit" variant="filled" loading={saving.isPending}>
          {advisory ? 'Save the advisory' : 'Publish the advisory'}
        </Button>
      </div>
    </form>
  );
}

const LABELS = { cve: 'CVE', title: 'Title', severity: 'Severity', text: 'Text', models: 'Models' };

function comparedWith(theirs: Advisory, { models, ...mine }: Partial<AdvisoryDraft>) {
  return conflictFields(
    { ...mine, ...(models && { models: modelsText(models) }) },
    { ...theirs, models: modelsText(theirs.models) },
    LABELS,
  );
}
