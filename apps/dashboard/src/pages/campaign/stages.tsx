import type { Campaign } from '@drydock/contracts';
import { count } from '../../format/numbers.js';
import { StageBar } from '../../pieces/stage-bar.js';
import { stageLook, StateMark } from '../../pieces/state-mark.js';
import classes from './campaign.module.css';

export function Stages({ campaign }: { campaign: Campaign }) {
  return (
    <section aria-labelledby="stages" className="stack">
      <h2 id="stages">Stages</h2>
      <ol className={classes.stages}>
        {campaign.stages.map((stage) => (
          <li key={stage.index} className={classes.stage}>
            <h3>
              {stage.index + 1} {stage.name} <span className="muted">· {count(stage.size)}</span>
            </h3>
            <StateMark look={stageLook(stage.state)} />
            <StageBar sums={stage.sums} name={stage.name} />
          </li>
        ))}
      </ol>
    </section>
  );
}
