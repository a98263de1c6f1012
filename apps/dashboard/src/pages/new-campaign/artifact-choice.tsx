/** One of the stored artifacts, newest first; found by what it is called. */
import { answerOf } from '@drydock/api-client';
import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useId, useState } from 'react';
import { reading } from '../../data/api.js';
import type { Artifact } from '../../data/artifacts.js';
import { bytes, counted } from '../../format/numbers.js';
import { Empty, Part } from '../../pieces/page-state.js';
import { Time } from '../../pieces/time.js';
import classes from './new-campaign.module.css';

const MOST = 200;
const SIGNED: Readonly<Record<Artifact['signature'], string>> = {
  verified: '✓ signed by a release key',
  present: '? signed by a key that is not kept here',
  none: '– not signed',
};

interface Props {
  readonly value: string;
  readonly onChange: (artifact: Artifact) => void;
  readonly model?: string;
  readonly error?: string | undefined;
}

export function ArtifactChoice({ value, onChange, model, error }: Props) {
  const name = useId();
  const [text, setText] = useState('');
  const artifacts = useQuery({
    queryKey: ['artifacts', 'choice', model],
    queryFn: () =>
      answerOf(
        reading.GET('/api/v1/artifacts', { params: { query: { limit: MOST, ...(model !== undefined && { model }) } } }),
      ),
  });
  return (
    <Part query={artifacts} rows={4}>
      {({ items, next }) => {
        if (items.length === 0) {
          return (
            <Empty>
              <p>
                No artifact yet{model === undefined ? '' : ` for ${model}`}.{' '}
                <Link to={'/artifacts' as string}>Upload one</Link>, then come back.
              </p>
            </Empty>
          );
        }
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);
        const shown = items.filter((item) => {
          const said = `${item.model} ${item.version} ${item.fileName} ${item.sha256} ${item.format}`.toLowerCase();
          return item.id === value || words.every((word) => said.includes(word));
        });
        return (
          <fieldset
            className={classes.choice}
            aria-invalid={error !== undefined}
            aria-describedby={error && `${name}-error`}
          >
            <legend>Artifact</legend>
            {items.length > 6 && (
              <TextInput
                label="Find an artifact"
                placeholder="model, version, file or digest"
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
              />
            )}
            {error !== undefined && (
              <p id={`${name}-error`} className={classes.fault}>
                {error}
              </p>
            )}
            <ul className={classes.options}>
              {shown.map((item) => (
                <li key={item.id}>
                  <label className={classes.option} data-chosen={item.id === value || undefined}>
                    <input type="radio" name={name} checked={item.id === value} onChange={() => onChange(item)} />
                    <span>
                      <strong>
                        {item.model} {item.version}
                      </strong>
                      <span className="muted">
                        {' '}
                        · {item.format} · {bytes(item.sizeBytes)}
                      </span>
                      <br />
                      <span className="small muted">
                        {SIGNED[item.signature]} · <span className="mono">{item.sha256.slice(0, 12)}</span> · uploaded{' '}
                        <Time at={item.createdAt} />
                      </span>
                    </span>
                  </label>
                </li>
              ))}
            </ul>
            {shown.length === 0 && <p className="muted">None is called that.</p>}
            {next !== undefined && (
              <p className="small muted">
                The newest {counted(MOST, 'artifact')} are listed. Begin from the artifact’s own page for an older one.
              </p>
            )}
          </fieldset>
        );
      }}
    </Part>
  );
}
