/** The plan as a file that `drydock campaign apply` takes, and a file put in the place of the plan. */
import { CampaignDraft } from '@drydock/contracts';
import { readCampaignFile, writeCampaignFile, type CampaignFileProblem } from '@drydock/contracts/campaign-file';
import { Button, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { errorSentence } from '../../data/api.js';
import { artifactById, findArtifact } from '../../data/artifacts.js';
import { counted } from '../../format/numbers.js';
import { command, CopyButton } from '../../pieces/copy-button.js';
import { Dialog } from '../../pieces/dialog.js';
import { usePlanDesk } from './plan-context.js';
import type { PlanForm } from './plan-form.js';
import classes from './new-campaign.module.css';

export default function PlanYaml() {
  const { form, artifact } = usePlanDesk();
  const [pastes, setPastes] = useState(false);
  const { onAbort } = form.policy;
  const restoreId = typeof onAbort === 'string' ? '' : onAbort.restore;
  const restored = useQuery({
    queryKey: ['artifact', restoreId],
    queryFn: () => artifactById(restoreId),
    enabled: restoreId !== '',
  }).data;
  const yaml =
    artifact && (restoreId === '' || restored) ? writeCampaignFile({ ...form, artifact }, restored?.sha256) : undefined;
  return (
    <>
      {yaml === undefined ? (
        <p className="muted">It can be written when an artifact is chosen.</p>
      ) : (
        <pre className={classes.yaml} tabIndex={0} aria-label="The plan as a file">
          {yaml}
        </pre>
      )}
      <div className="row">
        {yaml !== undefined && <CopyButton text={yaml} label="Copy as YAML" />}
        {yaml !== undefined && (
          <CopyButton text={command('campaign', 'apply', '-f', 'campaign.yaml')} label="Copy as command" />
        )}
        <button type="button" className="plain-button" onClick={() => setPastes(true)}>
          Paste YAML…
        </button>
      </div>
      {pastes && <PasteYaml close={() => setPastes(false)} />}
    </>
  );
}

export function PasteYaml({ close }: { close: () => void }) {
  const { replace } = usePlanDesk();
  const [text, setText] = useState('');
  const [problems, setProblems] = useState<readonly CampaignFileProblem[]>([]);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const take = async () => {
    setError(undefined);
    const read = readCampaignFile(text);
    setProblems(read.ok ? [] : read.problems);
    if (!read.ok) return;
    setBusy(true);
    try {
      if (read.artifact.kind === 'file') {
        setProblems([
          read.problemAt(
            ['artifact'],
            'A page cannot read a file of yours: upload it first, then write its sha256 here.',
          ),
        ]);
        return;
      }
      const artifact = await findArtifact(read.artifact.prefix);
      const restore = read.restore === undefined ? undefined : await findArtifact(read.restore);
      const draft = read.draft({ artifactId: artifact.id, restoreId: restore?.id });
      replace(CampaignDraft.parse(draft) satisfies PlanForm);
      close();
    } catch (problem) {
      setError(errorSentence(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog close={close} title="Put a file in the place of this plan" size="lg">
      <div className="stack" style={{ gap: 12 }}>
        <Textarea
          label="Campaign file (YAML)"
          autosize
          minRows={10}
          maxRows={24}
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          classNames={{ input: 'mono' }}
          data-autofocus
        />
        {problems.length > 0 && (
          <div role="alert" className={classes.faults}>
            <p>The file has {counted(problems.length, 'problem')}. Nothing was changed.</p>
            <ul>
              {problems.map((problem) => (
                <li key={`${problem.line}:${problem.column}:${problem.message}`}>
                  <span className="muted">
                    line {problem.line}
                    {problem.path !== '' && `, ${problem.path}`}
                  </span>{' '}
                  {problem.message}
                  {problem.nearest !== undefined &&
                    !problem.message.includes(problem.nearest) &&
                    ` Did you mean ${problem.nearest}?`}
                </li>
              ))}
            </ul>
          </div>
        )}
        {error !== undefined && <p role="alert">{error}</p>}
        <div className="row" style={{ justifyContent: 'flex-end' }}>
          <Button onClick={close}>Keep the plan</Button>
          <Button variant="filled" disabled={text.trim() === ''} loading={busy} onClick={() => void take()}>
            Use the file
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
