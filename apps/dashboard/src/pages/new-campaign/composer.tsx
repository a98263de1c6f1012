/** The plan while it is written: its fields, what is said against it, who it would take, and where it is kept. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import { Conflict } from '../../pieces/conflict.js';
import { planConflict } from '../../plan/plan-conflict.js';
import { PageHead } from '../../app/page-head.js';
import { useKeys } from '../../app/keys.js';
import { clock } from '../../format/times.js';
import { errorSentence } from '../../data/api.js';
import { artifactById, type Artifact } from '../../data/artifacts.js';
import { Note } from '../../pieces/note.js';
import { PlanDeskProvider, type PlanDesk } from './plan-context.js';
import { faultsOf, ownFaults, stepOf, withValue, type Fault, type PlanForm } from './plan-form.js';
import { PlanAside } from './plan-aside.js';
import { STEP_NAMES, STEPS, type Step } from './steps.js';
import { HowStep } from './step-how.js';
import { RehearseStep } from './step-rehearse.js';
import { ReviewStep } from './step-review.js';
import { WhatStep } from './step-what.js';
import { WhichStep } from './step-which.js';
import type { Beginning } from './use-beginning.js';
import { useDraft, type DraftKeeper } from './use-draft.js';
import { usePreview } from './use-preview.js';
import classes from './new-campaign.module.css';

const route = getRouteApi('/campaigns/new');

export function Composer({ beginning, onKept }: { beginning: Beginning; onKept: (id: string) => void }) {
  const step = route.useSearch({ select: (search) => search.step }) ?? 'what';
  const navigate = route.useNavigate();
  const [form, setForm] = useState<PlanForm>(beginning.form);
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  // Rises when another plan is put in the place of this one: fields forget what was typed.
  const [epoch, setEpoch] = useState(0);
  const artifact = useArtifact(form.artifactId);
  const unread = useMemo(() => Object.entries(texts).map(([path, message]): Fault => ({ path, message })), [texts]);
  const preview = usePreview(form, unread.length === 0);
  const own = useMemo(() => ownFaults(form), [form]);
  const served = useMemo(() => faultsOf(preview.error) ?? [], [preview.error]);
  const draft = useDraft(form, beginning.saved, own.length + unread.length === 0 && preview.isFresh, onKept);
  const faults = useMemo(
    () => unique([...unread, ...own, ...served, ...draft.faults]),
    [unread, own, served, draft.faults],
  );

  const set = useCallback((path: string, value: unknown) => setForm((before) => withValue(before, path, value)), []);
  const replace = useCallback((next: PlanForm) => {
    setForm(next);
    setTexts({});
    setEpoch((n) => n + 1);
  }, []);
  const noteText = useCallback((path: string, message: string | undefined) => {
    setTexts((before) => {
      if (before[path] === message) return before;
      const { [path]: _, ...rest } = before;
      return message === undefined ? rest : { ...rest, [path]: message };
    });
  }, []);
  const desk: PlanDesk = {
    form,
    artifact,
    set,
    replace,
    noteText,
    faults,
    preview: preview.preview,
    isOld: !preview.isFresh,
    previewError: preview.error,
  };
  const at = STEPS.indexOf(step);
  const go = (to: Step) => void navigate({ search: (before) => ({ ...before, step: to }) });
  useKeys([
    { keys: '[', does: 'step before', act: () => STEPS[at - 1] && go(STEPS[at - 1]!) },
    { keys: ']', does: 'next step', act: () => STEPS[at + 1] && go(STEPS[at + 1]!) },
  ]);
  return (
    <PlanDeskProvider value={desk}>
      <PageHead
        title={form.name === '' ? 'New campaign' : `New campaign ${form.name}`}
        crumbs={[{ to: '/campaigns', label: 'Campaigns' }]}
        aside={<Kept draft={draft} faults={faults.length} />}
      />
      <Steps step={step} faults={faults} />
      {beginning.origin !== undefined && step === 'what' && <p className="muted">{beginning.origin}</p>}
      {beginning.sentBack !== undefined && (
        <Note>
          <p>
            Sent back by {beginning.sentBack.by}: “{beginning.sentBack.reason}”
          </p>
        </Note>
      )}
      {draft.isConflict && (
        <Conflict
          subject={planConflict(
            draft.saved!.id,
            () => form,
            () => Promise.resolve(),
          )}
          onTop="Apply mine on top"
          apply={() => draft.save({ onTop: true })}
        />
      )}
      <div className={classes.desk} data-wide={step === 'review' || step === 'rehearse' || undefined}>
        <div className="stack" style={{ gap: 16 }} key={epoch}>
          {step === 'what' && <WhatStep />}
          {step === 'which' && <WhichStep />}
          {step === 'how' && <HowStep />}
          {step === 'rehearse' && <RehearseStep />}
          {step === 'review' && <ReviewStep draft={draft} />}
          {step !== 'review' && (
            <div className="row spread">
              {STEPS[at - 1] ? (
                <Link
                  to="/campaigns/new"
                  search={(before) => ({ ...before, step: STEPS[at - 1] })}
                  className={classes.go}
                >
                  ← {STEP_NAMES[STEPS[at - 1]!]}
                </Link>
              ) : (
                <span />
              )}
              <Link
                to="/campaigns/new"
                search={(before) => ({ ...before, step: STEPS[at + 1] })}
                className={classes.go}
                data-next
              >
                {STEP_NAMES[STEPS[at + 1]!]} →
              </Link>
            </div>
          )}
        </div>
        {step !== 'review' && step !== 'rehearse' && <PlanAside step={step} />}
      </div>
    </PlanDeskProvider>
  );
}

function useArtifact(id: string): Artifact | undefined {
  return useQuery({ queryKey: ['artifact', id], queryFn: () => artifactById(id), enabled: id !== '' }).data;
}

/** Each place once: what was seen first is said. */
function unique(faults: readonly Fault[]): Fault[] {
  const said = new Set<string>();
  return faults.filter(({ path, message }) => {
    const key = `${path} ${message}`;
    return !said.has(key) && said.add(key);
  });
}

