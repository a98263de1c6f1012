/** A campaign that takes devices back to what they ran before: asked for with a reason, then shown as a draft, never one press. */
import { answerOf } from '@drydock/api-client';
import { Button, Textarea } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { changing, errorSentence, reading } from '../../data/api.js';
import { count } from '../../format/numbers.js';
import { Part } from '../../pieces/page-state.js';
import { ArtifactChoice } from './artifact-choice.js';

export function RollBackStart({ name }: { name: string }) {
  const navigate = useNavigate();
  const [reason, setReason] = useState('');
  const [artifactId, setArtifactId] = useState('');
  const campaign = useQuery({
    queryKey: ['campaign-by-name', name],
    queryFn: () => answerOf(reading.GET('/api/v1/campaigns-by-name/{name}', { params: { path: { name } } })),
  });
  const making = useMutation({
    mutationFn: (id: string) =>
      answerOf(
        changing.POST('/api/v1/campaigns/{id}/rollback', {
          params: { path: { id } },
          body: { reason: reason.trim(), ...(artifactId !== '' && { artifactId }) },
        }),
      ),
    onSuccess: (made) => void navigate({ to: '/campaigns/new', search: { draft: made.id, step: 'which' } }),
  });
  return (
    <>
      <PageHead title={`Roll back ${name}`} crumbs={[{ to: '/campaigns', label: 'Campaigns' }]} />
      <Part query={campaign} headings={['Roll back']}>
        {(found) => (
          <form
            className="stack"
            style={{ maxWidth: 640, gap: 12 }}
            onSubmit={(event) => {
              event.preventDefault();
              if (reason.trim() !== '') making.mutate(found.id);
            }}
          >
            <p>
              A new campaign takes the devices that{' '}
              <Link to="/campaigns/$name" params={{ name }} search={{}}>
                {name}
              </Link>{' '}
              updated ({count(found.sums.proven)} proven) back to what they ran before. Nothing is sent until that
              campaign is started.
            </p>
            <Textarea
              label="Reason"
              required
              autosize
              maxRows={5}
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            <details>
              <summary>Choose the artifact yourself</summary>
              <p className="muted">
                Needed only where the devices ran several versions before, or one that is not stored.
              </p>
              <ArtifactChoice
                value={artifactId}
                onChange={(artifact) => setArtifactId(artifact.id)}
                model={found.artifact.model}
              />
            </details>
            {making.isError && <p role="alert">Not done. {errorSentence(making.error)}</p>}
            <div className="row">
              <Button type="submit" variant="filled" disabled={reason.trim() === ''} loading={making.isPending}>
                Make the draft
              </Button>
              <Link to="/campaigns/$name" params={{ name }} search={{}}>
                Back to the campaign
              </Link>
            </div>
          </form>
        )}
      </Part>
    </>
  );
}
