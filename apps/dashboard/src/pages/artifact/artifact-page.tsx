/** May I send this file? Where does it run? */
import { answerOf } from '@drydock/api-client';
import type { Artifact } from '../../data/shapes.js';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { PageHead } from '../../app/page-head.js';
import { changing, isStatus } from '../../data/api.js';
import { modelsQuery } from '../../data/sites.js';
import { bytes } from '../../format/numbers.js';
import { AuditLines } from '../../pieces/audit-lines.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { CopyButton } from '../../pieces/copy-button.js';
import { Allowed, Part } from '../../pieces/page-state.js';
import { useMayDo } from '../../session/use-session.js';
import classes from './artifact.module.css';
import { CHECK_MARKS, CHECK_WORDS, checksOf, verdictOf } from './checks.js';
import { Read } from './read.js';
import { artifactQuery } from './queries.js';
import { Use } from './use.js';

const route = getRouteApi('/artifacts/$sha');
const CRUMBS = [{ to: '/artifacts', label: 'Artifacts' }];

export default function ArtifactPage() {
  const { sha } = route.useParams();
  const artifact = useQuery(artifactQuery(sha));
  const found = artifact.data;
  return (
    <>
      <PageHead
        title={
          found ? `${found.model} ${found.version}` : isStatus(artifact.error, 404) ? 'No such artifact' : 'Artifact'
        }
        crumbs={CRUMBS}
        aside={found && <Actions artifact={found} />}
      />
      <Part query={artifact}>{(data) => <Found artifact={data} />}</Part>
    </>
  );
}

function Found({ artifact }: { artifact: Artifact }) {
  const models = useQuery(modelsQuery).data;
  const model = models?.find(({ name }) => name === artifact.model);
  const checks = checksOf(artifact, model?.requiresSignature);
  return (
    <>
      <section className="stack" aria-label="Answer">
        <p className="row">
          <span>{artifact.format}</span>
          <span>{bytes(artifact.sizeBytes)}</span>
          <span className="muted">
            sha256 <code title={artifact.sha256}>{artifact.sha256.slice(0, 12)}…</code>{' '}
            <CopyButton text={artifact.sha256} label="copy" what="Copy the SHA-256" />
          </span>
          <span className="muted">{artifact.fileName}</span>
        </p>
        <p className={classes.answer}>
          <span className="muted">May I send it?</span> <strong>{verdictOf(artifact, checks)}</strong>
        </p>
        <ul className={classes.checks} aria-label="Checks">
          {checks.map((check) => (
            <li key={`${check.name} ${check.sentence}`} data-state={check.state}>
              <span className={classes.mark} aria-hidden>
                {CHECK_MARKS[check.state]}
              </span>
              <span className="sr-only">
                {CHECK_WORDS[check.state]}:
              </span>
              <span className={classes.name}>{check.name}</span>
              <span>{check.sentence}</span>
            </li>
          ))}
        </ul>
      </section>
      <div className={classes.columns}>
        <Use artifact={artifact} />
        <Read artifact={artifact} />
      </div>
      <AuditLines kind="artifact" id={artifact.sha256} title="Audit of this artifact" />
    </>
  );
}

function Actions({ artifact }: { artifact: Artifact }) {
  const operator = useMayDo('operator');
  const navigate = useNavigate();
  const client = useQueryClient();
  const [removing, setRemoving] = useState(false);
  return (
    <span className="row">
      {operator.may && (
        <a href={`/api/v1/artifacts/${artifact.sha256}/content`} download>
          Download
        </a>
      )}
      <Allowed why={operator.why}>
        {(disabled) => (
          <Button disabled={disabled} onClick={() => setRemoving(true)}>
            Remove…
          </Button>
        )}
      </Allowed>
      <Allowed why={operator.why}>
        {(disabled) => (
          <Button
            variant="filled"
            disabled={disabled}
            onClick={() => void navigate({ href: `/campaigns/new?artifact=${artifact.sha256.slice(0, 12)}` })}
          >
            New campaign
          </Button>
        )}
      </Allowed>
      {removing && (
        <ConfirmDialog
          title={`Remove ${artifact.model} ${artifact.version}?`}
          verb="Remove"
          keep="Keep it"
          typed={artifact.version}
          danger
          close={() => setRemoving(false)}
          act={async () => {
            await answerOf(
              changing.DELETE('/api/v1/artifacts/{sha256}', { params: { path: { sha256: artifact.sha256 } } }),
            );
            await client.invalidateQueries({ queryKey: ['artifacts', 'list'] });
            await navigate({ to: '/artifacts', search: {} });
          }}
        >
          <p>The file is deleted. Devices that run it are not touched.</p>
          <p>It is refused while a campaign, an order that is out, or an advisory names it.</p>
        </ConfirmDialog>
      )}
    </span>
  );
}