function Steps({ step, faults }: { step: Step; faults: readonly Fault[] }) {
  return (
    <nav aria-label="Steps">
      <ol className={classes.steps}>
        {STEPS.map((each, index) => {
          const wrong = faults.filter(({ path }) => stepOf(path) === each).length;
          const judged = each !== 'rehearse' && each !== 'review';
          return (
            <li key={each} aria-current={each === step ? 'step' : undefined}>
              <Link to="/campaigns/new" search={(before) => ({ ...before, step: each })} className={classes.step}>
                <span className="muted">{index + 1}</span> {STEP_NAMES[each]}
                {judged && (
                  <span className={wrong > 0 ? classes.stepWrong : classes.stepGood}>
                    <span aria-hidden>{wrong > 0 ? ` ! ${wrong}` : ' ✓'}</span>
                    <span className="sr-only">{wrong > 0 ? `, ${wrong} to mend` : ', nothing to mend'}</span>
                  </span>
                )}
              </Link>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** Whether what is on screen is kept. */
function Kept({ draft, faults }: { draft: DraftKeeper; faults: number }) {
  const words = draft.isSaving
    ? 'saving the draft'
    : faults > 0 && draft.isDirty
      ? `not saved: ${faults} to mend`
      : draft.error !== undefined
        ? `not saved: ${errorSentence(draft.error)}`
        : draft.isDirty
          ? 'not saved yet'
          : draft.saved === undefined
            ? ''
            : draft.saved.atMs === undefined
              ? 'draft, as saved'
              : `draft saved ${clock(draft.saved.atMs)}`;
  return <span className="small muted">{words}</span>;
}
