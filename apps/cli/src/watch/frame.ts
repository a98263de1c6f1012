/** What `campaign watch` shows of a campaign in a terminal. */
import { bad, headline, notKnown, type Campaign } from '../commands/campaign/sentences.js';
import { percent, shareOf } from '../output/format.js';
import type { Output } from '../output/output.js';
import { barOf } from './bar.js';

export interface FrameFacts {
  readonly campaign: Campaign;
  /** When 95 % are done, or why that is not known. */
  readonly forecast: string;
  /** How many failures would halt it now. */
  readonly haltsAt: number | null;
  /** Set while the live connection is away: numbers are of then. */
  readonly oldSince: number | undefined;
}

export function frameLines(out: Output, facts: FrameFacts, columns: number): string[] {
  const { campaign, forecast, haltsAt, oldSince } = facts;
  const { sums } = campaign;
  const tried = sums.known + sums.suspect;
  const words = `${sums.proven} of ${sums.total} proven`;
  const width = Math.max(10, Math.min(60, columns - words.length - 4));
  const share = tried === 0 ? 'nothing known yet' : `${shareOf(bad(sums) + sums.suspect, tried)} of ${tried} tried`;
  const age = oldSince === undefined ? '' : `   ○ as of ${out.times.at(oldSince)}, trying again`;
  return [
    `${headline(campaign, out)}   ${forecast}${age}`,
    `${barOf(campaign, width)} ${words}`,
    `failed ${sums.failed}, reverted ${sums.reverted}${sums.suspect > 0 ? `, suspect ${sums.suspect}` : ''}: ${share}${haltsAt === null ? '' : `; halts at ${haltsAt}`}`,
    `not known ${notKnown(sums)} · in flight ${sums.running}${sums.rescue > 0 ? ` · rescue ${sums.rescue}` : ''} · may start ${sums.granted} · waiting ${sums.planned}`,
    ...(campaign.exposure !== null && ['paused', 'halted', 'aborting'].includes(campaign.state)
      ? [`${campaign.exposure.mayStillStart} may still start, none after ${out.times.end(campaign.exposure.noneAfter)}`]
      : []),
    ...campaign.stages
      .filter((stage) => stage.state === 'held' || stage.state === 'failed')
      .map(
        (stage) =>
          `◇ stage ${stage.index + 1} ${stage.name} is ${stage.state}: ${stage.note ?? 'it waits for a person'}`,
      ),
  ].map((line) => cut(line, columns));
}

/** A line that is longer than the screen would break the redrawing. */
const cut = (line: string, columns: number): string =>
  line.length < columns ? line : `${line.slice(0, Math.max(1, columns - 2))}…`;

/** One line of facts for those who read it by a program. */
export function factLine(campaign: Campaign): string {
  const { sums, exposure } = campaign;
  const stage = campaign.stages.find((one) => ['open', 'soaking', 'held', 'failed'].includes(one.state));
  const facts: Record<string, string | number | null> = {
    by: ['paused', 'halted', 'aborting', 'aborted'].includes(campaign.state) ? campaign.stateBy : null,
    ...(stage && { stage: `${stage.index + 1}/${campaign.stages.length}`, stageState: stage.state }),
    proven: sums.proven,
    of: sums.total,
    failed: sums.failed,
    reverted: sums.reverted,
    share: sums.failureShare === null ? null : percent(sums.failureShare).replace(/ /g, ''),
    notKnown: notKnown(sums),
    running: sums.running,
    waiting: sums.planned,
    ...(exposure &&
      campaign.state !== 'running' && {
        mayStillStart: exposure.mayStillStart,
        noneAfter: new Date(exposure.noneAfter).toISOString(),
      }),
  };
  return `${campaign.state} ${Object.entries(facts)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}=${/\s/.test(String(value)) ? JSON.stringify(value) : String(value)}`)
    .join(' ')}`;
}
