/** A file goes up; what the server finds wrong with it is said in full. */
import { ApiProblemError, ApiUnreachableError } from '@drydock/api-client';
import { Button, TextInput } from '@mantine/core';
import type { Artifact } from '../../data/shapes.js';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useRef, useState, type FormEvent } from 'react';
import { errorSentence } from '../../data/api.js';
import { modelsQuery } from '../../data/sites.js';
import { bytes } from '../../format/numbers.js';
import { Dialog } from '../../pieces/dialog.js';
import classes from './upload.module.css';
import { sendFile } from './send-file.js';

interface Props {
  readonly close: () => void;
  readonly stored: (artifact: Artifact) => void;
}
interface Progress {
  readonly sent: number;
  readonly total: number;
}

export function UploadDialog({ close, stored }: Props) {
  const client = useQueryClient();
  const known = useQuery(modelsQuery).data ?? [];
  const models = useId();
  const [file, setFile] = useState<File>();
  const [model, setModel] = useState('');
  const [version, setVersion] = useState('');
  const [runningVersion, setRunningVersion] = useState('');
  const [follows, setFollows] = useState('');
  const [progress, setProgress] = useState<Progress>();
  const [error, setError] = useState<unknown>();
  const turn = useRef<AbortController>(undefined);
  const isReady = file !== undefined && model.trim() !== '';
  const leave = () => {
    turn.current?.abort();
    close();
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!isReady || progress) return;
    setError(undefined);
    setProgress({ sent: 0, total: file.size });
    turn.current = new AbortController();
    const from = follows.split(/[\s,]+/).filter(Boolean);
    try {
      const { artifact } = await sendFile({
        file,
        fields: {
          model: model.trim(),
          ...(version.trim() !== '' && { version: version.trim() }),
          ...(runningVersion.trim() !== '' && { runningVersion: runningVersion.trim() }),
          ...(from.length > 0 && { requires: JSON.stringify({ runningVersions: from }) }),
        },
        onProgress: (sent, total) => setProgress({ sent, total }),
        signal: turn.current.signal,
      });
      await client.invalidateQueries({ queryKey: ['artifacts'] });
      stored(artifact);
    } catch (problem) {
      if (!turn.current.signal.aborted) setError(problem);
    } finally {
      setProgress(undefined);
    }
  };
  return (
    <Dialog title="Upload an artifact" size="lg" {...(progress === undefined && { close: leave })}>
      <form onSubmit={(event) => void submit(event)} className="stack" style={{ gap: 12 }}>
        <label
          className={classes.drop}
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => {
            event.preventDefault();
            setFile(event.dataTransfer.files[0]);
          }}
        >
          <span className={classes.label}>File</span>
          <input
            type="file"
            data-autofocus
            onChange={(event) => {
              setFile(event.currentTarget.files?.[0]);
              setError(undefined);
            }}
          />
          <span className="small muted">
            {file === undefined
              ? 'As the maker delivers it, or drop it here. It is read while it comes; nothing broken is stored.'
              : `${file.name}, ${bytes(file.size)}`}
          </span>
        </label>
        <TextInput
          label="Model"
          description="The kind of device it is for."
          list={models}
          spellCheck={false}
          maxLength={64}
          value={model}
          onChange={(event) => setModel(event.currentTarget.value)}
        />
        <datalist id={models}>
          {known.map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <TextInput
          label="Version (only where the file does not say)"
          spellCheck={false}
          maxLength={128}
          value={version}
          onChange={(event) => setVersion(event.currentTarget.value)}
        />
        <details>
          <summary>More</summary>
          <div className="stack" style={{ gap: 12, paddingTop: 8 }}>
            <TextInput
              label="What the device will call it"
              description="Where the running application names another version than the file."
              spellCheck={false}
              maxLength={128}
              value={runningVersion}
              onChange={(event) => setRunningVersion(event.currentTarget.value)}
            />
            <TextInput
              label="May only follow these versions"
              description="Separated by commas; left empty: any."
              spellCheck={false}
              value={follows}
              onChange={(event) => setFollows(event.currentTarget.value)}
            />
          </div>
        </details>
        {progress && <Sending {...progress} />}
        {error !== undefined && <Refusal error={error} />}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button type="button" onClick={leave}>
            {progress ? 'Give it up' : 'Close'}
          </Button>
          <Button type="submit" variant="filled" disabled={!isReady} loading={progress !== undefined}>
            Upload
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Sending({ sent, total }: Progress) {
  const isSent = sent >= total;
  return (
    <div className="stack">
      <progress className={classes.progress} max={total} value={sent} aria-label="Upload" />
      <p role="status">{isSent ? 'Sent; the server reads it.' : `${bytes(sent)} of ${bytes(total)}`}</p>
    </div>
  );
}

function Refusal({ error }: { error: unknown }) {
  const places = error instanceof ApiProblemError ? (error.problem.errors ?? []) : [];
  return (
    <div role="alert" className={classes.refusal}>
      <p>
        <strong>Not stored.</strong>{' '}
        {error instanceof ApiUnreachableError
          ? 'The connection broke, or the server did not answer. To upload the same file again does no harm.'
          : errorSentence(error)}
      </p>
      {places.length > 0 && (
        <ul>
          {places.map((place) => (
            <li key={`${place.path} ${place.message}`}>
              <code>{place.path}</code> {place.message}
            </li>
          ))}
        </ul>
      )}
      {error instanceof ApiProblemError && <p className="small muted">{error.code}</p>}
    </div>
  );
}
