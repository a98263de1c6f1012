/** Everything once more in sentences, the same as a file beside it; then it is started, or asked for. */
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { changing } from '../../data/api.js';
import { count, counted } from '../../format/numbers.js';
import { ConfirmDialog } from '../../pieces/confirm-dialog.js';
import { command } from '../../pieces/copy-button.js';
import { planSentences, selectorWords } from '../../plan/plan-words.js';
import { Sentences } from '../../plan/sentences.js';
import { FaultList, Warnings } from './plan-aside.js';
import { usePlanDesk } from './plan-context.js';
import type { DraftKeeper } from './use-draft.js';
import classes from './new-campaign.module.css';

const PlanYaml = lazy(() => import('./plan-yaml.js'));
const URGENT_APPROVALS = 2;

export function ReviewStep({ draft }: { draft: DraftKeeper }) {
  const { form, artifact, faults, preview, isOld } = usePlanDesk();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [starts, setStarts] = useState(false);
  const needed = form.policy.urgent ? Math.max(URGENT_APPROVALS, form.policy.approvals) : form.policy.approvals;
  const members = preview?.members;
  const nobody = members === 0 && form.policy.membership === 'frozen';
  const stops = faults.length > 0 || preview === undefined || isOld || nobody;
  const start = async (reason: string) => {
    const { id } = await draft.save();
    const campaign = await answerOf(
      changing.POST('/api/v1/campaigns/{id}/start', {
        params: { path: { id } },
        body: reason === '' ? {} : { reason },
      }),
    );
    await client.invalidateQueries({ queryKey: ['campaigns'] });
    void client.invalidateQueries({ queryKey: ['approvals'] });
    void navigate({ to: '/campaigns/$name', params: { name: campaign.name }, search: {} });
  };
  const where = selectorWords(form.selector);
  return (
    <>
      <FaultList step="review" />
      <div className={classes.review}>
        <section className="stack" aria-labelledby="in-words" style={{ gap: 12 }}>
          <h2 id="in-words">In words</h2>
          <Sentences
            sentences={[
              {
                about: 'What',
                text: artifact
                  ? `${artifact.model} ${artifact.version}, ${artifact.fileName} (${artifact.sha256.slice(0, 12)}).`
                  : 'No artifact is chosen.',
              },
              {
                about: 'Which',
                text: `${members === undefined ? 'Not counted yet' : counted(members, 'device')}${form.selector.filter ? `, those that match ${form.selector.filter}` : where.length === 0 ? `, all of the model that can take it` : ''}${where.length > 0 ? `; only ${where.join(', ')}` : ''}.`,
              },
              ...planSentences(form.policy, {
                sizes: preview?.stages.map(({ size }) => size),
                staircase: preview?.staircase,
              }),
            ]}
          />
          {preview && <Warnings preview={preview} />}
          <p className="muted">
            <Link to="/campaigns/new" search={(before) => ({ ...before, step: 'rehearse' })}>
              The rehearsal
            </Link>{' '}
            says when it would end, and what a bad firmware would cost.
          </p>
        </section>
        <section className="stack" aria-labelledby="as-file">
          <h2 id="as-file">As a file</h2>
          <Suspense fallback={<div aria-busy style={{ minHeight: 200 }} />}>
            <PlanYaml />
          </Suspense>
        </section>
      </div>
      <div className={classes.end}>
        <Button
          loading={draft.isSaving}
          disabled={faults.length > 0 || !draft.isDirty}
          onClick={() => void draft.save().catch(() => undefined)}
        >
          Save draft
        </Button>
        <Button variant="filled" disabled={stops} onClick={() => setStarts(true)}>
          {needed > 0 ? 'Ask for approval →' : 'Start…'}
        </Button>
        {nobody && <span className="muted">No device takes it.</span>}
      </div>
      {starts && (
        <ConfirmDialog
          title={needed > 0 ? `Ask for approval of ${form.name}?` : `Start ${form.name}?`}
          verb={needed > 0 ? 'Ask for approval' : 'Start now'}
          keep="Not yet"
          close={() => setStarts(false)}
          act={start}
          reason="optional"
          command={command('campaign', 'start', form.name)}
        >
          <p>
            <strong>{count(members)}</strong> devices take {artifact?.model} {artifact?.version} now
            {preview?.stages[0] &&
              `; stage ${preview.stages[0].name} begins with ${counted(preview.stages[0].size, 'device')}`}
            .
          </p>
          <p>
            {needed > 0
              ? `Nothing starts until ${needed === 1 ? 'another person has' : `${needed} other people have`} approved exactly this plan.`
              : 'It can be paused at any time; what has been granted by then may still start.'}
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
