/** Plain thresholds beside the brake's own test. */
import { NumberField, ShareField } from './fields.js';
import { usePlanDesk } from './plan-context.js';
import classes from './new-campaign.module.css';

const MOST = 8;

export function ThresholdsForm() {
  const { form, replace } = usePlanDesk();
  const { thresholds } = form.policy.brake;
  const put = (next: typeof thresholds) =>
    replace({ ...form, policy: { ...form.policy, brake: { ...form.policy.brake, thresholds: next } } });
  return (
    <div className="stack">
      {thresholds.map((_, index) => (
        <div key={index} className={classes.grid} role="group" aria-label={`Threshold ${index + 1}`}>
          <NumberField path={`policy.brake.thresholds[${index}].minTried`} label="After so many tried" />
          <ShareField path={`policy.brake.thresholds[${index}].maxFailureShare`} label="halts above" />
          <button
            type="button"
            className="plain-button"
            onClick={() => put(thresholds.filter((_, at) => at !== index))}
          >
            Remove threshold {index + 1}
          </button>
        </div>
      ))}
      {thresholds.length < MOST && (
        <button
          type="button"
          className="plain-button"
          onClick={() => put([...thresholds, { minTried: 20, maxFailureShare: 0.1 }])}
        >
          Add a plain threshold
        </button>
      )}
    </div>
  );
}
