/** What is allowed and yet likely to be regretted: said before the start, each with its mend. */
import type { PlanWarning, Policy } from '@drydock/contracts';

export interface PlanFacts {
  /** Planned members of each stage. */
  readonly sizes: readonly number[];
  /** Middle time of a proven update of the model, first touch to end; null where none is known. */
  readonly medianUpdateMs: number | null;
  /** Failed among known devices of the model's past campaigns. */
  readonly past: { readonly failed: number; readonly known: number };
  /** Running versions of which no device is in the first stage. */
  readonly strataWithoutCanary: readonly string[];
  /** Members last seen more than a week ago. */
  readonly longUnseen: number;
  /** People who may approve, whoever asks for it left out; and the approvals wanted. */
  readonly approvals: { readonly needed: number; readonly people: number };
}

/** A gate that wants more than this share of its stage is shut for ever by one lost device in a small one. */
const MOST_NEEDED = 0.95;
/** Fewer known results than this say nothing of a usual share. */
const LEAST_PAST = 50;
const DAY_MS = 86_400_000;
const NAMED = 5;

export function planWarnings(policy: Policy, facts: PlanFacts): PlanWarning[] {
  const warnings: PlanWarning[] = [];
  policy.stages.forEach((stage, index) => {
    const size = facts.sizes[index] ?? 0;
    const last = index === policy.stages.length - 1;
    if (last || size === 0 || stage.gate.minKnown <= MOST_NEEDED * size) return;
    const most = Math.max(1, Math.floor(MOST_NEEDED * size));
    warnings.push({
      code: 'gate.needs-nearly-all',
      path: `policy.stages[${index}].gate.minKnown`,
      params: { stage: stage.name, needed: stage.gate.minKnown, size },
      sentence: `Stage ${stage.name} has ${size} devices and its gate wants ${stage.gate.minKnown} results: a lost device can keep it shut for ever.`,
      mend: most < stage.gate.minKnown ? `Ask for ${most} or fewer.` : 'Make the stage larger.',
    });
  });
  const { medianUpdateMs, past } = facts;
  if (medianUpdateMs !== null && !policy.urgent) {
    policy.windows.forEach((window, index) => {
      if (window.durationMs >= medianUpdateMs) return;
      warnings.push({
        code: 'window.shorter-than-update',
        path: `policy.windows[${index}].durationMs`,
        params: { durationMs: window.durationMs, medianMs: Math.ceil(medianUpdateMs) },
        sentence: `The window lasts ${Math.floor(window.durationMs / 60_000)} minutes, and half of the updates of this model take longer.`,
        mend: `Let it last ${Math.ceil((2 * medianUpdateMs) / 60_000)} minutes or more.`,
      });
    });
  }
  const usual = past.known < LEAST_PAST ? null : past.failed / past.known;
  if (usual !== null && policy.brake.limit < usual) {
    warnings.push({
      code: 'limit.below-usual-share',
      path: 'policy.brake.limit',
      params: { limit: policy.brake.limit, usual },
      sentence: `The brake's limit of ${percent(policy.brake.limit)} is below what usually fails of this model: ${past.failed} of ${past.known} (${percent(usual)}).`,
      mend: `It will most likely halt. Raise the limit to ${percent(Math.min(0.5, 1.5 * usual))}, or find out first why so many fail.`,
    });
  }
  if (facts.strataWithoutCanary.length > 0) {
    const named = facts.strataWithoutCanary.slice(0, NAMED).map((version) => (version === '' ? 'not known' : version));
    const more = facts.strataWithoutCanary.length - named.length;
    warnings.push({
      code: 'canary.without-stratum',
      path: 'policy.stages[0]',
      params: { strata: facts.strataWithoutCanary.length },
      sentence: `No device that runs ${named.join(', ')}${more > 0 ? ` or ${more} more versions` : ''} is in the first stage.`,
      mend: 'Make the first stage larger; otherwise the first devices of those versions go one by one later.',
    });
  }
  const { needed, people } = facts.approvals;
  if (needed > people) {
    warnings.push({
      code: 'approvals.more-than-people',
      path: policy.urgent ? 'policy.urgent' : 'policy.approvals',
      params: { needed, people },
      sentence: `It wants ${needed} approvals, and ${people} other people may give one: it would wait for ever.`,
      mend: 'Give more people the role approver, or ask for fewer approvals.',
    });
  }
  if (facts.longUnseen > 0) {
    warnings.push({
      code: 'devices.long-unseen',
      path: 'selector',
      params: { devices: facts.longUnseen },
      sentence: `${facts.longUnseen} were last seen more than 7 days ago. They may end as lost.`,
      mend: `Leave them out with lastSeen<P7D, or accept that gates wait for them.`,
    });
  }
  return warnings;
}

/** From when on a device counts as long unseen. */
export const LONG_UNSEEN_MS = 7 * DAY_MS;

const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;
