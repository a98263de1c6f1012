/** The stages of the plan: how many devices each takes, and what its gate wants. */
import { Button, NativeSelect } from '@mantine/core';
import type { StagePolicy } from '@drydock/contracts';
import { counted } from '../../format/numbers.js';
import { stageWords } from '../../plan/plan-words.js';
import { DurationField, NumberField, ShareField, TextField, TickField } from './fields.js';
import { faultAt, usePlanDesk } from './plan-context.js';
import { restStage } from './plan-form.js';
import classes from './new-campaign.module.css';

const MOST_STAGES = 32;

export function StagesForm() {
  const { form, preview, replace, faults } = usePlanDesk();
  const { stages } = form.policy;
  const put = (next: readonly StagePolicy[]) => replace({ ...form, policy: { ...form.policy, stages: [...next] } });
  const add = () => {
    const last = stages.at(-1)!;
    const made: StagePolicy = { ...last, name: freshName(stages), percent: undefined, count: undefined };
    // The new one goes before the last, which takes what is left.
    put([...stages.slice(0, -1), { ...made, count: 10 }, restStage(last)].map(clean));
  };
  const whole = faultAt(faults, 'policy.stages');
  return (
    <div className="stack" style={{ gap: 12 }}>
      {stages.map((stage, index) => {
        const isLast = index === stages.length - 1;
        const path = `policy.stages[${index}]`;
        const own = faultAt(faults, path);
        return (
          <fieldset key={index} className={classes.stage}>
            <legend>
              Stage {index + 1} {stage.name}
            </legend>
            <p className={classes.says}>{sentence(stageWords(stage, isLast, preview?.stages[index]?.size))}</p>
            {own !== undefined && <p className={classes.fault}>{own}</p>}
            <div className={classes.grid}>
              <TextField path={`${path}.name`} label="Name" />
              <TakeField index={index} isLast={isLast} />
              {stage.percent !== undefined && <NumberField path={`${path}.percent`} label="Percent of the devices" />}
              {stage.count !== undefined && <NumberField path={`${path}.count`} label="Devices" />}
              {stage.filter !== undefined && <TextField path={`${path}.filter`} label="Members that match" />}
              <DurationField path={`${path}.deadlineMs`} label="Held for a person after" />
            </div>
            {!isLast && (
              <div className={classes.grid} role="group" aria-label={`Gate of stage ${index + 1}`}>
                <NumberField path={`${path}.gate.minKnown`} label="Known results, at least" />
                <ShareField path={`${path}.gate.maxFailureShare`} label="Failure share, at most" />
                <DurationField path={`${path}.gate.soakMs`} label="Watched for" />
                <div className="stack" style={{ alignSelf: 'end' }}>
                  <TickField path={`${path}.gate.approval`} label="A person approves" />
                  <EveryVersion index={index} />
                </div>
              </div>
            )}
            {stages.length > 1 && (
              <button
                type="button"
                className="plain-button"
                onClick={() => put(stages.filter((_, at) => at !== index).map(clean))}
              >
                Remove stage {index + 1}
              </button>
            )}
          </fieldset>
        );
      })}
      {whole !== undefined && (
        <p className={classes.fault} role="alert">
          {whole}
        </p>
      )}
      <div className="row">
        <Button onClick={add} disabled={stages.length >= MOST_STAGES}>
          Add a stage
        </Button>
        <span className="muted small">{counted(stages.length, 'stage')}; the last takes what is left</span>
      </div>
    </div>
  );
}

function TakeField({ index, isLast }: { index: number; isLast: boolean }) {
  const { form, replace, faults } = usePlanDesk();
  const { stages } = form.policy;
  const stage = stages[index]!;
  const kind =
    stage.count !== undefined
      ? 'count'
      : stage.filter !== undefined
        ? 'filter'
        : stage.percent !== undefined
          ? 'percent'
          : 'rest';
  const choose = (next: string) => {
    const { percent: _, count: __, filter: ___, ...other } = stage;
    const made: StagePolicy = {
      ...other,
      ...(next === 'percent' && { percent: 5 }),
      ...(next === 'count' && { count: 10 }),
      ...(next === 'filter' && { filter: '' }),
    };
    replace({
      ...form,
      policy: { ...form.policy, stages: stages.map((one, at) => (at === index ? made : one)).map(clean) },
    });
  };
  return (
    <NativeSelect
      label="Takes"
      value={kind}
      onChange={(event) => choose(event.currentTarget.value)}
      error={faultAt(faults, `policy.stages[${index}].percent`) === undefined ? undefined : ' '}
      data={[
        ...(isLast || kind === 'rest' ? [{ value: 'rest', label: 'what is left' }] : []),
        { value: 'percent', label: 'a percentage' },
        { value: 'count', label: 'a number' },
        { value: 'filter', label: 'those that match' },
      ]}
      className={classes.field}
    />
  );
}

function EveryVersion({ index }: { index: number }) {
  const { form, set } = usePlanDesk();
  const { strata } = form.policy.stages[index]!.gate;
  if (Array.isArray(strata)) return <span className="small muted">tried: {strata.join(', ')}</span>;
  return (
    <label className={classes.tick}>
      <input
        type="checkbox"
        checked={strata === 'all'}
        onChange={(event) =>
          set(`policy.stages[${index}].gate.strata`, event.currentTarget.checked ? 'all' : undefined)
        }
      />{' '}
      Every version was tried
    </label>
  );
}

/** No key that holds nothing; shares that end with a share less take what is left. */
function clean(stage: StagePolicy, index: number, all: readonly StagePolicy[]): StagePolicy {
  const kept = Object.fromEntries(Object.entries(stage).filter(([, value]) => value !== undefined)) as StagePolicy;
  return index === all.length - 1 && kept.filter === undefined ? restStage(kept) : kept;
}

function freshName(stages: readonly StagePolicy[]): string {
  for (let n = stages.length; ; n++) if (!stages.some(({ name }) => name === `stage-${n}`)) return `stage-${n}`;
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
