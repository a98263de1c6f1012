/** A plan in sentences, as it is read before it is pressed. Numbers are those of the plan; sizes those that the server planned. */
import type { CampaignPreview, Gate, Policy, Selector, StagePolicy } from '@drydock/contracts';
import { count, counted, limit } from '../format/numbers.js';
import { duration } from '../format/times.js';

export interface PlanSentence {
  readonly about: string;
  readonly text: string;
  /** Something that a person should stop at: a rule that is set aside. */
  readonly heed?: boolean;
}

/** What opens the next stage. */
export function gateWords(gate: Gate): string {
  const conditions = [
    `${counted(gate.minKnown, 'device')} ${gate.minKnown === 1 ? 'has' : 'have'} a known result`,
    gate.maxFailureShare === 1 ? '' : `at most ${limit(gate.maxFailureShare)} of them failed`,
    gate.strata === undefined
      ? ''
      : gate.strata === 'all'
        ? 'every version was tried'
        : `${gate.strata.join(', ')} ${gate.strata.length === 1 ? 'was' : 'were'} tried`,
    gate.soakMs === 0 ? '' : `${duration(gate.soakMs)} of watching passed`,
    gate.approval ? 'a person approved' : '',
  ].filter((part) => part !== '');
  const last = conditions.pop()!;
  return conditions.length === 0 ? last : `${conditions.join(', ')} and ${last}`;
}

/** @param size devices that it would have now; undefined while that is not known. */
export function stageWords(stage: StagePolicy, isLast: boolean, size: number | undefined): string {
  const who =
    stage.count !== undefined
      ? counted(stage.count, 'device')
      : stage.filter !== undefined
        ? `those that match ${stage.filter}`
        : stage.percent !== undefined && !isLast
          ? `${stage.percent} % of the devices`
          : isLast
            ? 'all that are left'
            : 'the devices that are left';
  const now = size === undefined || stage.count !== undefined ? '' : ` (${count(size)} now)`;
  const held = `After ${duration(stage.deadlineMs)} it is held for a person.`;
  return isLast ? `${who}${now}. ${held}` : `${who}${now}. The next opens when ${gateWords(stage.gate)}. ${held}`;
}

