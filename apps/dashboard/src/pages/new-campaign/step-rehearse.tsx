/** The plan played in virtual time by the engine's own rules, and what it changes against the last one. Nothing is started. */
import { answerOf } from '@drydock/api-client';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { changing } from '../../data/api.js';
import { Part } from '../../pieces/page-state.js';
import { PlanDiff } from '../../plan/plan-diff.js';
import { RehearsalView } from '../../plan/rehearsal-view.js';
import { FaultList, Takes, Warnings } from './plan-aside.js';
import { usePlanDesk } from './plan-context.js';
import type { PlanForm } from './plan-form.js';

export function RehearseStep() {
  const { form, faults, preview, isOld } = usePlanDesk();
  const ready = faults.length === 0 && form.artifactId !== '' && preview !== undefined;
  return (
    <>
      <FaultList step="rehearse" />
      {preview && (
        <section className="stack" aria-label="What it would take">
          <Takes preview={preview} isOld={isOld} />
          <Warnings preview={preview} />
        </section>
      )}
      {ready ? (
        preview.members === 0 ? (
          <p className="muted">No device takes it: there is nothing to rehearse.</p>
        ) : (
          <Rehearsed form={form} />
        )
      ) : (
        <p className="muted">It can be rehearsed when nothing is left to mend.</p>
      )}
      {ready && <DiffPanel form={form} />}
    </>
  );
}

function Rehearsed({ form }: { form: PlanForm }) {
  // A name that is taken is no reason not to play.
  const draft = { ...form, name: 'rehearsal', note: '' };
  const rehearsal = useQuery({
    queryKey: ['rehearsal', JSON.stringify(draft)],
    queryFn: () => answerOf(changing.POST('/api/v1/campaigns/rehearsal', { body: { draft } })),
    staleTime: 5 * 60_000,
    refetchInterval: false,
  });
  const startMs = Math.max(rehearsal.data?.atMs ?? 0, Date.parse(form.policy.startAt ?? '') || 0);
  return (
    <section className="panel stack" aria-labelledby="rehearsal">
      <header>
        <h2 id="rehearsal">Rehearsal</h2>
        <Button loading={rehearsal.isFetching} onClick={() => void rehearsal.refetch()}>
          Play again
        </Button>
      </header>
      <Part query={rehearsal}>{(answer) => <RehearsalView rehearsal={answer} startMs={startMs} />}</Part>
    </section>
  );
}

/** Against the last campaign of the model. */
export function DiffPanel({ form }: { form: PlanForm }) {
  const draft = { ...form, name: 'diff', note: '' };
  const diff = useQuery({
    queryKey: ['plan-diff', JSON.stringify(draft)],
    queryFn: () => answerOf(changing.POST('/api/v1/campaigns/diff', { body: { draft } })),
  });
  return (
    <section className="panel" aria-labelledby="diff">
      <header>
        <h2 id="diff">Against the model’s last campaign</h2>
      </header>
      <Part query={diff}>{(answer) => <PlanDiff diff={answer} />}</Part>
    </section>
  );
}
