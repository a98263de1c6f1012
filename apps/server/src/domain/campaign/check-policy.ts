/** What a policy may say, beyond its form. Each refusal names the place and the mend. */
import { type Policy, type Selector, canBeProven, type ArtifactProof } from '@drydock/contracts';

export interface PolicyFault {
  readonly path: string;
  readonly message: string;
}

const SHARE_TOLERANCE = 0.001;

export function checkPolicy(
  policy: Policy,
  selector: Selector,
  artifact: ArtifactProof & { readonly model: string },
): PolicyFault[] {
  const faults: PolicyFault[] = [];
  faults.push(...checkStageShares(policy));
  const names = new Map<string, number>();
  policy.stages.forEach((stage, index) => {
    const first = names.get(stage.name);
    if (first !== undefined) {
      faults.push({
        path: `policy.stages[${index}].name`,
        message: `Stage ${first} is called ${stage.name} too. Give every stage a name of its own.`,
      });
    }
    names.set(stage.name, index);
    if (stage.gate.soakMs >= stage.deadlineMs) {
      faults.push({
        path: `policy.stages[${index}].gate.soakMs`,
        message: `The stage is held after ${stage.deadlineMs} ms, before its soak of ${stage.gate.soakMs} ms can end. Shorten the soak or lengthen deadlineMs.`,
      });
    }
  });
  if (!policy.acceptUnproven && !canBeProven(artifact)) {
    faults.push({
      path: 'policy.acceptUnproven',
      message:
        'No device can be proven to run this artifact: it names no image hash, and its version is not readable or not unique for the model. Set acceptUnproven to true, or upload the artifact with a runningVersion of its own.',
    });
  }
  if (selector.models && !selector.models.includes(artifact.model)) {
    faults.push({
      path: 'selector.models',
      message: `The artifact is for ${artifact.model}. Add ${artifact.model} to the models, or leave them out.`,
    });
  }
  faults.push(...checkReach(policy));
  return faults;
}

/** All shares, adding up to 100; or numbers, filters and shares with a last stage that takes what is left. */
function checkStageShares(policy: Policy): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const last = policy.stages.length - 1;
  policy.stages.forEach((stage, index) => {
    const said = [stage.percent, stage.count, stage.filter].filter((value) => value !== undefined).length;
    if (said > 1) {
      faults.push({
        path: `policy.stages[${index}]`,
        message: `Stage ${stage.name} has more than one of percent, count and filter. Keep one.`,
      });
    }
    if (said === 0 && index < last) {
      faults.push({
        path: `policy.stages[${index}]`,
        message: `Stage ${stage.name} does not say who is in it. Give percent, count or filter; only the last stage may leave it out and take the rest.`,
      });
    }
  });
  if (faults.length > 0) return faults;
  const sum = policy.stages.reduce((total, stage) => total + (stage.percent ?? 0), 0);
  const final = policy.stages[last]!;
  if (policy.stages.every((stage) => stage.percent !== undefined)) {
    if (Math.abs(sum - 100) > SHARE_TOLERANCE) {
      faults.push({
        path: 'policy.stages',
        message: `The percents add up to ${round(sum)}, not to 100. Set the last stage to ${round(
          Math.max(0, 100 - sum + (final.percent ?? 0)),
        )}, or add a stage for the rest.`,
      });
    }
    return faults;
  }
  if (final.percent !== undefined || final.count !== undefined || final.filter !== undefined) {
    faults.push({
      path: `policy.stages[${last}]`,
      message: `Stages by number or filter leave a rest that nobody can know beforehand: the last stage, ${final.name}, must take it. Leave out its percent, count and filter.`,
    });
  }
  if (sum > 100) {
    faults.push({ path: 'policy.stages', message: `The percents add up to ${round(sum)}. Lower them to 100 or less.` });
  }
  return faults;
}

