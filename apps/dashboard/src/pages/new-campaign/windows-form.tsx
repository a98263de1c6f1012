/** Maintenance windows of the plan, by the clock of each site. */
import { Button } from '@mantine/core';
import type { MaintenanceWindow } from '@drydock/contracts';
import { ruleWords } from '../../plan/plan-words.js';
import { DurationField, TextField } from './fields.js';
import { faultAt, usePlanDesk } from './plan-context.js';
import classes from './new-campaign.module.css';

const MOST_WINDOWS = 16;
const HOUR = 3_600_000;

export function WindowsForm() {
  const { form, replace, faults } = usePlanDesk();
  const { windows, urgent } = form.policy;
  const put = (next: readonly MaintenanceWindow[]) =>
    replace({ ...form, policy: { ...form.policy, windows: [...next] } });
  const add = (rule: string, time: string, hours: number) =>
    put([...windows, { rule, from: `${today()}T${time}`, durationMs: hours * HOUR }]);
  const whole = faultAt(faults, 'policy.windows');
  return (
    <div className="stack">
      {windows.map((window, index) => (
        <fieldset key={index} className={classes.stage}>
          <legend>
            Window {index + 1}: {ruleWords(window.rule)}
          </legend>
          {faultAt(faults, `policy.windows[${index}]`) !== undefined && (
            <p className={classes.fault}>{faultAt(faults, `policy.windows[${index}]`)}</p>
          )}
          <div className={classes.grid}>
            <TextField path={`policy.windows[${index}].rule`} label="Rule (RFC 5545)" />
            <TextField path={`policy.windows[${index}].from`} label="First day and time" />
            <DurationField path={`policy.windows[${index}].durationMs`} label="Stays open for" />
          </div>
          <button type="button" className="plain-button" onClick={() => put(windows.filter((_, at) => at !== index))}>
            Remove window {index + 1}
          </button>
        </fieldset>
      ))}
      {whole !== undefined && <p className={classes.fault}>{whole}</p>}
      {urgent === undefined && (
        <div className="row">
          <span className="muted">Add a window:</span>
          <Button disabled={windows.length >= MOST_WINDOWS} onClick={() => add('FREQ=DAILY', '22:00', 6)}>
            every night, 22:00 for 6 h
          </Button>
          <Button disabled={windows.length >= MOST_WINDOWS} onClick={() => add('FREQ=WEEKLY;BYDAY=SA,SU', '00:00', 24)}>
            weekends
          </Button>
        </div>
      )}
    </div>
  );
}

/** The reader's day, as a window writes it. */
const today = (): string => new Intl.DateTimeFormat('en-CA', { dateStyle: 'short' }).format(Date.now());