/** @param staircase of the server, from the policy alone. */
export function brakeWords(brake: Policy['brake'], staircase?: CampaignPreview['staircase']): string {
  const first = staircase?.[0];
  return [
    `Halts by itself when more than ${limit(brake.limit)} fail, shown by a test that is wrong at most once in ${count(Math.round(1 / brake.alpha))} good campaigns.`,
    first === undefined
      ? ''
      : `At the soonest: ${count(first.failures)} failed among the first ${count(first.within)} tried.`,
    brake.baseline ? 'Where past campaigns of the model went better, the limit is lower.' : '',
    ...brake.thresholds.map(
      (one) => `Also halts when more than ${limit(one.maxFailureShare)} of ${count(one.minTried)} or more failed.`,
    ),
    `At most ${limit(brake.transportLimit)} may use up their tries for reasons of the link.`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

export function paceWords({ pace, limits }: Pick<Policy, 'pace' | 'limits'>): string {
  const grows =
    pace.kind === 'ramp'
      ? `doubling every ${duration(pace.doublingMinutes * 60_000)}`
      : `times ${pace.factor} for each ${counted(pace.everyProven, 'proven device')}`;
  return `Starts ${count(pace.startPerMinute)} a minute, ${grows}, up to ${count(pace.maxPerMinute)}. At once at most ${count(limits.inFlight)}, ${count(limits.firstInFlight)} before anything is proven and ${limits.earnedPerProven} more for each proven device; ${count(limits.perGateway)} on one gateway${limits.perSite === undefined ? '' : `, ${count(limits.perSite)} at one site`}.`;
}

export function windowWords({ windows, urgent }: Pick<Policy, 'windows' | 'urgent'>): string {
  if (urgent) return 'At any time: an urgent campaign does not wait for maintenance windows.';
  if (windows.length === 0) return 'At any time.';
  return windows
    .map(
      ({ rule, from, durationMs }) =>
        `${ruleWords(rule)} from ${from.slice(11)} for ${duration(durationMs)}, by the clock of each site, the first on ${from.slice(0, 10)}.`,
    )
    .join(' ');
}

const DAYS: Readonly<Record<string, string>> = {
  MO: 'Monday',
  TU: 'Tuesday',
  WE: 'Wednesday',
  TH: 'Thursday',
  FR: 'Friday',
  SA: 'Saturday',
  SU: 'Sunday',
};

/** The usual rules of RFC 5545 in words; the rule itself where it is another one. */
export function ruleWords(rule: string): string {
  if (rule === 'FREQ=DAILY') return 'Every day';
  const days = /^FREQ=WEEKLY;BYDAY=([A-Z,]+)$/.exec(rule)?.[1]?.split(',');
  if (days?.every((day) => DAYS[day] !== undefined)) return `Every ${days.map((day) => DAYS[day]).join(', ')}`;
  return rule;
}

export function abortWords(policy: Policy, restores?: string): string {
  if (policy.onAbort === 'leave') return 'An abort leaves devices without a running application as they are.';
  if (policy.onAbort === 'finish')
    return 'An abort still rescues devices without a running application, with this artifact.';
  return `An abort rescues devices without a running application with ${restores ?? 'another artifact'}.`;
}

/** Devices by lists; the filter's own words come from the server. */
export function selectorWords(selector: Selector): string[] {
  const list = (name: string, values: readonly string[] | undefined) =>
    values === undefined || values.length === 0
      ? []
      : [`${name} ${values.slice(0, 8).join(', ')}${values.length > 8 ? ` and ${count(values.length - 8)} more` : ''}`];
  return [
    ...list('model', selector.models),
    ...list('site', selector.sites),
    ...list('gateway', selector.gateways),
    ...list('running', selector.runningVersions),
    ...Object.entries(selector.tags ?? {}).map(([name, value]) => `tag ${name}:${value}`),
    ...(selector.devices ? [`${counted(selector.devices.length, 'device')} by id`] : []),
    ...(selector.updatedBy ? ['updated by another campaign'] : []),
  ];
}

/** The whole policy, in the order in which it takes effect. */
export function planSentences(
  policy: Policy,
  given: {
    /** Devices of each stage, as planned. */
    readonly sizes?: readonly (number | null | undefined)[] | undefined;
    readonly staircase?: CampaignPreview['staircase'] | undefined;
    readonly restores?: string | undefined;
  },
): PlanSentence[] {
  const sentences: (PlanSentence | false)[] = [
    policy.vendorTool !== undefined && {
      about: 'Raw port',
      text: `Not updated by Drydock: the port is open to the vendor’s tool for ${duration(policy.vendorTool.minutes * 60_000)}.`,
      heed: true,
    },
    policy.urgent !== undefined && {
      about: 'Urgent',
      text: `Answers ${policy.urgent.advisory}. Sets maintenance windows aside, takes back what other campaigns have not started on its gateways, and needs two approvers.`,
      heed: true,
    },
    policy.startAt !== undefined && { about: 'Start', text: `Not before ${new Date(policy.startAt).toISOString()}.` },
    ...policy.stages.map((stage, index) => ({
      about: `Stage ${index + 1} ${stage.name}`,
      text: upper(stageWords(stage, index === policy.stages.length - 1, given.sizes?.[index] ?? undefined)),
    })),
    { about: 'Brake', text: brakeWords(policy.brake, given.staircase) },
    { about: 'Pace', text: paceWords(policy) },
    { about: 'Time', text: windowWords(policy) },
    { about: 'Ends', text: `After ${duration(policy.deadlineMs)} it is paused for a person.` },
    policy.membership === 'dynamic' && { about: 'Later', text: 'Devices that match later join the last stage.' },
    policy.minBatteryPercent !== undefined && {
      about: 'Battery',
      text: `Devices that state their charge start with ${policy.minBatteryPercent} % or more.`,
    },
    policy.acceptUnproven && {
      about: 'Unproven',
      text: 'Results that cannot be read back count as known and not failed.',
      heed: true,
    },
    policy.allowDowngrade && { about: 'Downgrade', text: 'Devices that run a newer version take it too.', heed: true },
    policy.confirm === 'at-once' && {
      about: 'Trial boot',
      text: 'The new image is confirmed at once, before it is proven.',
      heed: true,
    },
    { about: 'Abort', text: abortWords(policy, given.restores) },
  ];
  return sentences.filter((sentence) => sentence !== false);
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Why a device that matches is not updated by it. */
export const SKIPPED: Readonly<Record<string, string>> = {
  'already-running': 'already run it',
  downgrade: 'run a newer version',
  requires: 'need another version first',
  'wrong-hardware': 'have other hardware',
  'wrong-protocol': 'are on a link that cannot carry it',
};