/** What a campaign can never reach or never leave, beyond its form. */
/** Whether pace, limits and brake leave anything to do. */
export function checkReach(policy: Policy): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const { limits, pace, brake } = policy;
  if (pace.maxPerMinute < pace.startPerMinute) {
    faults.push({
      path: 'policy.pace.maxPerMinute',
      message: `The pace begins at ${pace.startPerMinute} a minute and may not pass ${pace.maxPerMinute}. Raise maxPerMinute or lower startPerMinute.`,
    });
  }
  if (limits.unproven !== undefined && !policy.acceptUnproven) {
    faults.push({
      path: 'policy.limits.unproven',
      message: 'A limit on unproven results needs acceptUnproven. Set acceptUnproven to true, or leave the limit out.',
    });
  }
  policy.stages.forEach((stage, index) => {
    const { strata, minKnown } = stage.gate;
    if (stage.count !== undefined && minKnown > stage.count) {
      faults.push({
        path: `policy.stages[${index}].gate.minKnown`,
        message: `The gate of ${stage.name} wants ${minKnown} known results, but the stage has ${stage.count} device(s). Lower minKnown to ${stage.count} or raise count.`,
      });
    }
    if (stage.count !== undefined && Array.isArray(strata) && strata.length > stage.count && index === 0) {
      faults.push({
        path: `policy.stages[${index}].gate.strata`,
        message: `The gate wants ${strata.length} versions tried, but the stage has ${stage.count} device(s). Raise count or name fewer versions.`,
      });
    }
  });
  faults.push(...checkTime(policy));
  brake.thresholds.forEach((threshold, index) => {
    if (threshold.maxFailureShare < brake.limit) {
      faults.push({
        path: `policy.brake.thresholds[${index}].maxFailureShare`,
        message: `The threshold of ${threshold.maxFailureShare} lies below the brake's limit of ${brake.limit}: a campaign within its limit would halt. Raise it or lower the limit.`,
      });
    }
  });
  if (policy.urgent && policy.startAt !== undefined) {
    faults.push({ path: 'policy.startAt', message: 'An urgent campaign starts at once. Leave startAt out.' });
  }
  return faults;
}

/** Soaks follow each other, and so do the states of one update: neither may outlast what stands above it. */
function checkTime({ stages, timeouts, deadlineMs }: Policy): PolicyFault[] {
  const soakMs = stages.reduce((sum, stage) => sum + stage.gate.soakMs, 0);
  const updateMs = timeouts.transferMs + timeouts.activateMs + timeouts.proveMs;
  const faults: PolicyFault[] = [];
  if (soakMs >= deadlineMs) {
    faults.push({
      path: 'policy.deadlineMs',
      message: `The campaign is paused after ${deadlineMs} ms, before the soaks of its stages, ${soakMs} ms in all, can end. Lengthen deadlineMs or shorten the soaks.`,
    });
  }
  if (soakMs < deadlineMs && timeouts.transferMs >= deadlineMs) {
    faults.push({
      path: 'policy.timeouts.transferMs',
      message: `One transfer may take ${timeouts.transferMs} ms, and an update ${updateMs} ms, but the campaign is paused after ${deadlineMs} ms. Shorten transferMs or lengthen deadlineMs.`,
    });
  }
  return faults;
}

/** What can only be judged once the members are counted. @param sizes devices to be updated, by stage. */
export function checkStageSizes(policy: Policy, sizes: readonly number[]): PolicyFault[] {
  const faults: PolicyFault[] = [];
  policy.stages.forEach((stage, index) => {
    const size = sizes[index] ?? 0;
    if (size > 0 && stage.gate.minKnown > size) {
      faults.push({
        path: `policy.stages[${index}].gate.minKnown`,
        message: `The gate of ${stage.name} wants ${stage.gate.minKnown} known results, but the stage has ${size} device(s). Lower minKnown to ${size} or raise the percent.`,
      });
    }
  });
  return faults;
}

/**
 * Sizes of the stages, canary first: the cumulated shares are rounded up, so that the first stage is never
 * empty and no later one takes a place away.
 */
export function stageBounds(percents: readonly number[], members: number): number[] {
  const bounds: number[] = [];
  let share = 0;
  for (const [index, percent] of percents.entries()) {
    share += percent;
    const last = index === percents.length - 1;
    bounds.push(last ? members : Math.min(members, Math.ceil((share / 100) * members - 1e-9)));
  }
  return bounds;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
