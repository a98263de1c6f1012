/** The corner lamp: how old what one sees is. */
import { clock, duration } from '../format/times.js';
import { useLiveness } from '../live/use-live.js';
import classes from './shell.module.css';

export function Lamp() {
  const liveness = useLiveness();
  const [mark, words] =
    liveness.kind === 'away'
      ? ['○', away(liveness.sinceMs)]
      : liveness.kind === 'old'
        ? ['◐', `${duration(liveness.ageMs)} old`]
        : ['●', `live ${duration(liveness.ageMs)}`];
  const title =
    liveness.kind === 'live'
      ? 'Age of the newest counters that the server has told'
      : 'What you press acts on the server, not on what you see.';
  return (
    <span className={classes.lamp} data-kind={liveness.kind} title={title}>
      <span aria-hidden className={classes.mark}>
        {mark}
      </span>
      {words}
    </span>
  );
}

function away(sinceMs: number | undefined): string {
  return sinceMs === undefined ? 'connecting' : `not connected since ${clock(sinceMs, { seconds: true })}`;
}
