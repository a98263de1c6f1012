/** States as chips: a press wants one, with Alt it is left out; pressed again it goes. The filter in the bar says the same. */
import { CAMPAIGN_STATES } from '@drydock/contracts';
import type { MouseEvent } from 'react';
import { hasChip, pressChip } from '../../pieces/filter-text.js';
import { campaignLook, StateMark } from '../../pieces/state-mark.js';
import classes from './campaigns-page.module.css';

export function StateChips({ filter, change }: { filter: string; change: (filter: string) => void }) {
  return (
    <div className={`row ${classes.chips}`} role="group" aria-label="State; with Alt a press leaves it out">
      <button type="button" className={classes.chip} aria-pressed={filter === ''} onClick={() => change('')}>
        all
      </button>
      <Chip filter={filter} change={change} field="live" value="true" label="live" />
      {CAMPAIGN_STATES.map((state) => (
        <Chip key={state} filter={filter} change={change} field="state" value={state} />
      ))}
    </div>
  );
}

interface ChipProps {
  readonly filter: string;
  readonly change: (filter: string) => void;
  readonly field: 'state' | 'live';
  readonly value: string;
  readonly label?: string;
}

function Chip({ filter, change, field, value, label }: ChipProps) {
  const isOut = hasChip(filter, field, value, true);
  const press = (event: MouseEvent) => change(pressChip(filter, field, value, event.altKey));
  const look = CAMPAIGN_STATES.find((state) => state === value);
  return (
    <button
      type="button"
      className={classes.chip}
      aria-pressed={hasChip(filter, field, value, false)}
      data-out={isOut || undefined}
      title="Alt and a press leaves it out"
      onClick={press}
    >
      {look === undefined ? label : <StateMark look={campaignLook(look)} />}
      {isOut && <span className="sr-only"> left out</span>}
    </button>
  );
}
