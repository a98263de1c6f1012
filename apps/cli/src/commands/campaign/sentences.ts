/** A campaign in words: three shares, what stops, what it waits for. */
import type { components } from '@drydock/api-client';
import { lengthOfTime, percent, plural, shareOf } from '../../output/format.js';
import type { Output } from '../../output/output.js';

export type Campaign = components['schemas']['Campaign'];
export type CampaignSummary = components['schemas']['CampaignSummary'];
export type PauseAnswer = components['schemas']['PauseAnswer'];
type Sums = Campaign['sums'];

const MARKS: Readonly<Record<Campaign['state'], string>> = {
  draft: '○',
  'awaiting-approval': '◇',
  scheduled: '○',
  running: '▶',
  paused: '‖',
  halted: '■',
  aborting: '■',
  aborted: '■',
  completed: '✓',
};
export const markOf = (state: Campaign['state']): string => MARKS[state] ?? '?';

export const notKnown = (sums: Sums): number => sums.unproven + sums.lost;
export const bad = (sums: Sums): number => sums.failed + sums.reverted;

/** `20   1.1 %`: failed and reverted, with the failure share where there is one. */
export function failedCell(sums: Sums): string {
  if (sums.failureShare === null) return String(bad(sums));
  return `${bad(sums)}  ${percent(sums.failureShare)}`;
}

/** When it is done, eight times in ten; for those that do not run, why not. */
export function endsCell(
  out: Pick<Output, 'times'>,
  { state, ends, stateAt }: Pick<CampaignSummary, 'state' | 'ends' | 'stateAt'>,
): string {
  if (state !== 'running') return `${state} ${out.times.at(stateAt)}`;
  if (!ends) return 'no forecast';
  if (ends.p50 === null) return 'past its deadline';
  return ends.p10 !== null && ends.p90 !== null
    ? `${out.times.at(ends.p10)}–${out.times.at(ends.p90)}`
    : `about ${out.times.at(ends.p50)}`;
}

/** @returns 1-based: the stage that is open, or the last that was. */
export function stageNow(
  campaign: Pick<Campaign, 'stages'>,
): { readonly number: number; readonly of: number; readonly name: string; readonly state: string } | undefined {
  const { stages } = campaign;
  const open = stages.find((stage) => ['open', 'soaking', 'held', 'failed'].includes(stage.state));
  const found = open ?? stages.filter((stage) => stage.state === 'passed').at(-1);
  return found && { number: found.index + 1, of: stages.length, name: found.name, state: found.state };
}

/** Three shares that add up to all that ended. */
export function resultLines(campaign: CampaignSummary): string[] {
  const { sums } = campaign;
  const ended = sums.proven + bad(sums) + notKnown(sums);
  const tried = sums.known + sums.suspect;
  return [
    `proven      ${sums.proven} of ${sums.total}${ended > 0 ? `  (${shareOf(sums.proven, ended)} of ${ended} ended)` : ''}`,
    `failed      ${sums.failed}, reverted ${sums.reverted}${sums.failureShare === null ? '' : `: failure share ${shareOf(bad(sums) + sums.suspect, tried)} of ${tried} known or suspect`}`,
    `not known   ${notKnown(sums)}  (unproven ${sums.unproven}, lost ${sums.lost})`,
    `in flight   ${sums.running}   may start ${sums.granted}   rescue ${sums.rescue}   waiting ${sums.planned}`,
    ...(sums.skipped + sums.cancelled > 0 ? [`set aside   skipped ${sums.skipped}, cancelled ${sums.cancelled}`] : []),
  ];
}

/** The sentence of a stop (P2). */
export function stopLines(out: Output, name: string, answer: PauseAnswer): string[] {
  const word =
    { paused: 'Paused', halted: 'Halted', aborting: 'Aborting', aborted: 'Aborted' }[answer.state as string] ??
    `It is ${answer.state}`;
  const start =
    answer.mayStillStart === 0
      ? 'Nothing can start any more.'
      : `At most ${answer.mayStillStart} more ${answer.mayStillStart === 1 ? 'device' : 'devices'} may start, none after ${out.times.end(answer.noneAfter)} (${out.times.until(answer.noneAfter)}).`;
  const flight =
    answer.running === 0
      ? 'None is in flight.'
      : `${answer.running} in flight will finish, the last by ${out.times.end(answer.doneBy)}.`;
  return [
    `${word}. ${start} ${flight}`,
    ...(answer.rescue > 0
      ? [
          `${plural(answer.rescue, 'device')} without a running application ${answer.rescue === 1 ? 'is' : 'are'} rescued all the same.`,
        ]
      : []),
    `  follow  drydock campaign watch ${name}`,
    ...(answer.state === 'paused' || answer.state === 'halted'
      ? [`  undo    drydock campaign resume ${name} --reason TEXT`]
      : []),
  ];
}

export const stopObject = (name: string, answer: PauseAnswer): object => ({
  campaign: name,
  state: answer.state,
  mayStillStart: answer.mayStillStart,
  noneAfter: new Date(answer.noneAfter).toISOString(),
  running: answer.running,
  rescue: answer.rescue,
  doneBy: new Date(answer.doneBy).toISOString(),
});

/** Who must still approve, and who did. */
export function approvalSentence(campaign: Campaign, out: Output): string {
  const { needed, given } = campaign.approvals;
  const kind = campaign.policy.urgent ? 'An urgent campaign' : 'This campaign';
  const by = given.map((one) => `${one.by}, ${out.times.at(one.at)}`).join('; ');
  return `${kind} needs ${needed === 1 ? 'one approver' : `${needed} different approvers`}; it has ${given.length}${by === '' ? '' : ` (${by})`}.`;
}

/** One line about where it stands. */
export function headline(campaign: Campaign, out: Output): string {
  const stage = stageNow(campaign);
  const parts = [
    `${markOf(campaign.state)} ${campaign.state}`,
    ...(stage ? [`stage ${stage.number}/${stage.of} ${stage.name}${stage.state === 'held' ? ' (held)' : ''}`] : []),
    ...(campaign.stateReason === null || !['paused', 'halted', 'aborted', 'aborting'].includes(campaign.state)
      ? []
      : [`${campaign.stateBy ?? 'a rule'}, ${out.times.at(campaign.stateAt)}: ${campaign.stateReason}`]),
  ];
  return parts.join('   ');
}

export const deadlineWords = (campaign: Campaign, now: number): string =>
  campaign.deadlineAt === null ? '' : `deadline in ${lengthOfTime(Date.parse(campaign.deadlineAt) - now)}`;
