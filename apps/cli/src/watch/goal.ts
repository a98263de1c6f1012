/** When watching ends, and with which status. */
import { EXIT, type ExitStatus } from '../exit-codes.js';
import { CliError } from '../errors/cli-error.js';
import type { Campaign } from '../commands/campaign/sentences.js';

export type Goal =
  { readonly kind: 'running' } | { readonly kind: 'ended' } | { readonly kind: 'stage'; readonly number: number };

/** `running`, `ended`, `stage:3`. @throws CliError `usage.until` */
export function parseGoal(text: string): Goal {
  if (text === 'running' || text === 'ended') return { kind: text };
  const number = /^stage:([1-9]\d?)$/.exec(text)?.[1];
  if (number !== undefined) return { kind: 'stage', number: Number(number) };
  throw new CliError('usage.until', EXIT.usage, `${text} is nothing to wait for.`, {
    fix: 'write running, stage:3 or ended',
  });
}

const ENDED: readonly string[] = ['completed', 'aborted'];
const BEGUN: readonly string[] = ['running', 'paused', 'halted', 'aborting', ...ENDED];

export const isOver = (campaign: Campaign): boolean => ENDED.includes(campaign.state);

export function isReached(goal: Goal, campaign: Campaign): boolean {
  if (isOver(campaign)) return true;
  if (goal.kind === 'running') return BEGUN.includes(campaign.state);
  if (goal.kind === 'ended') return false;
  const stage = campaign.stages[goal.number - 1];
  if (!stage && campaign.stages.length > 0) {
    throw new CliError(
      'request.not-found',
      EXIT.notFound,
      `${campaign.name} has ${campaign.stages.length} stages, and no stage ${goal.number}.`,
    );
  }
  return stage !== undefined && stage.state !== 'pending';
}

/** Nothing goes on until somebody comes. */
export function waitsForPerson(campaign: Campaign): boolean {
  if (['draft', 'awaiting-approval', 'paused', 'halted'].includes(campaign.state)) return true;
  return (
    campaign.state === 'running' &&
    campaign.stages.some((stage) => stage.state === 'held' || stage.state === 'failed') &&
    campaign.sums.running + campaign.sums.granted === 0
  );
}

/** Of `--exit-status`. */
export function statusOf(campaign: Campaign, goal: Goal): ExitStatus {
  if (campaign.state === 'halted') return EXIT.halted;
  if (campaign.state === 'aborted' || campaign.state === 'aborting') return EXIT.aborted;
  if (campaign.state === 'completed') {
    const { sums } = campaign;
    return sums.proven === sums.total - sums.skipped ? EXIT.done : EXIT.notAllProven;
  }
  return waitsForPerson(campaign) && !isReached(goal, campaign) ? EXIT.waitsForPerson : EXIT.done;
}
