import type { PlanSentence } from './plan-words.js';
import classes from './plan.module.css';

/** What a plan does, a line for each part of it. */
export function Sentences({ sentences }: { sentences: readonly PlanSentence[] }) {
  return (
    <dl className={classes.sentences}>
      {sentences.map(({ about, text, heed }) => (
        <div key={about} data-heed={heed || undefined}>
          <dt>{about}</dt>
          <dd>
            {heed && <span aria-hidden>⚠ </span>}
            {text}
          </dd>
        </div>
      ))}
    </dl>
  );
}
