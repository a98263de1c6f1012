/** Stages side by side, each as wide as the others, with the lines of its gate. */
import type { Campaign } from '@drydock/contracts';
import { Button } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useKeys } from '../../app/keys.js';
import { count, limit } from '../../format/numbers.js';
import { duration } from '../../format/times.js';
import { useServerNow } from '../../live/use-live.js';
import { Allowed } from '../../pieces/page-state.js';
import { StageBar } from '../../pieces/stage-bar.js';
import { stageLook, StateMark } from '../../pieces/state-mark.js';
import { useMayDo } from '../../session/use-session.js';
import classes from './campaign.module.css';
import { ApproveStageDialog } from './dialogs/approve-dialog.js';
import { GATE_MARKS, gateSentence } from './gate-words.js';

const route = getRouteApi('/campaigns/$name');
type Stage = Campaign['stages'][number];

export function Stages({ campaign }: { campaign: Campaign }) {
  const { stage } = route.useSearch();
  const navigate = route.useNavigate();
  const [approving, setApproving] = useState<number>();
  const chosen = stage === undefined ? undefined : Number(stage) - 1;
  const choose = (index: number | undefined) =>
    void navigate({
      search: (before) => ({ ...before, stage: index === undefined ? undefined : String(index + 1) }),
      replace: true,
      resetScroll: false,
    });
  const step = (by: number) => {
    const next = (chosen ?? (by > 0 ? -1 : campaign.stages.length)) + by;
    choose(next < 0 || next >= campaign.stages.length ? undefined : next);
  };
  useKeys([
    { keys: ']', does: 'next stage', act: () => step(1) },
    { keys: '[', does: 'stage before', act: () => step(-1) },
  ]);
  return (
    <section aria-labelledby="stages" className="stack">
      <h2 id="stages">Stages</h2>
      <ol className={classes.stages} data-many={campaign.stages.length > 4 || undefined}>
        {campaign.stages.map((each) => (
          <StageCard
            key={each.index}
            stage={each}
            chosen={each.index === chosen}
            choose={() => choose(each.index === chosen ? undefined : each.index)}
            review={() => setApproving(each.index)}
          />
        ))}
      </ol>
      {approving !== undefined && (
        <ApproveStageDialog campaign={campaign} index={approving} close={() => setApproving(undefined)} />
      )}
    </section>
  );
}

interface CardProps {
  readonly stage: Stage;
  readonly chosen: boolean;
  readonly choose: () => void;
  readonly review: () => void;
}

function StageCard({ stage, chosen, choose, review }: CardProps) {
  const now = useServerNow(10_000);
  const approver = useMayDo('approver');
  const wantsApproval = stage.gateLines.some((line) => line.rule === 'approval' && line.state === 'counting');
  const openFor =
    stage.state === 'open' && stage.openedAt !== null ? ` for ${duration(now - Date.parse(stage.openedAt))}` : '';
  return (
    <li className={classes.stage} data-chosen={chosen || undefined}>
      <h3>
        <button type="button" className={`plain-button ${classes.stageName}`} aria-pressed={chosen} onClick={choose}>
          {stage.index + 1} {stage.name} <span className="muted">· {stageSize(stage)}</span>
        </button>
      </h3>
      <span>
        <StateMark look={stageLook(stage.state)} />
        {openFor}
      </span>
      <StageBar parts={stage.parts} name={`${stage.index + 1} ${stage.name}`} />
      <ul className={classes.gate}>
        {stage.gateLines.map((line) => (
          <li key={line.rule} data-state={line.state}>
            <span aria-hidden className={classes.gateMark}>
              {GATE_MARKS[line.state]}
            </span>
            <span className="sr-only">{line.state}: </span>
            {gateSentence(line, now)}
          </li>
        ))}
        {stage.gateLines.length === 0 && stage.state === 'pending' && (
          <li>
            <span className={classes.gateMark} aria-hidden>
              ○
            </span>
            opens when {stage.index === 0 ? 'the campaign starts' : `${stage.index} passes`}
          </li>
        )}
      </ul>
      {stage.note !== null && (stage.state === 'held' || stage.state === 'failed') && (
        <p className="small">{stage.note}</p>
      )}
      {wantsApproval && (
        <span>
          <Allowed why={approver.why}>
            {(disabled) => (
              <Button disabled={disabled} onClick={review}>
                ◇ Review gate
              </Button>
            )}
          </Allowed>
        </span>
      )}
    </li>
  );
}

function stageSize(stage: Stage): string {
  if (stage.size !== null) return count(stage.size);
  if (stage.count !== null) return count(stage.count);
  return stage.percent !== null ? limit(stage.percent / 100) : 'what is left';
}
