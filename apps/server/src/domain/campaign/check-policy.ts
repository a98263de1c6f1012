/** What a policy may say, beyond its form. Each refusal names the place and the mend. */
import type { Policy, Selector } from '@drydock/contracts';
import { canBeProven } from '../deployment/proof.js';
import type { ArtifactProof } from '../deployment/deployment.js';

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
  const sum = policy.stages.reduce((total, stage) => total + stage.percent, 0);
  if (Math.abs(sum - 100) > SHARE_TOLERANCE) {
    faults.push({
      path: 'policy.stages',
      message: `The percents add up to ${round(sum)}, not to 100. Set the last stage to ${round(
        Math.max(0, 100 - sum + policy.stages.at(-1)!.percent),
      )}, or add a stage for the rest.`,
    });
  }
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
