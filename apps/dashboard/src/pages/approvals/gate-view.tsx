/** What came of a stage, as its gate sees it. */
import type { Campaign, StageBody } from '@drydock/contracts';
import { Link } from '@tanstack/react-router';
import { useServerNow } from '../../live/use-live.js';
import { StageBar } from '../../pieces/stage-bar.js';
import { ThreeShareBar } from '../../pieces/three-share-bar.js';
import { GATE_MARKS, gateSentence } from '../campaign/gate-words.js';
import classes from './approvals.module.css';

export function GateView({ campaign, stage }: { campaign: Campaign; stage: StageBody | undefined }) {
  const now = useServerNow(10_000);
  if (!stage) return null;
  const next = campaign.stages[stage.index + 1];
  return (
    <>
      <p className={classes.answer}>
        Stage {stage.index + 1} {stage.name} {stage.note === null ? 'is held' : stage.note}.{' '}
        {next ? `With your approval stage ${next.index + 1} ${next.name} opens.` : ''}
      </p>
      <ThreeShareBar shares={stage.shares} parts={stage.parts} of={`stage ${stage.index + 1}`} />
      <StageBar parts={stage.parts} name={stage.name} />
      <ul className={classes.gate} aria-label="Gate">
        {stage.gateLines.map((line) => (
          <li key={line.rule}>
            <span aria-hidden>{GATE_MARKS[line.state]} </span>
            {gateSentence(line, now)}
          </li>
        ))}
      </ul>
      <p>
        <Link to="/campaigns/$name" params={{ name: campaign.name }} search={{}}>
          Open the campaign
        </Link>
      </p>
    </>
  );
}
